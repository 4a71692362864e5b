//! etcd over its gRPC interface, by hand: three messages need no code generator.
//!
//! ```text
//! Range { key }                                       linearizable unless it says otherwise
//! Txn { success: [Range { key }, Put { audit/… }] }   read and written in one transaction
//! ```
//!
//! Field numbers are those of etcd 3.5's `rpc.proto`.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail, ensure};
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::Request;
use rustls::ClientConfig;

use crate::{drive::Desk, people, tls};

/// Bytes that a server may send ahead on a stream, and on a connection.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// Records written in one transaction while loading; etcd takes 128 operations.
const LOAD_BATCH: u32 = 100;

/// Transactions under way while loading.
const LOADERS: u32 = 8;

/// A gRPC message begins with a byte that says whether it is compressed, and four of length.
const PREFIX_BYTES: usize = 5;

/// A stream after another on a connection that others share.
pub(crate) struct Etcd {
    send: SendRequest<Bytes>,
    address: SocketAddr,
    audited: bool,
    /// Sets entries of this desk apart from those of others, and of earlier runs.
    name: String,
    entries: u64,
}

/// A connection that any number of desks share.
///
/// # Errors
/// If nobody listens, or either side does not believe the other.
pub(crate) async fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> anyhow::Result<SendRequest<Bytes>> {
    let stream = tls::connect(config, address).await?;
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake::<_, Bytes>(stream)
        .await?;
    // Its end is told by the requests that fail.
    tokio::spawn(connection);
    Ok(send)
}

impl Etcd {
    /// A desk on a connection; `name` is its own.
    pub(crate) fn new(send: SendRequest<Bytes>, address: SocketAddr, audited: bool, name: String) -> Self {
        Self { send, address, audited, name, entries: 0 }
    }

