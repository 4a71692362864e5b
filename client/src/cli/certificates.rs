//! `xacminh cert`: shows what [`crate::cert`] made.

use crate::cert::{self, CertArgs, CertError};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit},
};

pub(super) fn run(global: &GlobalArgs, args: CertArgs) -> Result<Exit, CliError> {
    let written = cert::run(args).map_err(|error| told(&error))?;
    let screen = global.screen();
    if screen.json {
        let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        screen.json(&serde_json::json!({ "written": paths }))?;
    } else {
        for path in written {
            screen.line(&path.display().to_string())?;
        }
    }
    Ok(Exit::Good)
}

/// With its causes: an access error is of no use without the system's word.
fn told(error: &CertError) -> CliError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    CliError::Certificate(text)
}
