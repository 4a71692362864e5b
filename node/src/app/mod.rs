//! Puts the rooms together and takes them down again.
//!
//! ```text
//! keyring → data directory → TLS → authority → doors     anything wrong here refuses the start, with its own exit code
//! replication → desk → admin → clients are let in         then the node runs
//! SIGTERM → no new questions → leadership handed over → replication stops → state flushed
//! ```

mod erasure;
mod keys;
mod office;
mod register;
mod setup;
mod sweep;

use std::{collections::BTreeMap, future::pending, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use xacminh_core::{
    apply::{BudgetKey, ItemOutcome},
    command::{Command, Ticket},
};

use crate::{
    admin, alarms,
    audit::Searcher,
    config::Config,
    env::{self, Clock, SystemClock},
    keyring::Keyring,
    notary::{Authority, Notary, NotaryError},
    publish::{self, Cosigned, Shelf, Witnesses},
    quic::Dialer,
    raft::{
        Member, Replication,
        start::Parts,
        submit::{Pump, Submitter},
    },
    serve,
    store::{ApplySink, Fatal, State, Store},
    telemetry::{AlarmMetrics, ExitCode, Metrics, SweepMetrics, exit},
    tls::WebTls,
    upstream::Upstream,
    verify::{Crowd, Desk},
};

pub use keys::{KeyCommandError, marks, rotate_sealing, rotate_signing, verifier_keys};
pub use setup::{Refusal, keyring_source};

/// How long questions in work may take to finish after SIGTERM; longer than any of them is allowed to wait.
const DRAIN_MAX: Duration = Duration::from_secs(31);

/// How long a peer may take to lead before this node goes regardless.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);

/// How often a starting node compares its tree with what it signed before.
const RECORD_LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// Looks in a row at which a node that has applied everything still lacks what it signed: long enough for a leader to
/// send what it has not told of yet.
const RECORD_LOOKS_MAX: u32 = 120;

/// A node that runs.
struct Node {
    config: Config,
    state: State,
    desk: Desk,
    searcher: Searcher,
    replication: Replication,
    metrics: Arc<Metrics>,
    shelf: Shelf,
    witnesses: Arc<Witnesses>,
    erasures: erasure::Turns,
}

/// Runs a node until it is told to stop; `form` forms a new cluster if this node has never been in one.
///
/// # Errors
/// [`Refusal`] if it cannot start.
pub async fn run(config: Config, form: bool) -> Result<ExitCode, Refusal> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new());
    let keyring = setup::keyring(&config)?;
    let (submitter, pump) = Submitter::new(config.node.id, env::random_boot());
    let alarm_metrics = Arc::new(AlarmMetrics::new(&metrics)?);
    let sweep_metrics = Arc::new(SweepMetrics::new(&metrics)?);
    let (feed, sights) = alarms::Feed::new(Arc::clone(&alarm_metrics));
    let store = setup::store(&config, Arc::new(Settling(submitter.clone(), feed.clone())))?;
    // The store holds the directory by now, so that nobody else writes there.
    keyring.fit(&config.node.data_dir)?;
    let upstream = setup::authority(&config).await?;
    let doors = setup::doors(&config, &clock)?;
    let admin_listener = admin::bind(config.admin.listen)
        .await
        .map_err(|source| Refusal::Listen { address: config.admin.listen, source })?;
    let log_door = setup::log_door(&config, &clock).await?;

    let dialers = [doors.clients.dialer(), doors.peers.dialer()];
    let node = Rooms { clock: Arc::clone(&clock), metrics, keyring, submitter, pump, store, upstream, feed }
        .open(config, doors.peers, form)
        .await?;
    tracing::info!(node = node.config.node.id, cluster = %node.config.cluster.name, clients = %node.config.client.listen, "running");

    let (stopping, stop) = watch::channel(false);
    let probe_time = Duration::from_millis(node.config.admin.ready_timeout_ms);
    let admin_stop = stopped(stop.clone());
    let admin = admin::serve(admin_listener, Arc::clone(&node.metrics), Arc::clone(&node) as _, probe_time, admin_stop);
    let admin = tokio::spawn(admin);
    let watching = tokio::spawn(watch(Arc::clone(&node), sights, alarm_metrics));
    let keeping = tokio::spawn(register::keep(Arc::clone(&node)));
    let erasing = tokio::spawn(erasure::keep(Arc::clone(&node)));
    let sweeping = tokio::spawn(sweep::keep(Arc::clone(&node), sweep_metrics));
    let comparing = tokio::spawn(compare_with_record(Arc::clone(&node)));
    let web = log_door.as_ref().map(publish::Door::tls);
    let reloading = tokio::spawn(reload_on_hangup(dialers, web, clock));
    let publishing = tokio::spawn(publish(Arc::clone(&node), log_door, stopped(stop.clone())));
    let cosigning = tokio::spawn(cosign(Arc::clone(&node)));
    let bounds = setup::bounds(&node.config);
    let serving = tokio::spawn(serve::run(
        doors.clients,
        Arc::clone(&node) as _,
        bounds,
        Arc::clone(&node.metrics),
        stop,
        DRAIN_MAX,
    ));

    tokio::select! {
        () = until_told_to_stop() => {}
        why = node.replication.ended() => {
            // Nothing can be committed by this process any more, and what it has on disk is for the next one to judge.
            tracing::error!(%why, "replication has ended: the node stops itself");
            exit(why.exit_code());
        }
    }
    tracing::info!("stopping: no new questions");
    // The receivers live in the tasks above; one that ended early needs no telling.
    let _ = stopping.send(true);
    let drained = serving.await.unwrap_or(false);
    keeping.abort();
    watching.abort();
    comparing.abort();
    erasing.abort();
    // What is proposed already is in the log or not: the next leader goes on from there.
    sweeping.abort();
    reloading.abort();
    // A cosignature that is lost now is asked for again by the next leader.
    cosigning.abort();
    let _ = publishing.await;
    let _ = admin.await;
    node.stop().await;
    Ok(if drained { ExitCode::Ok } else { ExitCode::DrainTimeout })
}

