//! A register comes into force, or is shown as it is.

use std::{path::Path, time::Duration};

use super::{CliError, Exit, GlobalArgs, read};
use crate::cli::screen::Screen;

/// Puts a register in force. It is checked here first: a slip should not cost a round trip, and the one in force stays.
pub(in crate::cli) async fn apply(global: &GlobalArgs, deadline: Duration, file: &Path) -> Result<Exit, CliError> {
    let document = read(file)?;
    let client = global.client().await?;
    let revision = client.put_register(document.text, deadline).await;
    client.close().await;
    let revision = revision?;
    let screen = global.screen();
    if screen.json {
        screen.json(&serde_json::json!({"register_revision": revision}))?;
    } else {
        screen.line(&format!(
            "{} {revision}",
            screen.lang.say("danh mục đã có hiệu lực, bản", "register in force, revision")
        ))?;
    }
    Ok(Exit::Good)
}

/// Shows the register in force byte for byte, so that it can be kept, changed and applied.
pub(super) fn show(screen: Screen, (revision, document): &(u64, String)) -> Result<Exit, CliError> {
    if screen.json {
        screen.json(&serde_json::json!({"register_revision": revision, "document": document}))?;
    } else {
        screen.line(document.strip_suffix('\n').unwrap_or(document))?;
        screen.note(&format!("{} {revision}", screen.lang.say("bản đang có hiệu lực:", "revision in force:")));
    }
    Ok(Exit::Good)
}