    /// Writes everybody's record, unless the last of them is there.
    ///
    /// # Errors
    /// If a node refuses, or the connection breaks.
    pub(crate) async fn load(self, count: u32) -> anyhow::Result<()> {
        let last = count.checked_sub(1).context("nobody to load")?;
        let found = value_in_range(&self.call("Range", range(&people::key(last))).await?)?.is_some();
        if found {
            return Ok(());
        }
        let mut loaders = tokio::task::JoinSet::new();
        for loader in 0..LOADERS {
            let desk = Self::new(self.send.clone(), self.address, false, String::new());
            loaders.spawn(async move {
                // The last batch is written last, for it says that all are there.
                for from in (loader * LOAD_BATCH..last).step_by((LOADERS * LOAD_BATCH) as usize) {
                    let mut transaction = Vec::new();
                    for person in from..last.min(from + LOAD_BATCH) {
                        put_operation(&mut transaction, &people::key(person), &people::value(person));
                    }
                    desk.call("Txn", transaction).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(loaded) = loaders.join_next().await {
            loaded??;
        }
        let mut transaction = Vec::new();
        put_operation(&mut transaction, &people::key(last), &people::value(last));
        self.call("Txn", transaction).await.map(drop)
    }

    async fn call(&self, method: &str, message: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let mut send = self.send.clone().ready().await?;
        let request = Request::post(format!("https://{}/etcdserverpb.KV/{method}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let (response, mut body) = send.send_request(request, false)?;
        let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
        framed.extend_from_slice(&[0]);
        framed.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
        framed.extend_from_slice(&message);
        body.send_data(framed.freeze(), true)?;
        let response = response.await?;
        ensure!(response.status() == 200, "HTTP {}", response.status());
        let status = |headers: &http::HeaderMap| headers.get("grpc-status").cloned();
        let early = status(response.headers());
        let mut body = response.into_body();
        let mut answer = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            answer.extend_from_slice(&chunk);
        }
        let late = body.trailers().await?.as_ref().and_then(status);
        let code = late.or(early).context("an answer without a status")?;
        ensure!(code == "0", "gRPC status {code:?}");
        ensure!(answer.len() >= PREFIX_BYTES && answer[0] == 0, "no plain message");
        Ok(answer.split_off(PREFIX_BYTES))
    }
}

impl Desk for Etcd {
    async fn ask(&mut self, asked: &[u32]) -> anyhow::Result<usize> {
        let mut wrong = 0;
        for person in asked {
            let key = people::key(*person);
            let is_right = |value: Option<&[u8]>| value.is_some_and(|value| people::is_value_of(*person, value));
            let right = if self.audited {
                self.entries += 1;
                let entry = format!("audit/{}/{}", self.name, self.entries);
                let mut text = key.to_vec();
                text.extend_from_slice(people::audit());
                let mut transaction = Vec::new();
                bytes(&mut transaction, 2, &nested(1, &range(&key)));
                put_operation(&mut transaction, entry.as_bytes(), &text);
                is_right(value_in_transaction(&self.call("Txn", transaction).await?)?)
            } else {
                is_right(value_in_range(&self.call("Range", range(&key)).await?)?)
            };
            wrong += usize::from(!right);
        }
        Ok(wrong)
    }
}

/// `RangeRequest { key: 1 }`; `serializable` (7) is left out, which is false.
fn range(key: &[u8]) -> Vec<u8> {
    nested(1, key)
}

/// `TxnRequest { success: 2 }` of `RequestOp { request_put: 2 }` of `PutRequest { key: 1, value: 2 }`.
fn put_operation(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let mut put = nested(1, key);
    bytes(&mut put, 2, value);
    bytes(out, 2, &nested(2, &put));
}

/// `RangeResponse { kvs: 2 }` of `KeyValue { value: 5 }`.
fn value_in_range(message: &[u8]) -> anyhow::Result<Option<&[u8]>> {
    field(message, 2)?.map_or(Ok(None), |pair| field(pair, 5))
}

/// `TxnResponse { responses: 3 }` of `ResponseOp { response_range: 1 }`; ours is the first.
fn value_in_transaction(message: &[u8]) -> anyhow::Result<Option<&[u8]>> {
    let range = field(message, 3)?.map_or(Ok(None), |first| field(first, 1))?;
    range.map_or(Ok(None), value_in_range)
}

fn nested(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 4);
    bytes(&mut out, number, value);
    out
}

fn bytes(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    // Wire type 2, and numbers below 16: one byte.
    out.push(number << 3 | 2);
    let mut left = value.len();
    while left >= 0x80 {
        out.push(u8::try_from(left & 0x7f).unwrap_or(0) | 0x80);
        left >>= 7;
    }
    out.push(u8::try_from(left).unwrap_or(0));
    out.extend_from_slice(value);
}

/// The first field of this number that holds bytes.
fn field(message: &[u8], number: u64) -> anyhow::Result<Option<&[u8]>> {
    let mut left = message;
    while !left.is_empty() {
        let tag = varint(&mut left)?;
        match tag & 7 {
            0 => drop(varint(&mut left)?),
            2 => {
                let length = usize::try_from(varint(&mut left)?)?;
                ensure!(length <= left.len(), "a field longer than its message");
                let (value, rest) = left.split_at(length);
                if tag >> 3 == number {
                    return Ok(Some(value));
                }
                left = rest;
            }
            other => bail!("wire type {other}"),
        }
    }
    Ok(None)
}

fn varint(left: &mut &[u8]) -> anyhow::Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = left.split_first().context("a message that ends early")?;
        *left = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number without end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_protocol_buffers() {
        assert_eq!(range(b"ab"), b"\x0a\x02ab");
        let long = nested(2, &[7; 300]);
        assert_eq!((&long[..3], long.len()), (&b"\x12\xac\x02"[..], 303));
        let mut transaction = Vec::new();
        put_operation(&mut transaction, b"k", b"v");
        assert_eq!(transaction, b"\x12\x08\x12\x06\x0a\x01k\x12\x01v");
    }

    #[test]
    fn values_are_found_behind_headers() {
        let pair = [nested(1, b"k"), b"\x10\x05".to_vec(), nested(5, b"value")].concat();
        let answer = [nested(1, b"\x08\x96\x01"), nested(2, &pair), b"\x20\x01".to_vec()].concat();
        assert_eq!(value_in_range(&answer).unwrap(), Some(&b"value"[..]));
        let transaction = [b"\x10\x01".to_vec(), nested(3, &nested(1, &answer)), nested(3, &nested(2, b""))].concat();
        assert_eq!(value_in_transaction(&transaction).unwrap(), Some(&b"value"[..]));
        assert_eq!(value_in_range(&nested(1, b"\x08\x01")).unwrap(), None, "nobody has the key");
        assert!(value_in_range(b"\x12\x7fx").is_err() && value_in_range(b"\xff").is_err());
    }
}
