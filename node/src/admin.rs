//! Admin HTTP: metrics, liveness, readiness and status as JSON.
//!
//! Plain HTTP without authentication, on loopback unless configured otherwise; nothing here changes anything.
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | Prometheus text |
//! | `/livez` | 200 while the process can answer at all |
//! | `/readyz` | 200 when an audit entry can be committed and state can be read, else 503 with the reasons |
//! | `/status` | the node's view of itself and the cluster |

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::telemetry::Metrics;

/// How long one readiness verdict is handed out again: each probe costs an audit entry on a quorum,
/// so a load balancer that asks often, or a stranger on the port, must not be able to fill the log.
const READY_REUSE: Duration = Duration::from_secs(1);
/// How long open admin connections may delay the end of the process.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// What the rest of the node tells its operator.
pub trait Readiness: Send + Sync + 'static {
    /// Tries it: is a leader known, does a canary audit entry commit in time, can the state be read?
    /// Every reason against is named; none means ready.
    fn probe(&self) -> BoxFuture<'_, Vec<NotReady>>;

    /// The node's view of itself and its cluster, without any person.
    fn status(&self) -> BoxFuture<'_, serde_json::Value>;

    /// Called before metrics are shown, to refresh gauges that nobody pushes.
    fn refresh(&self, metrics: &Metrics);
}

/// One reason not to send questions to this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// A stable word: `no_leader`, `cannot_commit`, `cannot_read`, `draining`, `probe_timeout`.
    pub reason: &'static str,
    /// For people.
    pub detail: String,
}

impl NotReady {
    /// A reason with its detail.
    #[must_use]
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

struct Admin {
    metrics: Arc<Metrics>,
    node: Arc<dyn Readiness>,
    probe_timeout: Duration,
    /// Held during a probe, so that a hundred callers cost one.
    last: Mutex<Option<(Instant, Vec<NotReady>)>>,
}

/// Takes the address, so that a start fails before anything else runs.
pub async fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Serves until `stop` resolves, then finishes what is open, within two seconds.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    node: Arc<dyn Readiness>,
    probe_timeout: Duration,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let admin = Arc::new(Admin { metrics, node, probe_timeout, last: Mutex::new(None) });
    let routes = Router::new()
        .route("/metrics", get(show_metrics))
        .route("/livez", get(show_liveness))
        .route("/readyz", get(show_readiness))
        .route("/status", get(show_status))
        .with_state(admin);
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async move {
        stop.await;
        let _ = stopping.send(());
    });
    tokio::select! {
        served = server => served,
        // A scraper that never closes its connection must not keep the node alive.
        () = async { let _ = stopped.await; tokio::time::sleep(DRAIN_MAX).await } => Ok(()),
    }
}

async fn show_metrics(State(admin): State<Arc<Admin>>) -> Response {
    admin.node.refresh(&admin.metrics);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.metrics.render()).into_response()
}

async fn show_liveness() -> &'static str {
    "ok\n"
}

