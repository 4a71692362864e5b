//! Every metric of a node, typed.
//!
//! Handles are resolved once, at start; on the hot path a metric is an array index and one atomic addition.

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use xacminh_proto::vocab::ErrorNumber;

use super::labels::{CacheResult, HandshakeFailure, QuestionOutcome, Role, Stage, UpstreamOutcome};

/// Latency buckets in seconds: 25 µs (a cached read) to 13 s (beyond every deadline), each twice the last.
const LATENCY_FIRST_S: f64 = 0.000_025;
const LATENCY_BUCKETS: usize = 20;
/// Batch sizes 1 to 256, each twice the last.
const BATCH_BUCKETS: usize = 9;

/// Every metric of a node.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    stages: Vec<Histogram>,
    question_s: Histogram,
    batch_items: Histogram,
    commit_s: Histogram,
    apply_s: Histogram,
    upstream_s: Vec<Histogram>,
    cache: Vec<IntCounter>,
    refusals: Vec<(u16, IntCounter)>,
    questions: Vec<IntCounter>,
    in_flight: IntGauge,
    connections: Vec<IntGauge>,
    handshake_failures: Vec<IntCounter>,
    raft: RaftHandles,
}

#[derive(Debug)]
struct RaftHandles {
    term: IntGauge,
    is_leader: IntGauge,
    leader_id: IntGauge,
    last_log_index: IntGauge,
    committed_index: IntGauge,
    applied_index: IntGauge,
    snapshot_index: IntGauge,
    purged_index: IntGauge,
    voters: IntGauge,
    learners: IntGauge,
}

/// What the raft room knows of itself; absent numbers are shown as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RaftGauges {
    /// Current term.
    pub term: u64,
    /// Whether this node leads.
    pub is_leader: bool,
    /// Node number of the leader, if one is known.
    pub leader_id: Option<u64>,
    /// Last entry in the log.
    pub last_log_index: Option<u64>,
    /// Last entry known to be durable on a quorum.
    pub committed_index: Option<u64>,
    /// Last entry applied to the state.
    pub applied_index: Option<u64>,
    /// Last entry inside the newest snapshot.
    pub snapshot_index: Option<u64>,
    /// Last entry deleted from the log.
    pub purged_index: Option<u64>,
    /// Voting members.
    pub voters: usize,
    /// Learners.
    pub learners: usize,
}

