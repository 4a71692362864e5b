//! A population in PostgreSQL: one transaction, binary COPY, indexes at the end.

use bytes::{BufMut, Bytes, BytesMut};
use futures::SinkExt;
use indicatif::ProgressBar;
use tokio_postgres::{Config, CopyInSink, Transaction};
use xacminh_proto::schema::{self, CHANGE_COLUMNS, Kind, Migration, PERSON_COLUMNS};

use super::PopulationError;
use super::load::{Batches, Change, Loaded, Options, Tally};
use super::person::{Cell, Person};
use super::store;

/// Bytes gathered before they are sent: some hundred rows.
const CHUNK_BYTES: usize = 256 * 1024;

/// Signature, no flags, no header extension (PostgreSQL manual, COPY, binary format).
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Ends a binary COPY.
const COPY_TRAILER: i16 = -1;

const DROP: &str = "DROP TABLE IF EXISTS persons, changes, schema_migrations";
const IS_THERE: &str = "SELECT to_regclass('persons') IS NOT NULL";

/// Sorting for the indexes takes this memory, for this transaction only.
const INDEX_MEMORY: &str = "SET LOCAL maintenance_work_mem = '256MB'";

/// Writes the people in one transaction: if we crash anywhere before the commit, the database is as it was.
pub(super) async fn write(
    mut people: Batches,
    config: &Config,
    options: &Options,
    bar: &ProgressBar,
) -> Result<Loaded, PopulationError> {
    let mut client = store::connect(config, options.ca_file.as_deref()).await?;
    let transaction = client.transaction().await.map_err(PopulationError::Postgres)?;
    if options.replace {
        run(&transaction, DROP).await?;
    } else if transaction.query_one(IS_THERE, &[]).await.map_err(PopulationError::Postgres)?.get(0) {
        return Err(PopulationError::Exists);
    }
    migrate(&transaction, &schema::TABLES).await?;
    let mut tally = Tally::default();
    let mut copy = Copy::begin(&transaction, schema::PERSONS, &PERSON_COLUMNS).await?;
    while let Some(batch) = people.recv().await {
        for person in &batch {
            copy.person(person);
            tally.count(person);
            copy.send_if_full().await?;
        }
        bar.set_position(tally.loaded.citizens);
    }
    copy.end().await?;
    let mut copy = Copy::begin(&transaction, schema::CHANGES, &CHANGE_COLUMNS).await?;
    for change in &tally.changes {
        copy.change(change);
        copy.send_if_full().await?;
    }
    copy.end().await?;
    bar.set_message("indexing");
    run(&transaction, INDEX_MEMORY).await?;
    migrate(&transaction, &schema::INDEXES).await?;
    run(&transaction, "ANALYZE persons").await?;
    transaction.commit().await.map_err(PopulationError::Postgres)?;
    Ok(tally.loaded)
}

/// A binary COPY under way.
struct Copy {
    sink: std::pin::Pin<Box<CopyInSink<Bytes>>>,
    buffer: BytesMut,
}

impl Copy {
    async fn begin(
        transaction: &Transaction<'_>,
        table: &str,
        columns: &[(&str, Kind)],
    ) -> Result<Self, PopulationError> {
        let text = format!("COPY {table} ({}) FROM STDIN BINARY", schema::column_list(columns));
        let sink = transaction.copy_in(&text).await.map_err(PopulationError::Postgres)?;
        let mut buffer = BytesMut::with_capacity(2 * CHUNK_BYTES);
        buffer.put_slice(COPY_HEADER);
        Ok(Self { sink: Box::pin(sink), buffer })
    }

    fn person(&mut self, person: &Person) {
        self.row(PERSON_COLUMNS.len());
        person.cells(&mut |cell| self.cell(cell));
    }

    fn change(&mut self, change: &Change) {
        self.row(CHANGE_COLUMNS.len());
        self.cell(Cell::Big(Some(change.position)));
        self.cell(Cell::Big(Some(change.number)));
        self.cell(Cell::Small(Some(change.kind)));
        self.cell(Cell::Big(Some(change.version)));
    }

    fn row(&mut self, columns: usize) {
        self.buffer.put_i16(i16::try_from(columns).expect("tables are narrow"));
    }

    fn cell(&mut self, cell: Cell<'_>) {
        match cell {
            Cell::Small(Some(value)) => self.value(&value.to_be_bytes()),
            Cell::Int(Some(value)) => self.value(&value.to_be_bytes()),
            Cell::Big(Some(value)) => self.value(&value.to_be_bytes()),
            Cell::Text(Some(value)) => self.value(value.as_bytes()),
            Cell::Small(None) | Cell::Int(None) | Cell::Big(None) | Cell::Text(None) => self.buffer.put_i32(-1),
        }
    }

    fn value(&mut self, bytes: &[u8]) {
        self.buffer.put_i32(i32::try_from(bytes.len()).expect("texts are short"));
        self.buffer.put_slice(bytes);
    }

    async fn send_if_full(&mut self) -> Result<(), PopulationError> {
        if self.buffer.len() < CHUNK_BYTES {
            return Ok(());
        }
        let chunk = self.buffer.split().freeze();
        self.sink.send(chunk).await.map_err(PopulationError::Postgres)
    }

    async fn end(mut self) -> Result<(), PopulationError> {
        self.buffer.put_i16(COPY_TRAILER);
        self.sink.send(self.buffer.freeze()).await.map_err(PopulationError::Postgres)?;
        self.sink.as_mut().finish().await.map_err(PopulationError::Postgres)?;
        Ok(())
    }
}

async fn migrate(transaction: &Transaction<'_>, migration: &Migration) -> Result<(), PopulationError> {
    run(transaction, migration.sql).await?;
    let record = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)";
    let row = transaction.execute(record, &[&migration.version, &migration.name]).await;
    row.map(|_| ()).map_err(PopulationError::Postgres)
}

async fn run(transaction: &Transaction<'_>, text: &str) -> Result<(), PopulationError> {
    transaction.batch_execute(text).await.map_err(PopulationError::Postgres)
}
