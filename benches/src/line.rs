//! One connection to one node, asked in one of the two ways.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use anyhow::Context;
use xacminh_client::{Client, ClientConfig, ClientError, Session};
use xacminh_proto::wire::{Answer, Ask};

use crate::people::DEADLINE_MS;

/// How questions travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A stream for each question: a clerk's program.
    Stream,
    /// All on one stream: a portal's gateway.
    Session,
}

/// Whom to ask, and as whom.
#[derive(Clone, Debug)]
pub struct Place {
    /// The cluster's name.
    pub cluster: String,
    /// Client endpoints; connections are dealt out to them in turn.
    pub endpoints: Vec<SocketAddr>,
    /// Our certificate chain.
    pub cert: PathBuf,
    /// Our key.
    pub key: PathBuf,
    /// The CA of the nodes.
    pub ca: PathBuf,
}

/// A connection.
pub struct Line {
    client: Client,
    session: Option<Session>,
}

impl Line {
    /// Connects the `index`-th line.
    ///
    /// # Errors
    /// If certificates cannot be read or the node is not there.
    pub async fn connect(place: &Place, index: usize, way: Way, in_flight: usize) -> anyhow::Result<Self> {
        let endpoint = place.endpoints[index % place.endpoints.len()];
        let mut config =
            ClientConfig::from_files(place.cluster.clone(), vec![endpoint], &place.cert, &place.key, &place.ca)?;
        // One node, one attempt: what is measured is this node, not the client's skill at finding another.
        config.patience.hedge_ms = u64::from(DEADLINE_MS);
        Self::over(Client::new(config)?, endpoint, way, in_flight).await
    }

    /// Connects the `index`-th line over the same local port as this one, which closes them both.
    ///
    /// # Errors
    /// If the node is not there.
    pub async fn beside(&self, place: &Place, index: usize, way: Way, in_flight: usize) -> anyhow::Result<Self> {
        let endpoint = place.endpoints[index % place.endpoints.len()];
        Self::over(self.client.beside(endpoint), endpoint, way, in_flight).await
    }

    async fn over(client: Client, endpoint: SocketAddr, way: Way, in_flight: usize) -> anyhow::Result<Self> {
        let session = match way {
            Way::Stream => {
                client.status(Duration::from_secs(5)).await.with_context(|| format!("node at {endpoint}"))?;
                None
            }
            Way::Session => Some(client.open_session(in_flight).await.with_context(|| format!("node at {endpoint}"))?),
        };
        Ok(Self { client, session })
    }

    /// Asks once.
    ///
    /// # Errors
    /// What the client says.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        match &self.session {
            Some(session) => session.ask(ask).await,
            None => self.client.ask(ask, Duration::from_millis(u64::from(DEADLINE_MS))).await,
        }
    }

    /// Says goodbye, for those beside it too.
    pub async fn close(self) {
        drop(self.session);
        self.client.close().await;
    }
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stream" => Ok(Self::Stream),
            "session" => Ok(Self::Session),
            _ => Err(format!("`{text}` is neither stream nor session")),
        }
    }
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Session => "session",
        })
    }
}
