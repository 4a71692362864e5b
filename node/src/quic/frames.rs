//! Frames on a stream: a big-endian `u32` length, then that many bytes.
//!
//! The length is checked before anything is allocated, memory grows only with bytes that really arrived, and a sender
//! that starts a frame must finish it within its time.
//! Small frames that share a packet are handed out without a copy.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::time::{Instant, timeout, timeout_at};
use xacminh_proto::close::CloseCode;

use super::Gone;

/// Bytes of the length in front of each frame.
pub const HEADER_BYTES: usize = 4;

/// Bytes asked of the stream at once; one packet fits many times over.
const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Bytes set aside for a frame on the word of its header alone; the rest as it arrives.
const TRUSTED_BYTES_MAX: usize = 64 * 1024;

/// Why a frame did not come or go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The sender announced more than the receiver takes.
    #[error("frame of {announced} bytes where at most {bytes_max} are allowed")]
    TooLarge {
        /// What the header said.
        announced: usize,
        /// What is allowed here.
        bytes_max: usize,
    },
    /// The stream ended in the middle of a frame.
    #[error("stream ended inside a frame")]
    Truncated,
    /// The other side took longer than its time.
    #[error("other side too slow")]
    Slow,
    /// The other side gave the stream up.
    #[error("stream given up by the other side with code {0}")]
    Reset(u64),
    /// The connection is no more.
    #[error("connection {0}")]
    Gone(Gone),
}

/// Reads frames from a stream; dropping it tells the sender to stop.
#[derive(Debug)]
pub struct FrameReader {
    stream: RecvStream,
    /// What arrived and was not yet handed out, as it came.
    chunk: Bytes,
    /// A frame that spans chunks, header included; kept here so that a cancelled read loses nothing.
    partial: BytesMut,
}

/// Writes frames to a stream.
#[derive(Debug)]
pub struct FrameWriter {
    stream: SendStream,
    /// Set while a frame is half written: dropped now, the stream must be reset, for its end would look like an end.
    torn: bool,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, chunk: Bytes::new(), partial: BytesMut::new() }
    }

    /// Waits for the next frame of at most `bytes_max` bytes, or `None` at an orderly end.
    ///
    /// A frame may be long in coming, but once begun it must be complete within `frame_time`.
    /// Cancel safe.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is of no more use then.
    pub async fn next(&mut self, bytes_max: usize, frame_time: Duration) -> Result<Option<Bytes>, FrameError> {
        if let Some(frame) = self.take(bytes_max)? {
            return Ok(Some(frame));
        }
        if !self.has_begun() && !self.fill().await? {
            return Ok(None);
        }
        let deadline = Instant::now() + frame_time;
        loop {
            if let Some(frame) = self.take(bytes_max)? {
                return Ok(Some(frame));
            }
            match timeout_at(deadline, self.fill()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Err(FrameError::Truncated),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(FrameError::Slow),
            }
        }
    }

    /// As [`Self::next`] where a frame must come, and within `frame_time`, counted from now.
    ///
    /// # Errors
    /// [`FrameError`]; an end instead of a frame is [`FrameError::Truncated`].
    pub async fn expect(&mut self, bytes_max: usize, frame_time: Duration) -> Result<Bytes, FrameError> {
        match timeout(frame_time, self.next(bytes_max, frame_time)).await {
            Ok(Ok(Some(frame))) => Ok(frame),
            Ok(Ok(None)) => Err(FrameError::Truncated),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(FrameError::Slow),
        }
    }

    /// Reads what follows the frames as it comes, at most `bytes_max` at once; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`FrameError`].
    pub(crate) async fn raw(&mut self, bytes_max: usize, time: Duration) -> Result<Option<Bytes>, FrameError> {
        if self.chunk.is_empty() {
            match timeout(time, self.fill()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Ok(None),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(FrameError::Slow),
            }
        }
        let at = self.chunk.len().min(bytes_max);
        Ok(Some(self.chunk.split_to(at)))
    }

    /// Tells the sender that nothing more will be read, and why.
    pub fn stop(&mut self, code: CloseCode) {
        // The stream may have ended already; then there is nobody to tell.
        let _ = self.stream.stop(VarInt::from_u32(code.code()));
    }

    fn has_begun(&self) -> bool {
        !self.chunk.is_empty() || !self.partial.is_empty()
    }

    /// Takes a frame out of what has arrived.
    fn take(&mut self, bytes_max: usize) -> Result<Option<Bytes>, FrameError> {
        if self.partial.is_empty() {
            if let Some(length) = announced(&self.chunk, bytes_max)?
                && self.chunk.len() - HEADER_BYTES >= length
            {
                self.chunk.advance(HEADER_BYTES);
                return Ok(Some(self.chunk.split_to(length)));
            }
            self.partial.extend_from_slice(&self.chunk);
            self.chunk.clear();
            return Ok(None);
        }
        self.gather(HEADER_BYTES);
        let Some(length) = announced(&self.partial, bytes_max)? else {
            return Ok(None);
        };
        if self.partial.len() == HEADER_BYTES {
            self.partial.reserve(length.min(TRUSTED_BYTES_MAX));
        }
        self.gather(HEADER_BYTES + length);
        if self.partial.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        let mut frame = std::mem::take(&mut self.partial).freeze();
        frame.advance(HEADER_BYTES);
        Ok(Some(frame))
    }

    /// Moves bytes from the chunk until the partial frame has `target` of them or the chunk is empty.
    fn gather(&mut self, target: usize) {
        let missing = target.saturating_sub(self.partial.len()).min(self.chunk.len());
        self.partial.extend_from_slice(&self.chunk.split_to(missing));
    }

    /// Waits for more bytes; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool, FrameError> {
        match self.stream.read_chunk(CHUNK_BYTES_MAX, true).await {
            Ok(Some(chunk)) => {
                self.chunk = chunk.bytes;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(ReadError::Reset(code)) => Err(FrameError::Reset(code.into_inner())),
            Err(ReadError::ConnectionLost(error)) => Err(FrameError::Gone(error.into())),
            Err(ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected) => {
                Err(FrameError::Gone(Gone::Lost))
            }
        }
    }
}

