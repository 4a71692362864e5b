//! Brings a population into a database: made on one thread, written on another.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;
use xacminh_proto::schema::code;

use super::generator::Population;
use super::person::Person;
use super::{PopulationError, postgres, sqlite, store::Store};

/// People handed over at once: large enough that the channel costs nothing.
const BATCH_PEOPLE: usize = 4_096;

/// Batches waiting: making is faster than writing, and memory is to stay small.
const BATCHES_MAX: usize = 4;

/// How often the bar is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Citizens, each counted once.
    pub citizens: u64,
    /// Rows of cancelled numbers besides.
    pub cancelled: u64,
    /// Positions in the change feed: a cancelled number, and the number given instead.
    pub changes: u64,
}

/// People on their way to a writer.
pub(super) type Batches = mpsc::Receiver<Vec<Person>>;

/// Writes a population into an empty store; `replace` drops the population that is there.
///
/// # Errors
/// [`PopulationError`]; the store is then as it was.
pub async fn load(people: Population, store: &Store, options: &Options) -> Result<Loaded, PopulationError> {
    let bar = bar(people.citizens(), options.quiet);
    let (send, receive) = mpsc::channel(BATCHES_MAX);
    // The thread ends with the population, or when the writer drops its end.
    let maker = std::thread::spawn(move || make(people, &send));
    let loaded = match store {
        Store::Sqlite(path) => {
            let (path, replace, bar) = (path.clone(), options.replace, bar.clone());
            let written = tokio::task::spawn_blocking(move || sqlite::write(receive, &path, replace, &bar));
            written.await.map_err(|_| PopulationError::Writer)?
        }
        Store::Postgres(config) => postgres::write(receive, config, options, &bar).await,
    };
    let made = maker.join();
    bar.finish_and_clear();
    let loaded = loaded?;
    made.map_err(|_| PopulationError::Writer)?;
    Ok(loaded)
}

/// How to load.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether a population that is there may be dropped.
    pub replace: bool,
    /// Whether to draw no progress bar.
    pub quiet: bool,
    /// Certificate authority of the PostgreSQL server.
    pub ca_file: Option<std::path::PathBuf>,
}

/// Counts what passes and keeps the change feed.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) loaded: Loaded,
    pub(super) changes: Vec<Change>,
}

/// A row of `changes`.
pub(super) struct Change {
    pub(super) position: i64,
    pub(super) number: i64,
    pub(super) kind: i16,
    pub(super) version: i64,
}

impl Tally {
    /// The feed starts with the numbers that were cancelled and those given instead; a bulk load is no change.
    pub(super) fn count(&mut self, person: &Person) {
        let cancelled = person.number_status == code::NUMBER_CANCELLED;
        self.loaded.citizens += u64::from(!cancelled);
        self.loaded.cancelled += u64::from(cancelled);
        if cancelled || person.replaces.is_some() {
            self.loaded.changes += 1;
            self.changes.push(Change {
                position: i64::try_from(self.loaded.changes).expect("fewer changes than people"),
                number: i64::try_from(person.number).expect("twelve digits"),
                kind: if cancelled { code::CHANGE_CANCELLED } else { code::CHANGE_RECORDED },
                version: person.version,
            });
        }
    }
}

fn make(mut people: Population, send: &mpsc::Sender<Vec<Person>>) {
    loop {
        let batch: Vec<Person> = people.by_ref().take(BATCH_PEOPLE).collect();
        if batch.is_empty() || send.blocking_send(batch).is_err() {
            return;
        }
    }
}

/// On standard error, and only where a person looks at it.
fn bar(citizens: u64, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(5) };
    let style =
        ProgressStyle::with_template("{msg:>10} [{bar:40}] {human_pos}/{human_len} people, {elapsed} (left: {eta})");
    let bar = ProgressBar::with_draw_target(Some(citizens), target).with_message("writing");
    bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
    bar.enable_steady_tick(DRAW_EVERY);
    bar
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::sample::{Sampled, sample};
    use super::*;

    fn quiet() -> Options {
        Options { quiet: true, ..Options::default() }
    }

    async fn loaded_into(path: &Path, citizens: u64) -> Result<Loaded, PopulationError> {
        let people = Population::new(citizens, 48, 7).expect("province 48 has communes");
        load(people, &Store::Sqlite(path.into()), &quiet()).await
    }

    #[tokio::test]
    async fn what_is_loaded_can_be_sampled() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("people.db");
        let loaded = loaded_into(&path, 9_000).await.expect("written");
        assert_eq!(loaded.citizens, 9_000);
        assert!(loaded.cancelled > 0 && loaded.changes > loaded.cancelled);
        assert!(!folder.path().join("people.db.partial").exists());
        let store = Store::Sqlite(path);
        let drawn = sample(&store, None, 300, 1).await.expect("read");
        assert_eq!(drawn, sample(&store, None, 300, 1).await.expect("read"));
        assert_ne!(drawn, sample(&store, None, 300, 2).await.expect("read"));
        assert!(drawn.iter().all(is_well_formed));
        let distinct: std::collections::HashSet<_> = drawn.iter().map(|person| &person.citizen_number).collect();
        assert_eq!(distinct.len(), 300);
        assert!(sample(&store, None, 20_000, 1).await.expect("read").len() < 9_000, "the dead are not drawn");
    }

    #[tokio::test]
    async fn a_population_is_not_overwritten_unasked() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("people.db");
        loaded_into(&path, 10).await.expect("written");
        let before = std::fs::read(&path).expect("readable");
        assert!(matches!(loaded_into(&path, 20).await, Err(PopulationError::Exists)));
        assert_eq!(std::fs::read(&path).expect("readable"), before);
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let lost = folder.path().join("nowhere/people.db");
        assert!(matches!(loaded_into(&lost, 10).await, Err(PopulationError::Sqlite(_))));
    }

    /// A load that died before the indexes leaves schema version 1.
    #[tokio::test]
    async fn a_half_loaded_database_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("people.db");
        let connection = rusqlite::Connection::open(&path).expect("opened");
        connection.execute_batch(xacminh_proto::schema::TABLES.sql).expect("tables");
        connection.execute("INSERT INTO schema_migrations (version, name) VALUES (1, 'tables')", []).expect("recorded");
        drop(connection);
        let refused = sample(&Store::Sqlite(path), None, 1, 1).await;
        assert!(matches!(refused, Err(PopulationError::SchemaVersion { found: 1 })));
    }

    fn is_well_formed(person: &Sampled) -> bool {
        person.citizen_number.len() == 12
            && person.old_number.as_ref().is_none_or(|number| number.len() == 9)
            && person.full_name.chars().next().is_some_and(char::is_uppercase)
            && matches!(person.birth_date.len(), 4 | 10)
            && person.commune.as_ref().is_some_and(|commune| commune.len() == 5)
    }
}
