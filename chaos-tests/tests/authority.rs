//! The authority's bodies against real databases with a generated population.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use xacminh_chaos::postgres::{PostgresServer, ServerCertificate};
use xacminh_client::population::generator::Population;
use xacminh_client::population::load::{Options, load};
use xacminh_client::population::sample::{Sampled, sample};
use xacminh_client::population::store::Store;
use xacminh_core::question::PersonKeys;
use xacminh_core::record::{NumberStatus, Record};
use xacminh_node::upstream::{
    self, Authority, AuthorityConfig, AuthorityError, ChangeKind, EmbeddedConfig, Fetched, PostgresConfig, StartError,
};
use xacminh_proto::vocab::{BirthDate, FullName, PersonNumber};

const CITIZENS: u64 = 6_000;

/// The same people in SQLite and in PostgreSQL are the same records, and those that `sample` tells.
#[tokio::test]
async fn both_databases_hold_the_same_people() {
    let server = PostgresServer::start().await.expect("PostgreSQL");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("people.db");
    let (sqlite, postgres) = (Store::Sqlite(file.clone()), server.url().parse::<Store>().expect("a URL"));
    let written = populate(&sqlite).await;
    assert_eq!(populate(&postgres).await, written);
    let drawn = sample(&sqlite, None, 400, 5).await.expect("read");
    assert_eq!(sample(&postgres, None, 400, 5).await.expect("read"), drawn);

    let embedded = embedded(&file).await;
    let remote = upstream::open(&postgres_config(&server.url(), None)).await.expect("opened");
    let mut relatives = 0;
    for person in &drawn {
        let record = one(&*embedded, person).await;
        assert_eq!(record, one(&*remote, person).await);
        assert_is(&record, person);
        relatives += record.children.len() + record.wards.len() + record.household.map_or(0, |home| home.members.len());
    }
    assert!(relatives > 400, "{relatives}");
    assert_feeds_agree(&*embedded, &*remote).await;
    assert_pages_agree(&*embedded, &*remote).await;
    assert_eq!(remote.fetch(&keys_of("999999999999"), soon()).await, Ok(Fetched::Missing));
    assert_eq!(remote.health(soon()).await, Ok(()));
}

#[tokio::test]
async fn a_population_in_postgres_is_not_overwritten_unasked() {
    let server = PostgresServer::start().await.expect("PostgreSQL");
    let store: Store = server.url().parse().expect("a URL");
    populate(&store).await;
    let people = || Population::new(10, 48, 2).expect("settled");
    let refused = load(people(), &store, &Options { quiet: true, ..Options::default() }).await;
    assert!(refused.is_err());
    assert_eq!(count(&server).await, i64::try_from(CITIZENS).expect("small"));
    let replaced = load(people(), &store, &Options { quiet: true, replace: true, ..Options::default() }).await;
    assert_eq!(replaced.expect("replaced").citizens, 10);
    assert_eq!(count(&server).await, 10);
}