impl Metrics {
    /// All metrics at zero, in a registry of their own; two nodes in one process (tests) do not share numbers.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let make = Maker { registry: &registry };
        build_info(&make);
        let refusals = make.counters("refusals_total", "Refusals and failures by error number.", "error");
        Self {
            stages: make.latencies(
                "stage_seconds",
                "Time a question spent at each station.",
                "stage",
                Stage::ALL,
                Stage::text,
            ),
            question_s: make.latency("question_seconds", "Time from the first byte of a question to its reply."),
            batch_items: make.batch_sizes("batch_items", "Items in one proposed batch."),
            commit_s: make.latency("commit_seconds", "Time from proposing a batch to its commit on a quorum."),
            apply_s: make.latency("apply_seconds", "Time to apply one batch to the state."),
            upstream_s: make.latencies(
                "upstream_seconds",
                "Time of one fetch from the authority, by what became of it.",
                "outcome",
                UpstreamOutcome::ALL,
                UpstreamOutcome::text,
            ),
            cache: resolve(
                &make.counters("cache_total", "What the store had for a question.", "result"),
                CacheResult::ALL,
                CacheResult::text,
            ),
            refusals: ErrorNumber::ALL
                .iter()
                .map(|error| (error.number(), refusals.with_label_values(&[&error.number().to_string()])))
                .collect(),
            questions: resolve(
                &make.counters("questions_total", "Questions by outcome.", "outcome"),
                QuestionOutcome::ALL,
                QuestionOutcome::text,
            ),
            in_flight: make.gauge("in_flight", "Questions between door and reply."),
            connections: make.connections(),
            handshake_failures: resolve(
                &make.counters("handshake_failures_total", "Handshakes that failed, by cause.", "cause"),
                HandshakeFailure::ALL,
                HandshakeFailure::text,
            ),
            raft: make.raft(),
            registry,
        }
    }

    /// A question spent this long at a station.
    pub fn stage(&self, stage: Stage, us: u64) {
        self.stages[stage.index()].observe(seconds(us));
    }

    /// A question was answered, refused or given up after this long.
    pub fn question(&self, outcome: QuestionOutcome, us: u64) {
        self.questions[outcome.index()].inc();
        self.question_s.observe(seconds(us));
    }

    /// A question or connection was told this error.
    pub fn refusal(&self, error: ErrorNumber) {
        if let Ok(at) = self.refusals.binary_search_by_key(&error.number(), |(number, _)| *number) {
            self.refusals[at].1.inc();
        }
    }

    /// The store was asked for a person.
    pub fn cache(&self, result: CacheResult) {
        self.cache[result.index()].inc();
    }

    /// The authority was asked for a person.
    pub fn upstream(&self, outcome: UpstreamOutcome, us: u64) {
        self.upstream_s[outcome.index()].observe(seconds(us));
    }

    /// A batch of this many items was proposed.
    #[expect(clippy::cast_precision_loss, reason = "a batch has at most 256 items")]
    pub fn batch(&self, items: usize) {
        self.batch_items.observe(items as f64);
    }

    /// A batch was committed this long after it was proposed.
    pub fn committed(&self, us: u64) {
        self.commit_s.observe(seconds(us));
    }

    /// A batch took this long to apply.
    pub fn applied(&self, us: u64) {
        self.apply_s.observe(seconds(us));
    }

    /// Counts a question as in flight until the guard is dropped.
    #[must_use]
    pub fn enter(&self) -> Counted {
        Counted::new(&self.in_flight)
    }

    /// Counts a connection until the guard is dropped.
    #[must_use]
    pub fn connected(&self, role: Role) -> Counted {
        Counted::new(&self.connections[role.index()])
    }

    /// A handshake failed.
    pub fn handshake_failed(&self, cause: HandshakeFailure) {
        self.handshake_failures[cause.index()].inc();
    }

    /// Shows the state of replication; called when openraft reports a change and before each scrape.
    pub fn raft(&self, now: &RaftGauges) {
        let handles = &self.raft;
        let index = |index: Option<u64>| shown(index.unwrap_or(0));
        handles.term.set(shown(now.term));
        handles.is_leader.set(i64::from(now.is_leader));
        handles.leader_id.set(index(now.leader_id));
        handles.last_log_index.set(index(now.last_log_index));
        handles.committed_index.set(index(now.committed_index));
        handles.applied_index.set(index(now.applied_index));
        handles.snapshot_index.set(index(now.snapshot_index));
        handles.purged_index.set(index(now.purged_index));
        handles.voters.set(i64::try_from(now.voters).unwrap_or(i64::MAX));
        handles.learners.set(i64::try_from(now.learners).unwrap_or(i64::MAX));
    }

    /// The exposition text of `/metrics`.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        // Encoding into memory fails only for a metric without a name or samples, which `new` does not make.
        if TextEncoder::new().encode(&self.registry.gather(), &mut text).is_err() {
            tracing::error!("metrics could not be encoded");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Registers a collector of another room (RocksDB's own numbers, for example).
    pub fn register(&self, collector: Box<dyn Collector>) -> Result<(), prometheus::Error> {
        self.registry.register(collector)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// One more on a gauge for as long as this lives.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        // A gauge is an `Arc`; the clone is one atomic addition.
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[expect(clippy::cast_precision_loss, reason = "a latency beyond 2^52 µs (142 years) may lose a microsecond")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

fn shown(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn resolve<T: Copy>(counters: &IntCounterVec, all: &[T], text: fn(T) -> &'static str) -> Vec<IntCounter> {
    all.iter().map(|value| counters.with_label_values(&[text(*value)])).collect()
}

/// Makes metrics named `xacminh_…` and registers them.
struct Maker<'a> {
    registry: &'a Registry,
}

impl Maker<'_> {
    /// Names and labels are literals of this file, so a failure is a defect that every test of `new` shows.
    fn keep<C: Collector + Clone + 'static>(&self, made: Result<C, prometheus::Error>) -> C {
        let collector = made.expect("metric names of this file are valid");
        self.registry.register(Box::new(collector.clone())).expect("metric names of this file differ");
        collector
    }

    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(name, help).namespace("xacminh")
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.keep(IntGauge::with_opts(Self::opts(name, help)))
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> IntCounterVec {
        self.keep(IntCounterVec::new(Self::opts(name, help), &[label]))
    }

    fn latency_opts(name: &str, help: &str) -> HistogramOpts {
        let buckets = prometheus::exponential_buckets(LATENCY_FIRST_S, 2.0, LATENCY_BUCKETS);
        HistogramOpts::from(Self::opts(name, help)).buckets(buckets.expect("the bucket constants are positive"))
    }

    fn latency(&self, name: &str, help: &str) -> Histogram {
        self.keep(Histogram::with_opts(Self::latency_opts(name, help)))
    }

    fn latencies<T: Copy>(
        &self,
        name: &str,
        help: &str,
        label: &str,
        all: &[T],
        text: fn(T) -> &'static str,
    ) -> Vec<Histogram> {
        let family = self.keep(HistogramVec::new(Self::latency_opts(name, help), &[label]));
        all.iter().map(|value| family.with_label_values(&[text(*value)])).collect()
    }

    fn batch_sizes(&self, name: &str, help: &str) -> Histogram {
        let buckets = prometheus::exponential_buckets(1.0, 2.0, BATCH_BUCKETS);
        let opts = HistogramOpts::from(Self::opts(name, help));
        self.keep(Histogram::with_opts(opts.buckets(buckets.expect("the bucket constants are positive"))))
    }

    fn connections(&self) -> Vec<IntGauge> {
        let opts = Self::opts("connections", "Open connections by the caller's role.");
        let family = self.keep(IntGaugeVec::new(opts, &["role"]));
        Role::ALL.iter().map(|role| family.with_label_values(&[role.text()])).collect()
    }

    fn raft(&self) -> RaftHandles {
        RaftHandles {
            term: self.gauge("raft_term", "Current term."),
            is_leader: self.gauge("raft_is_leader", "1 on the leader."),
            leader_id: self.gauge("raft_leader_id", "Number of the leader, 0 when none is known."),
            last_log_index: self.gauge("raft_last_log_index", "Last entry in the log."),
            committed_index: self.gauge("raft_committed_index", "Last entry durable on a quorum."),
            applied_index: self.gauge("raft_applied_index", "Last entry applied."),
            snapshot_index: self.gauge("raft_snapshot_index", "Last entry inside the newest snapshot."),
            purged_index: self.gauge("raft_purged_index", "Last entry deleted from the log."),
            voters: self.gauge("raft_voters", "Voting members."),
            learners: self.gauge("raft_learners", "Learners."),
        }
    }
}

fn build_info(make: &Maker<'_>) {
    let opts = Maker::opts("build_info", "Always 1; the label says which version runs.");
    make.keep(IntGaugeVec::new(opts, &["version"])).with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_shown_from_the_start_and_counts() {
        let metrics = Metrics::new();
        for stage in Stage::ALL {
            metrics.stage(*stage, 120);
        }
        metrics.question(QuestionOutcome::Confirmed, 3_000);
        metrics.refusal(ErrorNumber::ClaimNotAllowed);
        metrics.cache(CacheResult::Stale);
        metrics.upstream(UpstreamOutcome::Timeout, 1_500_000);
        metrics.batch(17);
        metrics.committed(900);
        metrics.applied(80);
        metrics.handshake_failed(HandshakeFailure::WrongRole);
        metrics.raft(&RaftGauges {
            term: 4,
            is_leader: true,
            applied_index: Some(9),
            voters: 3,
            ..RaftGauges::default()
        });
        let text = metrics.render();
        for line in [
            "xacminh_stage_seconds_count{stage=\"commit\"} 1",
            "xacminh_questions_total{outcome=\"confirmed\"} 1",
            "xacminh_questions_total{outcome=\"refused\"} 0",
            "xacminh_refusals_total{error=\"2007\"} 1",
            "xacminh_cache_total{result=\"stale\"} 1",
            "xacminh_upstream_seconds_count{outcome=\"timeout\"} 1",
            "xacminh_batch_items_bucket{le=\"32\"} 1",
            "xacminh_batch_items_bucket{le=\"16\"} 0",
            "xacminh_commit_seconds_count 1",
            "xacminh_handshake_failures_total{cause=\"wrong_role\"} 1",
            "xacminh_raft_term 4",
            "xacminh_raft_is_leader 1",
            "xacminh_raft_applied_index 9",
            "xacminh_raft_snapshot_index 0",
            concat!("xacminh_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn every_error_number_has_a_counter() {
        let metrics = Metrics::new();
        for error in ErrorNumber::ALL {
            metrics.refusal(*error);
        }
        let text = metrics.render();
        for error in ErrorNumber::ALL {
            let line = format!("xacminh_refusals_total{{error=\"{}\"}} 1", error.number());
            assert!(text.contains(&line), "{line}");
        }
    }

    #[test]
    fn guards_take_back_what_they_added() {
        let metrics = Metrics::new();
        let question = metrics.enter();
        let connection = metrics.connected(Role::Portal);
        assert!(metrics.render().contains("xacminh_in_flight 1"));
        assert!(metrics.render().contains("xacminh_connections{role=\"portal\"} 1"));
        drop((question, connection));
        assert!(metrics.render().contains("xacminh_in_flight 0"));
        assert!(metrics.render().contains("xacminh_connections{role=\"portal\"} 0"));
    }
}
