//! Redis and Valkey: a look-up, or a look-up with an audit entry that two machines have on disk before it counts.
//!
//! ```text
//! GET key                                                        Redis: nothing is written
//! GET key · XADD audit * k key t text · … · WAITAOF 1 1 5000     Valkey: one write, and done when all of it is answered
//! ```

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail, ensure};
use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::{drive::Desk, people, tls};

/// A reply as long as this is none that we asked for.
const REPLY_BYTES_MAX: usize = 1 << 20;

/// Records written in one go while loading.
const LOAD_BATCH: u32 = 500;

/// How long Valkey may wait for the disks, milliseconds.
const SYNC_MAX_MS: &[u8] = b"5000";

/// A connection.
pub(crate) struct Resp {
    stream: TlsStream<TcpStream>,
    audited: bool,
    out: Vec<u8>,
    input: Vec<u8>,
}

/// A reply, as far as ours go.
#[derive(Debug, PartialEq, Eq)]
enum Reply<'a> {
    Text(&'a [u8]),
    Refusal(&'a [u8]),
    Number(i64),
    Bytes(Option<&'a [u8]>),
    List(Vec<Reply<'a>>),
}

impl Resp {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens, or either side does not believe the other.
    pub(crate) async fn connect(
        config: &Arc<ClientConfig>,
        address: SocketAddr,
        audited: bool,
    ) -> anyhow::Result<Self> {
        let stream = tls::connect(config, address).await?;
        Ok(Self { stream, audited, out: Vec::new(), input: Vec::new() })
    }

    /// Writes everybody's record, unless they are there; then waits until they are on the disks of `disks` machines.
    ///
    /// # Errors
    /// If the server refuses, or the connection breaks.
    pub(crate) async fn load(&mut self, count: u32, disks: u32) -> anyhow::Result<()> {
        self.out.clear();
        command(&mut self.out, &[b"DBSIZE"]);
        let mut present = 0;
        self.exchange(1, |_, reply| {
            present = if let Reply::Number(number) = reply { number } else { 0 };
            Ok(())
        })
        .await?;
        // Replicas that join later would copy everything that is there by then.
        self.settle(disks).await?;
        let first = if present >= i64::from(count) { count } else { 0 };
        for from in (first..count).step_by(LOAD_BATCH as usize) {
            let until = count.min(from + LOAD_BATCH);
            self.out.clear();
            for person in from..until {
                command(&mut self.out, &[b"SET", &people::key(person), &people::value(person)]);
            }
            self.exchange((until - from) as usize, |_, reply| {
                ensure!(reply == Reply::Text(b"OK"), "a record was refused: {reply:?}");
                Ok(())
            })
            .await?;
        }
        self.settle(disks).await
    }

    /// Waits until a write is on the disks of so many machines.
    async fn settle(&mut self, disks: u32) -> anyhow::Result<()> {
        if disks == 0 {
            return Ok(());
        }
        self.out.clear();
        let others = (disks - 1).to_string();
        command(&mut self.out, &[b"SET", b"settled", b"1"]);
        command(&mut self.out, &[b"WAITAOF", b"1", others.as_bytes(), b"60000"]);
        self.exchange(2, |at, reply| if at == 0 { Ok(()) } else { on_disk(&reply, i64::from(disks) - 1) }).await
    }

    /// Sends what stands in `out` and looks at that many replies, in order.
    async fn exchange(
        &mut self,
        replies: usize,
        mut look: impl FnMut(usize, Reply<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.stream.flush().await?;
        let (mut seen, mut used) = (0, 0);
        while seen < replies {
            while seen < replies
                && let Some((reply, length)) = parse(&self.input[used..])?
            {
                look(seen, reply)?;
                (seen, used) = (seen + 1, used + length);
            }
            if seen < replies {
                ensure!(self.input.len() - used < REPLY_BYTES_MAX, "a reply without end");
                self.input.drain(..used);
                used = 0;
                ensure!(self.stream.read_buf(&mut self.input).await? > 0, "the server closed the connection");
            }
        }
        self.input.drain(..used);
        ensure!(self.input.is_empty(), "more replies than questions");
        Ok(())
    }
}

impl Desk for Resp {
    async fn ask(&mut self, asked: &[u32]) -> anyhow::Result<usize> {
        let audited = self.audited;
        self.out.clear();
        for person in asked {
            let key = people::key(*person);
            command(&mut self.out, &[b"GET", &key]);
            if audited {
                command(&mut self.out, &[b"XADD", b"audit", b"*", b"k", &key, b"t", people::audit()]);
            }
        }
        if audited {
            command(&mut self.out, &[b"WAITAOF", b"1", b"1", SYNC_MAX_MS]);
        }
        let each = if audited { 2 } else { 1 };
        let mut wrong = 0;
        self.exchange(asked.len() * each + usize::from(audited), |at, reply| {
            match (asked.get(at / each), at % each) {
                (None, _) => return on_disk(&reply, 1),
                (Some(person), 0) => match reply {
                    Reply::Bytes(Some(value)) => wrong += usize::from(!people::is_value_of(*person, value)),
                    Reply::Bytes(None) => wrong += 1,
                    other => bail!("no record: {other:?}"),
                },
                _ => ensure!(matches!(reply, Reply::Bytes(Some(_))), "no audit entry: {reply:?}"),
            }
            Ok(())
        })
        .await?;
        Ok(wrong)
    }
}

/// `WAITAOF` says how many disks have it: this server's, and its replicas'.
fn on_disk(reply: &Reply<'_>, others: i64) -> anyhow::Result<()> {
    let Reply::List(disks) = reply else { bail!("no count of disks: {reply:?}") };
    let [Reply::Number(own), Reply::Number(theirs)] = disks[..] else { bail!("no count of disks: {reply:?}") };
    ensure!(own >= 1 && theirs >= others, "on {own} disks of its own and {theirs} others");
    Ok(())
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// The first reply and its length, if all of it is there.
fn parse(input: &[u8]) -> anyhow::Result<Option<(Reply<'_>, usize)>> {
    let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let (kind, line) = input[..end].split_first().context("an empty reply")?;
    let after = end + 2;
    let number = || std::str::from_utf8(line)?.parse::<i64>().context("no number");
    let reply = match kind {
        b'+' => Reply::Text(line),
        b'-' => Reply::Refusal(line),
        b':' => Reply::Number(number()?),
        b'$' if number()? < 0 => Reply::Bytes(None),
        b'$' => {
            let length = usize::try_from(number()?)?;
            ensure!(length <= REPLY_BYTES_MAX, "a reply of {length} bytes");
            let Some(bytes) = input.get(after..after + length) else { return Ok(None) };
            if input.len() < after + length + 2 {
                return Ok(None);
            }
            return Ok(Some((Reply::Bytes(Some(bytes)), after + length + 2)));
        }
        b'*' => {
            let mut used = after;
            let mut list = Vec::new();
            for _ in 0..number()? {
                let Some((each, length)) = parse_flat(&input[used..])? else { return Ok(None) };
                list.push(each);
                used += length;
            }
            return Ok(Some((Reply::List(list), used)));
        }
        other => bail!("a reply that begins with {other}"),
    };
    Ok(Some((reply, after)))
}

/// A reply inside a list; ours hold no lists.
fn parse_flat(input: &[u8]) -> anyhow::Result<Option<(Reply<'_>, usize)>> {
    ensure!(input.first() != Some(&b'*'), "a list in a list");
    parse(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_whole_or_not_at_all() {
        let whole = b"*2\r\n:1\r\n:2\r\n";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]).unwrap(), None, "{end}");
        }
        let list = Reply::List(vec![Reply::Number(1), Reply::Number(2)]);
        assert_eq!(parse(whole).unwrap(), Some((list, whole.len())));
        assert_eq!(parse(b"$3\r\nabc\r\n+OK\r\n").unwrap(), Some((Reply::Bytes(Some(b"abc")), 9)));
        assert_eq!(parse(b"$3\r\nabc\r").unwrap(), None);
        assert_eq!(parse(b"$-1\r\n").unwrap(), Some((Reply::Bytes(None), 5)));
        assert_eq!(parse(b"-NO\r\n").unwrap(), Some((Reply::Refusal(b"NO"), 5)));
        assert!(parse(b"$999999999\r\n").is_err() && parse(b"?\r\n").is_err() && parse(b"*1\r\n*1\r\n:1\r\n").is_err());
    }

    #[test]
    fn an_entry_on_too_few_disks_is_an_error() {
        let disks = |own, theirs| Reply::List(vec![Reply::Number(own), Reply::Number(theirs)]);
        assert!(on_disk(&disks(1, 1), 1).is_ok() && on_disk(&disks(1, 2), 1).is_ok());
        for too_few in [disks(0, 2), disks(1, 0), Reply::Number(2)] {
            assert!(on_disk(&too_few, 1).is_err());
        }
    }
}
