//! Concurrent clients against all nodes, in a closed loop: each asks, waits, and asks again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::{task::JoinSet, time::Instant};
use xacminh_client::{Client, ClientError};
use xacminh_proto::{
    vocab::{Cause, Outcome},
    wire::Ask,
};

use crate::{
    Cluster,
    cluster::Caller,
    history::History,
    people::{Kind, People},
    seed,
};

/// How long a client waits for one answer before it holds the outcome unknown.
const DEADLINE: Duration = Duration::from_secs(6);

/// How often the same question is sent again when its outcome is unknown: across a whole-cluster restart.
const TRIES_MAX: usize = 5;

/// One question in so many is asked a second time under its id, through whatever node comes.
const REPEAT_ONE_IN: u32 = 20;

/// Running clients.
#[derive(Debug)]
pub struct Load {
    workers: JoinSet<History>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

struct Worker {
    client: Arc<Client>,
    people: Arc<People>,
    chance: ChaCha8Rng,
    in_session: bool,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    history: History,
}

impl Load {
    /// Starts `workers` clients' worth of questions over a few connections.
    ///
    /// # Errors
    /// When a certificate cannot be used.
    pub fn start(cluster: &Cluster, workers: u64) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let people = Arc::new(People { people: cluster.people.people.clone() });
        let clients = (0..4).map(|_| cluster.client(Caller::Office).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        let mut set = JoinSet::new();
        for number in 0..workers {
            let worker = Worker {
                client: Arc::clone(&clients[usize::try_from(number).unwrap_or(0) % clients.len()]),
                people: Arc::clone(&people),
                chance: seed::generator(cluster.seed, number + 1),
                in_session: number % 2 == 0,
                stop: Arc::clone(&stop),
                answered: Arc::clone(&answered),
                history: History::default(),
            };
            set.spawn(worker.run());
        }
        Ok(Self { workers: set, stop, answered })
    }

    /// Answers so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many answers more have come.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn wait_for(&self, more: usize, patience: Duration) -> Result<()> {
        let goal = self.answered() + more;
        crate::wait::until(&format!("{more} answers more"), patience, || async {
            let now = self.answered();
            if now >= goal { Ok(()) } else { Err(format!("{} missing", goal - now)) }
        })
        .await
    }

    /// Lets every client finish what it waits for, and gathers what they saw.
    ///
    /// # Errors
    /// When a client panicked.
    pub async fn finish(mut self) -> Result<History> {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = History::default();
        while let Some(seen) = self.workers.join_next().await {
            history.merge(seen.context("a client of the load")?);
        }
        Ok(history)
    }
}

impl Worker {
    async fn run(mut self) -> History {
        while !self.stop.load(Ordering::Relaxed) {
            let kind = self.kind();
            let ask = self.people.question(kind, &mut self.chance);
            let answered = self.ask_until_known(kind, &ask).await;
            if answered && self.chance.random_ratio(1, REPEAT_ONE_IN) {
                self.ask_until_known(kind, &ask).await;
            }
        }
        self.history
    }

    /// Mostly what clerks do.
    fn kind(&mut self) -> Kind {
        match self.chance.random_range(0..100) {
            0..70 => Kind::Right,
            70..85 => Kind::Lookup,
            85..88 => Kind::WrongName,
            88..90 => Kind::WrongBirth,
            90..92 => Kind::Unknown,
            _ => Kind::NotGranted,
        }
    }

    /// Sends a question, under the same id, until its outcome is known or every try is used up.
    async fn ask_until_known(&mut self, kind: Kind, ask: &Ask) -> bool {
        let asked = Instant::now();
        self.history.asked(ask.request_id, asked);
        for _ in 0..TRIES_MAX {
            let answer = if self.in_session {
                self.client.ask_in_session(ask.clone(), DEADLINE).await
            } else {
                self.client.ask(ask.clone(), DEADLINE).await
            };
            match answer {
                Ok(answer) => {
                    self.check(kind, &answer.outcome);
                    self.history.answered(asked, ask.clone(), answer);
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                Err(ClientError::Unknown { .. } | ClientError::Unreachable { .. }) => {}
                Err(error) => {
                    self.history.wrong.push(format!("{kind:?}: {error}"));
                    return false;
                }
            }
        }
        self.history.unknown.push(ask.request_id);
        false
    }

    /// An authority in trouble may make an answer uncertain, never wrong.
    fn check(&mut self, kind: Kind, outcome: &Outcome) {
        let uncertain = *outcome == Outcome::Undetermined(Cause::AuthorityUnavailable);
        if !(kind.fits(outcome) || uncertain && kind != Kind::NotGranted) {
            self.history.wrong.push(format!("{kind:?} was answered {outcome:?}"));
        }
    }
}