impl FrameWriter {
    pub(crate) fn new(stream: SendStream) -> Self {
        Self { stream, torn: false }
    }

    /// Sends one frame; the reader must take it within `time`.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is of no more use then.
    pub async fn send(&mut self, frame: Bytes, time: Duration) -> Result<(), FrameError> {
        self.send_parts(vec![frame], time).await
    }

    /// Sends one frame made of parts, none of which is copied.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_parts(&mut self, parts: Vec<Bytes>, time: Duration) -> Result<(), FrameError> {
        let mut bytes = Vec::with_capacity(parts.len() + 1);
        bytes.push(header(parts.iter().map(Bytes::len).sum())?);
        bytes.extend(parts);
        self.write(&mut bytes, time).await
    }

    /// Sends several frames with one passage through the connection's lock.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_all(
        &mut self,
        frames: impl IntoIterator<Item = Bytes>,
        time: Duration,
    ) -> Result<(), FrameError> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.push(header(frame.len())?);
            bytes.push(frame);
        }
        self.write(&mut bytes, time).await
    }

    /// Sends bytes that are not a frame.
    pub(crate) async fn send_raw(&mut self, bytes: Bytes, time: Duration) -> Result<(), FrameError> {
        self.write(&mut [bytes], time).await
    }

    /// Says that nothing more will come.
    pub fn finish(&mut self) {
        // An error means that the other side or we gave the stream up before; either way it is over.
        let _ = self.stream.finish();
    }

    /// Gives the stream up, and says why.
    pub fn reset(&mut self, code: CloseCode) {
        let _ = self.stream.reset(VarInt::from_u32(code.code()));
    }

    /// Sends this stream's bytes before those of streams with a lower number.
    pub(crate) fn prefer(&self, priority: i32) {
        let _ = self.stream.set_priority(priority);
    }

    /// Waits until the other side wants nothing more of this stream, or is gone; for ever if it keeps listening.
    pub async fn given_up(&self) {
        let _ = self.stream.stopped().await;
    }

    /// Waits until the other side has taken everything after [`Self::finish`], or wants nothing more.
    pub async fn settled(&mut self, time: Duration) {
        let _ = timeout(time, self.stream.stopped()).await;
    }

    async fn write(&mut self, bytes: &mut [Bytes], time: Duration) -> Result<(), FrameError> {
        // Cancelled or timed out inside the write, the flag stays up and the drop below resets the stream.
        self.torn = true;
        let outcome = match timeout(time, self.stream.write_all_chunks(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(WriteError::Stopped(code))) => Err(FrameError::Reset(code.into_inner())),
            Ok(Err(WriteError::ConnectionLost(error))) => Err(FrameError::Gone(error.into())),
            Ok(Err(WriteError::ClosedStream | WriteError::ZeroRttRejected)) => Err(FrameError::Gone(Gone::Ours)),
            Err(_) => Err(FrameError::Slow),
        };
        self.torn = outcome.is_err();
        outcome
    }
}

impl Drop for FrameWriter {
    fn drop(&mut self) {
        if self.torn {
            self.reset(CloseCode::Protocol);
        }
    }
}

fn header(length: usize) -> Result<Bytes, FrameError> {
    let bytes_max = u32::MAX as usize;
    let length = u32::try_from(length).map_err(|_| FrameError::TooLarge { announced: length, bytes_max })?;
    Ok(Bytes::copy_from_slice(&length.to_be_bytes()))
}

/// The length in front, once it is there, and if it is allowed.
fn announced(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, FrameError> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let announced = u32::from_be_bytes(*header) as usize;
    if announced > bytes_max {
        return Err(FrameError::TooLarge { announced, bytes_max });
    }
    Ok(Some(announced))
}
