//! `xacminh population`: runs [`crate::population`] and sorts its errors by exit code.

use crate::population::{self, PopulationArgs, PopulationError};

use super::{
    config::GlobalArgs,
    exit::{CliError, Exit, chain},
};

pub(super) async fn run(global: &GlobalArgs, args: PopulationArgs) -> Result<Exit, CliError> {
    population::run(args, global.quiet).await.map(|()| Exit::Good).map_err(sorted)
}

fn sorted(error: PopulationError) -> CliError {
    use PopulationError as E;
    let told = chain(&error);
    match error {
        E::StoreForm | E::Url(_) | E::Places(_) | E::Exists | E::CaNeeded => CliError::Usage(told),
        E::CaFile(_) | E::SchemaVersion { .. } | E::Sqlite(_) | E::Postgres(_) | E::File { .. } => {
            CliError::Database(told)
        }
        E::Output(error) => match error.into_kind() {
            csv::ErrorKind::Io(error) => CliError::Output(error),
            _ => CliError::Internal(told),
        },
        E::Writer => CliError::Internal(told),
    }
}
