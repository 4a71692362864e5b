//! Changes of the register: the first one from a file, later ones from an operator.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};
use xacminh_core::register::Register;
use xacminh_proto::vocab::ErrorNumber;

use super::Node;
use crate::serve::Trouble;

/// How often a leader without a register looks for the bootstrap file.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

/// Pause after a bootstrap file that could not be put in force: somebody has to do something about it, and the log is not
/// to be filled meanwhile.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// How long a change may take to be applied here.
const CHANGE_MAX: Duration = Duration::from_secs(10);

/// Puts the configured first register in force, once, while this node leads a cluster that has none.
pub(super) async fn keep(node: Arc<Node>) {
    let Some(file) = node.config.bootstrap.register.clone() else { return };
    while node.state.meta().register_revision == 0 {
        if node.replication.leads() {
            let outcome = match tokio::fs::read_to_string(&file).await {
                Ok(document) => node.change_register("bootstrap", document).await.map_err(|failure| failure.detail),
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok(revision) => tracing::info!(revision, "the first register is in force"),
                Err(error) => {
                    tracing::warn!(file = %file.display(), %error, "the first register is not in force yet");
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
        sleep(LOOK_INTERVAL).await;
    }
}

impl Node {
    /// Puts a register document in force and waits until this node has applied it.
    pub(super) async fn change_register(&self, operator: &str, document: String) -> Result<u64, Trouble> {
        let failure = |number, detail: String| Trouble { number, detail };
        let register =
            Register::parse(&document).map_err(|error| failure(ErrorNumber::MalformedMessage, error.to_string()))?;
        let now = self.state.meta().register_revision;
        if register.revision <= now {
            let detail = format!("revision {now} is in force; the next one must be greater than it");
            return Err(failure(ErrorNumber::RegisterRevision, detail));
        }
        // What is in force was sound when it came; a node that cannot read it answers nothing anyway.
        if let Ok(before) = Register::parse(&self.state.document().text) {
            register
                .check_after(&before)
                .map_err(|problem| failure(ErrorNumber::MalformedMessage, problem.to_string()))?;
        }
        if !self.replication.leads() {
            return Err(failure(ErrorNumber::NotReady, "this node does not lead; ask another".to_owned()));
        }
        let change = self
            .desk
            .register_change(operator, &register, document.clone())
            .map_err(|number| failure(number, String::new()))?;
        let deadline = Instant::now() + CHANGE_MAX;
        let late = |_| failure(ErrorNumber::DeadlineExceeded, String::new());
        timeout_at(deadline, self.replication.propose_register(change))
            .await
            .map_err(late)?
            .map_err(|error| failure(ErrorNumber::NotReady, error))?;
        // Another change may have come first, perhaps with the same number: the document in force tells.
        let in_force = self.state.document();
        if in_force.revision == register.revision && in_force.text == document {
            Ok(register.revision)
        } else {
            Err(failure(ErrorNumber::NotReady, "something else came first; send the change again".to_owned()))
        }
    }
}