/// A server that stops in the middle of a query is an outage, not a missing person; back again, it is asked again.
#[tokio::test]
async fn postgres_stopped_in_mid_query_is_unavailable_until_it_is_back() {
    let mut server = PostgresServer::start().await.expect("PostgreSQL");
    let store: Store = server.url().parse().expect("a URL");
    populate(&store).await;
    let person = sample(&store, None, 1, 1).await.expect("read").remove(0);
    let authority = upstream::open(&postgres_config(&server.url(), None)).await.expect("opened");
    one(&*authority, &person).await;

    let blocker = server.connect().await.expect("connected");
    blocker.batch_execute("BEGIN; LOCK TABLE persons IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let keys = keys(&person);
    let (asked, crashed) = tokio::join!(authority.fetch(&keys, soon()), async {
        wait_until_one_waits(&blocker).await;
        server.crash()
    });
    crashed.expect("stopped");
    assert_eq!(asked, Err(AuthorityError::Unavailable));
    assert_eq!(authority.fetch(&keys, soon()).await, Err(AuthorityError::Unavailable));
    assert!(authority.health(soon()).await.is_err());

    server.resume().await.expect("started again");
    assert_is(&one(&*authority, &person).await, &person);
}

/// A query that takes too long ends at the deadline, and does not keep a connection of the pool.
#[tokio::test]
async fn a_slow_postgres_costs_its_caller_the_deadline_only() {
    let server = PostgresServer::start().await.expect("PostgreSQL");
    let store: Store = server.url().parse().expect("a URL");
    populate(&store).await;
    let person = sample(&store, None, 1, 1).await.expect("read").remove(0);
    let AuthorityConfig::Postgres(config) = postgres_config(&server.url(), None) else { unreachable!("as built") };
    let one_connection = AuthorityConfig::Postgres(PostgresConfig { pool_size: 1, statement_ms_max: 60_000, ..config });
    let authority = upstream::open(&one_connection).await.expect("opened");
    let blocker = server.connect().await.expect("connected");
    blocker.batch_execute("BEGIN; LOCK TABLE persons IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let late = authority.fetch(&keys(&person), Instant::now() + Duration::from_millis(300)).await;
    assert_eq!(late, Err(AuthorityError::Deadline));
    blocker.batch_execute("ROLLBACK").await.expect("unlocked");
    assert_is(&one(&*authority, &person).await, &person);
}

/// A node starts while the authority is away; a wrong schema is refused as soon as it is seen.
#[tokio::test]
async fn an_absent_server_does_not_stop_the_start_but_another_schema_does() {
    let mut server = PostgresServer::start().await.expect("PostgreSQL");
    let refused = upstream::open(&postgres_config(&server.url(), None)).await.err();
    assert!(matches!(refused, Some(StartError::SchemaVersion { found: 0 })), "an empty database");
    server.crash().expect("stopped");
    let authority = upstream::open(&postgres_config(&server.url(), None)).await.expect("opened while it is away");
    assert_eq!(authority.fetch(&keys_of("048090000001"), soon()).await, Err(AuthorityError::Unavailable));
    server.resume().await.expect("started");
    assert_eq!(authority.fetch(&keys_of("048090000001"), soon()).await, Err(AuthorityError::Damaged));
    populate(&server.url().parse().expect("a URL")).await;
    assert_eq!(authority.fetch(&keys_of("999999999999"), soon()).await, Ok(Fetched::Missing));
}

#[tokio::test]
async fn over_tls_only_the_right_authority_is_believed() {
    let (certificate, ca) = certificate();
    let (_, other_ca) = self::certificate();
    let server = PostgresServer::start_with_tls(&certificate).await.expect("PostgreSQL");
    let folder = tempfile::tempdir().expect("a folder");
    let (ca_file, other_ca_file) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    std::fs::write(&ca_file, ca).expect("written");
    std::fs::write(&other_ca_file, other_ca).expect("written");
    let store: Store = server.url().parse().expect("a URL");
    let options = Options { quiet: true, ca_file: Some(ca_file.clone()), ..Options::default() };
    let people = Population::new(50, 48, 1).expect("settled");
    load(people, &store, &options).await.expect("written over TLS");
    let person = sample(&store, Some(&ca_file), 1, 1).await.expect("read over TLS").remove(0);

    let authority = upstream::open(&postgres_config(&server.url(), Some(ca_file))).await.expect("opened");
    assert_is(&one(&*authority, &person).await, &person);
    let mistrusting = upstream::open(&postgres_config(&server.url(), Some(other_ca_file))).await.expect("opened");
    assert_eq!(mistrusting.fetch(&keys(&person), soon()).await, Err(AuthorityError::Unavailable));
}

/// A server's own certificate and the authority that signed it.
fn certificate() -> (ServerCertificate, String) {
    let ca_key = rcgen::KeyPair::generate().expect("a key");
    let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).expect("signed").pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let certificate_pem = server.signed_by(&key, &issuer).expect("signed").pem();
    (ServerCertificate { certificate_pem, key_pem: key.serialize_pem() }, ca_pem)
}

async fn populate(store: &Store) -> xacminh_client::population::load::Loaded {
    let people = Population::new(CITIZENS, 48, 11).expect("settled");
    load(people, store, &Options { quiet: true, ..Options::default() }).await.expect("written")
}

async fn embedded(path: &Path) -> std::sync::Arc<dyn Authority> {
    let config = AuthorityConfig::Embedded(EmbeddedConfig { path: path.into(), connections: 2 });
    upstream::open(&config).await.expect("opened")
}

fn postgres_config(url: &str, ca_file: Option<PathBuf>) -> AuthorityConfig {
    let url = url.to_owned();
    AuthorityConfig::Postgres(PostgresConfig {
        url,
        ca_file,
        password_file: None,
        pool_size: 2,
        connect_ms_max: 5_000,
        statement_ms_max: 20_000,
    })
}

async fn one(authority: &dyn Authority, person: &Sampled) -> Record {
    let found = authority.fetch(&keys(person), soon()).await.expect("answered");
    assert_eq!(found.people().len(), 1);
    found.people()[0].clone()
}

fn keys(person: &Sampled) -> PersonKeys {
    PersonKeys {
        number: PersonNumber::parse(&person.citizen_number).expect("a number"),
        name: FullName::parse(&person.full_name).expect("a name"),
        birth: BirthDate::parse(&person.birth_date).expect("a date"),
    }
}

fn keys_of(number: &str) -> PersonKeys {
    PersonKeys {
        number: PersonNumber::parse(number).expect("a number"),
        name: FullName::parse("Lê Thị Thử").expect("a name"),
        birth: BirthDate::of_year(1990).expect("a year"),
    }
}

fn assert_is(record: &Record, person: &Sampled) {
    assert_eq!(record.number.reveal(), person.citizen_number);
    assert_eq!(record.name.reveal(), person.full_name);
    assert_eq!(record.birth.reveal(), person.birth_date);
    assert_eq!(record.status, NumberStatus::Active);
    assert_eq!(record.old_number.map(|number| number.reveal()), person.old_number);
    assert_eq!(record.spouse.map(|number| number.reveal()), person.spouse);
    let permanent = record.permanent.as_ref().expect("an address");
    assert_eq!(Some(format!("{:02}", permanent.place.province)), person.province);
    assert!(permanent.commune_before_2025.is_some());
}

async fn assert_feeds_agree(one: &dyn Authority, other: &dyn Authority) {
    let changes = one.changes(0, 1_000, soon()).await.expect("read");
    assert_eq!(changes, other.changes(0, 1_000, soon()).await.expect("read"));
    assert!(changes.iter().any(|change| change.kind == ChangeKind::Cancelled));
    assert!(changes.is_sorted_by_key(|change| change.position));
}

/// Pages of both are the same, and tell of everybody in force what a question about them would be told.
async fn assert_pages_agree(one: &dyn Authority, other: &dyn Authority) {
    let (mut after, mut told) = (None, 0);
    loop {
        let page = one.page(after, 500, soon()).await.expect("read");
        assert_eq!(page, other.page(after, 500, soon()).await.expect("read"));
        assert_eq!(page.malformed, 0);
        for record in page.people.iter().step_by(7) {
            let keys = PersonKeys {
                number: PersonNumber::Citizen(record.number),
                name: record.name.clone(),
                birth: record.birth,
            };
            assert_eq!(one.fetch(&keys, soon()).await, Ok(Fetched::Found(Box::new(record.clone()))));
        }
        told += page.people.len();
        match page.last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    assert_eq!(u64::try_from(told), Ok(CITIZENS), "cancelled numbers are left out");
}

/// Waits, for a bounded time, until some session waits for the lock this one holds.
async fn wait_until_one_waits(blocker: &tokio_postgres::Client) {
    let query = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let mut waiting = 0_i64;
    for _ in 0..200 {
        waiting = blocker.query_one(query, &[]).await.expect("asked").get(0);
        if waiting > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(waiting > 0, "nobody waited");
}

async fn count(server: &PostgresServer) -> i64 {
    let client = server.connect().await.expect("connected");
    let active = "SELECT count(*) FROM persons WHERE number_status = 1";
    client.query_one(active, &[]).await.expect("counted").get(0)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}