/// The rooms of a node before they are joined.
struct Rooms {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    keyring: Arc<Keyring>,
    submitter: Submitter,
    pump: Pump,
    store: Store,
    upstream: Arc<Upstream>,
    feed: alarms::Feed,
}

impl Rooms {
    async fn open(self, config: Config, door: crate::quic::Door, form: bool) -> Result<Arc<Node>, Refusal> {
        let Self { clock, metrics, keyring, submitter, pump, store, upstream, feed } = self;
        let state = store.state.clone();
        let is_new = store.is_new();
        let parts = Parts {
            node: config.node.id,
            cluster: &config.cluster.name,
            data_dir: &config.node.data_dir,
            store,
            door,
            pump,
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        let authority = Authority {
            domain: config.cluster.domain.clone(),
            province: config.cluster.province.clone(),
            keyring: Arc::clone(&keyring),
        };
        let alarm = Arc::new(|error: &NotaryError| stop_for(error));
        let notary = Notary::start(&config.node.data_dir.join("notary"), is_new, authority, state.clone(), alarm)
            .map_err(Refusal::Notary)?;
        let kept = Cosigned::open(&config.node.data_dir.join("notary"), |year| {
            notary.authority().verifier_keys(year).unwrap_or_default()
        });
        let cosigned = Arc::new(kept.map_err(Refusal::Notary)?);
        let shelf = Shelf::new(state.clone(), notary.clone(), Arc::clone(&cosigned), Arc::clone(&clock));
        let log = setup::Log { state: &state, notary: &notary, cosigned, clock: &clock, metrics: &metrics };
        let witnesses = Arc::new(setup::witnesses(&config, log)?);
        let searcher =
            Searcher::start(&config.node.data_dir.join("audit-index"), state.clone()).map_err(Refusal::AuditIndex)?;
        let replication = Replication::start(parts, &setup::replication(&config)).await?;
        if form {
            replication.form(members(&config)).await?;
        }
        let desk = Desk {
            clock,
            keyring,
            state: state.clone(),
            upstream,
            submitter,
            notary,
            metrics: Arc::clone(&metrics),
            register: ArcSwapOption::empty(),
            crowd: Crowd::default(),
            alarms: feed,
        };
        let erasures = erasure::Turns::default();
        Ok(Arc::new(Node { config, state, desk, searcher, replication, metrics, shelf, witnesses, erasures }))
    }
}

impl Node {
    /// Leadership goes first, so that the others do not have to notice; then everything applied is made durable.
    async fn stop(self: &Arc<Self>) {
        self.replication.hand_over(HAND_OVER_MAX).await;
        self.replication.stop().await;
        // Threads that still held a database while the process ends would make RocksDB abort it.
        let node = Arc::clone(self);
        let flushed = tokio::task::spawn_blocking(move || {
            node.desk.notary.stop();
            node.searcher.stop();
            node.state.flush()
        })
        .await;
        // If we crash here, or the flush failed, the log brings back what the state lacks.
        match flushed {
            Ok(Ok(())) => tracing::info!("stopped"),
            _ => tracing::warn!("stopped without a last flush; the log has everything"),
        }
    }
}

/// Tells waiting questions what became of their items.
struct Settling(Submitter, alarms::Feed);

impl ApplySink for Settling {
    fn applied(&self, _log_index: u64, at_ms: u64, leaves: u64, outcomes: Vec<(Ticket, ItemOutcome)>) {
        self.0.settle(at_ms, leaves, &outcomes);
    }

