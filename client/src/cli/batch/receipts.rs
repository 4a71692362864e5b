//! The receipts of a batch, one file for each answered row, named by its request id.
//!
//! They are asked for after the answers, and are the same bytes as the answers would have brought: the question of a row
//! stays the same with and without them, and so do its request id and its answer.
//! A receipt that is there is not fetched again, so that a run that was cut goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use indicatif::ProgressBar;
use xacminh_proto::vocab::RequestId;

use crate::{
    Client, ClientError,
    cli::exit::{CliError, Exit},
};

use super::{BatchArgs, Journal, Rows, UNREACHED_MAX, result};

/// Receipts under way at once: each takes a stream, of which nodes grant a caller 128.
const IN_FLIGHT_MAX: usize = 32;

/// What became of the receipts.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Files that are there.
    pub(super) there: u64,
    /// Answered rows without one: erased since, or to be asked for again.
    pub(super) missing: u64,
    /// Why the last one is missing.
    pub(super) why: Option<String>,
}

/// Fetches the receipt of every answered row that has none in the folder yet.
pub(super) async fn fetch(
    client: &Client,
    journal: &Journal,
    args: &BatchArgs,
    folder: &Path,
    deadline: Duration,
    progress: &ProgressBar,
) -> Result<Fetched, CliError> {
    fs::create_dir_all(folder).map_err(|error| CliError::file(folder, error))?;
    let mut rows = Rows::open(&args.file, journal.seed())?;
    let mut flights = FuturesUnordered::new();
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let (mut fetched, mut rows_left, mut unreached_in_a_row) = (Fetched::default(), true, 0);
    loop {
        while rows_left && flights.len() < IN_FLIGHT_MAX {
            let Some(row) = rows.next(&args.purpose)? else {
                rows_left = false;
                break;
            };
            progress.inc(1);
            let Some(answer) = journal.answer(&row.key)? else { continue };
            let id = RequestId::parse(&answer.request_id).map_err(|error| CliError::Internal(error.to_string()))?;
            let path = path_of(folder, &id);
            if is_whole(&path) {
                fetched.there += 1;
                continue;
            }
            flights.push(async move { (path, client.receipt(id, deadline).await) });
        }
        let landed = tokio::select! {
            landed = flights.next() => landed,
            _ = &mut interrupted => break,
        };
        let (path, receipt): (PathBuf, Result<String, ClientError>) = match landed {
            Some(landed) => landed,
            None => return Ok(fetched),
        };
        match receipt {
            Ok(receipt) => {
                result::replace(&path, |file| std::io::Write::write_all(file, receipt.as_bytes()).map_err(Into::into))?;
                fetched.there += 1;
                unreached_in_a_row = 0;
            }
            Err(error) => {
                let exit = CliError::from(error.clone()).exit();
                if matches!(exit, Exit::Certificate | Exit::Internal) {
                    return Err(error.into());
                }
                unreached_in_a_row = if exit == Exit::Unreached { unreached_in_a_row + 1 } else { 0 };
                fetched.missing += 1;
                fetched.why = Some(error.to_string());
            }
        }
        if unreached_in_a_row >= UNREACHED_MAX {
            break;
        }
    }
    // Stopped before the end: what was not asked for is missing too.
    fetched.missing += u64::try_from(flights.len()).unwrap_or(u64::MAX);
    while let Some(row) = rows.next(&args.purpose)? {
        fetched.missing += u64::from(journal.is_answered(&row.key));
    }
    Ok(fetched)
}

fn path_of(folder: &Path, id: &RequestId) -> PathBuf {
    folder.join(format!("{id}.receipt"))
}

/// Files are renamed into their place when they are whole; one that is empty was lost by a power cut.
fn is_whole(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() > 0)
}
