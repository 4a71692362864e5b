//! One GET to an admin port, as a load balancer would ask.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than any probe of the node may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// Status and body of `path`.
///
/// # Errors
/// When nobody answers in time or the answer is no HTTP.
pub async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    timeout(PATIENCE, exchange(address, path)).await.with_context(|| format!("{address}{path}: no answer in time"))?
}

async fn exchange(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
    let body = answer.split_once("\r\n\r\n").context("no body")?.1.to_owned();
    Ok((status, body))
}