async fn show_readiness(State(admin): State<Arc<Admin>>) -> Response {
    let reasons = admin.readiness().await;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

async fn show_status(State(admin): State<Arc<Admin>>) -> Response {
    match tokio::time::timeout(admin.probe_timeout, admin.node.status()).await {
        Ok(status) => json(StatusCode::OK, &status),
        Err(_) => {
            json(StatusCode::SERVICE_UNAVAILABLE, &serde_json::json!({ "error": "the node did not answer in time" }))
        }
    }
}

impl Admin {
    async fn readiness(&self) -> Vec<NotReady> {
        let mut last = self.last.lock().await;
        if let Some((at, reasons)) = last.as_ref()
            && at.elapsed() < READY_REUSE
        {
            return reasons.clone();
        }
        let reasons = tokio::time::timeout(self.probe_timeout, self.node.probe()).await.unwrap_or_else(|_| {
            let waited_ms = self.probe_timeout.as_millis();
            vec![NotReady::new("probe_timeout", format!("no canary audit entry within {waited_ms} ms"))]
        });
        *last = Some((Instant::now(), reasons.clone()));
        reasons
    }
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], format!("{value}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::telemetry::RaftGauges;

    #[derive(Default)]
    struct Scripted {
        probes: AtomicUsize,
        leaderless: AtomicBool,
        stuck: AtomicBool,
    }

    impl Readiness for Scripted {
        fn probe(&self) -> BoxFuture<'_, Vec<NotReady>> {
            Box::pin(async {
                self.probes.fetch_add(1, Ordering::SeqCst);
                if self.stuck.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                let leaderless = self.leaderless.load(Ordering::SeqCst);
                leaderless.then(|| NotReady::new("no_leader", "2 of 3 members are silent")).into_iter().collect()
            })
        }

        fn status(&self) -> BoxFuture<'_, serde_json::Value> {
            Box::pin(async { serde_json::json!({ "node": 1 }) })
        }

        fn refresh(&self, metrics: &Metrics) {
            metrics.raft(&RaftGauges { term: 42, ..RaftGauges::default() });
        }
    }

    struct Running {
        address: SocketAddr,
        node: Arc<Scripted>,
        stop: oneshot::Sender<()>,
        task: JoinHandle<io::Result<()>>,
    }

    async fn start() -> Running {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let node = Arc::new(Scripted::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let timeout = Duration::from_millis(200);
        let task = tokio::spawn(serve(listener, Arc::new(Metrics::new()), node.clone(), timeout, async {
            let _ = stopped.await;
        }));
        Running { address, node, stop, task }
    }

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let body = answer.split_once("\r\n\r\n").expect("a body").1.to_owned();
        (status, body)
    }

    #[tokio::test]
    async fn metrics_liveness_and_status_are_served() {
        let running = start().await;
        let (status, body) = get(running.address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(body.contains("xacminh_raft_term 42"), "gauges are refreshed first: {body}");
        assert_eq!(get(running.address, "/livez").await, (200, "ok\n".to_owned()));
        assert_eq!(get(running.address, "/status").await, (200, "{\"node\":1}\n".to_owned()));
        assert_eq!(get(running.address, "/nothing").await.0, 404);
    }

    #[tokio::test]
    async fn readiness_names_its_reasons_and_is_reused_for_a_moment() {
        let running = start().await;
        assert_eq!(get(running.address, "/readyz").await, (200, "{\"ready\":true,\"reasons\":[]}\n".to_owned()));
        for _ in 0..20 {
            get(running.address, "/readyz").await;
        }
        assert!(running.node.probes.load(Ordering::SeqCst) <= 3, "probes are not for every caller");
        running.node.leaderless.store(true, Ordering::SeqCst);
        tokio::time::sleep(READY_REUSE + Duration::from_millis(50)).await;
        let (status, body) = get(running.address, "/readyz").await;
        assert_eq!(status, 503);
        assert!(body.contains("\"ready\":false") && body.contains("\"reason\":\"no_leader\""), "{body}");
    }

    #[tokio::test]
    async fn a_stuck_probe_is_not_ready_and_hangs_nobody() {
        let running = start().await;
        running.node.stuck.store(true, Ordering::SeqCst);
        let (status, body) = get(running.address, "/readyz").await;
        assert_eq!(status, 503);
        assert!(body.contains("probe_timeout"), "{body}");
        assert_eq!(get(running.address, "/livez").await.0, 200);
    }

    #[tokio::test]
    async fn stopping_ends_the_server_even_with_an_idle_connection_open() {
        let running = start().await;
        let idle = TcpStream::connect(running.address).await.expect("connects");
        running.stop.send(()).expect("still running");
        let ended = tokio::time::timeout(DRAIN_MAX + Duration::from_secs(5), running.task).await;
        ended.expect("it ended").expect("no panic").expect("no error");
        drop(idle);
    }
}
