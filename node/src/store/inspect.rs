//! A look into a stopped node's data directory, for operators: numbers and ids, never what they stand for.

use std::{fmt, sync::Arc};

use super::{ApplySink, Options, Store, StoreError, encoding::LogIdOf, tables::Head};

/// What a data directory holds.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The directory's random number.
    pub incarnation: u128,
    /// The last log id that was purged.
    pub purged: Option<LogIdOf>,
    /// The last log id present.
    pub last: Option<LogIdOf>,
    /// The last log id known as committed.
    pub committed: Option<LogIdOf>,
    /// What the state says about itself.
    pub head: Arc<Head>,
    /// BLAKE3 of the whole state: equal on nodes that applied the same entries.
    pub digest: Option<blake3::Hash>,
}

/// Opens a data directory that no node is using and reads what is in it; `digest` reads the whole state.
///
/// Opening recovers the log as a start would, and changes nothing else.
///
/// # Errors
/// [`StoreError`], in particular while a node holds the directory.
pub fn inspect(options: &Options<'_>, digest: bool) -> Result<Inspection, StoreError> {
    let store = Store::open(options, Arc::new(Nobody), Arc::new(|fatal| tracing::error!(%fatal, "inspection")))?;
    let [purged, last, committed] = store.log.bounds();
    let state_failed = |source| StoreError::State { path: options.directory.display().to_string(), source };
    let digest = if digest { Some(store.state.digest().map_err(state_failed)?.1) } else { None };
    Ok(Inspection { incarnation: store.incarnation(), purged, last, committed, head: store.state.head(), digest })
}

struct Nobody;

impl ApplySink for Nobody {
    fn applied(
        &self,
        _: u64,
        _: u64,
        _: u64,
        _: Vec<(xacminh_core::command::Ticket, xacminh_core::apply::ItemOutcome)>,
    ) {
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |log_id: &Option<LogIdOf>| log_id.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let meta = &self.head.meta;
        writeln!(f, "incarnation        {:032x}", self.incarnation)?;
        writeln!(f, "log purged         {}", id(&self.purged))?;
        writeln!(f, "log last           {}", id(&self.last))?;
        writeln!(f, "log committed      {}", id(&self.committed))?;
        writeln!(f, "state applied      {}", id(&self.head.applied))?;
        writeln!(f, "state membership   {}", self.head.membership)?;
        writeln!(f, "state leaves       {}", meta.leaves)?;
        writeln!(
            f,
            "state tree         {}",
            self.head.root.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        )?;
        writeln!(f, "state shard        {} from position {}", meta.shard.year, meta.shard.first)?;
        writeln!(f, "state last stamp   {} ms", meta.last_at_ms)?;
        writeln!(f, "register revision  {}", meta.register_revision)?;
        match &self.digest {
            Some(digest) => writeln!(f, "state digest       {digest}"),
            None => Ok(()),
        }
    }
}