    fn saw(&self, command: &Command, budgets: &[(BudgetKey, u32)], outcomes: &[(Ticket, ItemOutcome)]) {
        self.1.applied(command, budgets, outcomes);
    }
}

/// Ends the process: what is on the disk is unknown, or must not be used.
fn stop_at_once(fatal: &Fatal) {
    tracing::error!(%fatal, "the node stops itself");
    exit(match fatal {
        Fatal::LogSync(_) | Fatal::LogWrite(_) | Fatal::State(_) => ExitCode::StorageFailed,
        Fatal::Contradiction { .. } => ExitCode::InvariantBroken,
    });
}

/// Ends the process: what was signed and what is here are two histories, or what is signed cannot be written down.
fn stop_for(error: &NotaryError) {
    tracing::error!(%error, "the node stops itself");
    exit(error.exit_code().unwrap_or(ExitCode::InvariantBroken));
}

/// Sees after a start that the log has brought back everything that was signed before it.
///
/// The record is written before a signature leaves, and a signature is over committed entries only: a node that has
/// applied all there is to apply and still lacks them has lost something that others were given receipts of.
async fn compare_with_record(node: Arc<Node>) {
    let mut rested = 0;
    while let Some(behind) = node.desk.notary.behind() {
        let raft = node.replication.metrics();
        let applied = raft.last_applied.map(|id| id.index);
        let has_all = raft.current_leader.is_some() && applied.is_some() && applied == raft.last_log_index;
        rested = if has_all { rested + 1 } else { 0 };
        if rested == RECORD_LOOKS_MAX {
            tracing::error!(
                year = behind.year,
                signed = behind.signed,
                here = behind.here,
                "more was signed than the log has: entries were lost, and this log must not be signed any more"
            );
            exit(ExitCode::InvariantBroken);
        }
        tokio::time::sleep(RECORD_LOOK_INTERVAL).await;
    }
    // Long enough is not the same yet.
    node.desk.notary.compare().await;
}

fn members(config: &Config) -> BTreeMap<u64, Member> {
    let member = |member: &crate::config::Member| Member {
        peer_addr: member.peer_addr.clone(),
        client_addr: member.client_addr.clone(),
    };
    config.members.iter().map(|each| (each.id, member(each))).collect()
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone means that the node is ending, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn until_told_to_stop() {
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        _ => {
            tracing::warn!("signals cannot be received: stop the node with SIGKILL, nothing acknowledged is lost");
            return pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Serves the log's files until the node stops, if the configuration says so.
async fn publish(node: Arc<Node>, door: Option<publish::Door>, stop: impl Future<Output = ()>) {
    if let Some(door) = door {
        door.serve(node.shelf.clone(), stop).await;
    }
}

/// Raises alarms about what entries and this node's own questions show.
async fn watch(node: Arc<Node>, sights: alarms::Queue, metrics: Arc<AlarmMetrics>) {
    let terms = alarms::Terms {
        state: node.state.clone(),
        keyring: Arc::clone(&node.desk.keyring),
        clock: Arc::clone(&node.desk.clock),
        metrics,
    };
    alarms::run(sights, terms, || node.replication.leads_with_all()).await;
}

/// Has the log's heads cosigned while this node leads.
async fn cosign(node: Arc<Node>) {
    Arc::clone(&node.witnesses).run(|| node.replication.leads_with_all()).await;
}

/// SIGHUP: certificates and revocation lists are read again, and connections of revoked callers are cut.
async fn reload_on_hangup(doors: [Dialer; 2], web: Option<Arc<WebTls>>, clock: Arc<dyn Clock>) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    while hangup.recv().await.is_some() {
        match web.as_ref().map(|web| web.reload()) {
            Some(Ok(())) => tracing::info!("certificates of the log server read again"),
            Some(Err(error)) => tracing::error!(%error, "certificates of the log server kept as they were"),
            None => {}
        }
        for door in &doors {
            let now = Duration::from_millis(clock.now_ms());
            match door
                .tls()
                .reload(now)
                .map_err(|error| error.to_string())
                .and_then(|()| door.reload().map_err(|e| e.to_string()))
            {
                Ok(cut) => tracing::info!(port = ?door.tls().port(), cut, "certificates read again"),
                Err(error) => tracing::error!(port = ?door.tls().port(), %error, "certificates kept as they were"),
            }
        }
    }
}
