//! `xacminh cert`: shows what [`crate::cert`] made.

use crate::cert::{self, CertArgs};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit, chain},
};

pub(super) fn run(global: &GlobalArgs, args: CertArgs) -> Result<Exit, CliError> {
    let written = cert::run(args).map_err(|error| CliError::Certificate(chain(&error)))?;
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
