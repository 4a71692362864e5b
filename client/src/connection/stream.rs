//! Frames on streams: a length is checked before its body is read, and a body is read before it is believed.

use bytes::{Buf, Bytes, BytesMut};
use xacminh_proto::wire::{self, frame};

use crate::error::Breach;

use super::{LinkError, link_error};

/// What one read takes from a session stream: some dozens of replies.
const READ_BYTES_MAX: usize = 64 * 1024;

/// The writing half of a session stream.
#[derive(Debug)]
pub(crate) struct FrameSink {
    stream: quinn::SendStream,
}

/// The reading half of a session stream.
#[derive(Debug)]
pub(crate) struct FrameSource {
    stream: quinn::RecvStream,
    buffer: BytesMut,
}

/// Asks one question on a fresh stream: `0x01 | frame FIN`, and reads exactly one frame until the node's FIN.
///
/// Dropping the future resets the stream, which tells the node that nobody waits any more.
pub(super) async fn one(
    mut sink: quinn::SendStream,
    mut source: quinn::RecvStream,
    frame: &[u8],
) -> Result<Vec<u8>, LinkError> {
    let written = write_one(&mut sink, frame).await;
    // A node that refuses us stops reading; its reply or its close says more than our failed write.
    let reply = read_one(&mut source).await;
    match (written, reply) {
        (_, Ok(reply)) => Ok(reply),
        (Err(LinkError::Lost(_)) | Ok(()), Err(error)) | (Err(error), Err(_)) => Err(error),
    }
}

async fn write_one(sink: &mut quinn::SendStream, frame: &[u8]) -> Result<(), LinkError> {
    let mut message = Vec::with_capacity(1 + frame.len());
    message.push(wire::STREAM_ONE);
    message.extend_from_slice(frame);
    sink.write_all(&message).await.map_err(|error| write_error(&error))?;
    // Finishing fails only when the node stopped the stream, which reading reports.
    let _ = sink.finish();
    Ok(())
}

async fn read_one(source: &mut quinn::RecvStream) -> Result<Vec<u8>, LinkError> {
    let mut prefix = [0; frame::PREFIX_BYTES];
    read_exact(source, &mut prefix).await?;
    let length = frame::announced(prefix, wire::REPLY_BYTES_MAX).map_err(|_| Breach::Oversize)?;
    let mut body = vec![0; length];
    read_exact(source, &mut body).await?;
    match source.read(&mut [0; 1]).await {
        Ok(None) => Ok(body),
        Ok(Some(_)) => Err(Breach::TrailingBytes.into()),
        Err(error) => Err(read_error(&error)),
    }
}

async fn read_exact(source: &mut quinn::RecvStream, bytes: &mut [u8]) -> Result<(), LinkError> {
    match source.read_exact(bytes).await {
        Ok(()) => Ok(()),
        Err(quinn::ReadExactError::FinishedEarly(_)) => Err(Breach::Truncated.into()),
        Err(quinn::ReadExactError::ReadError(error)) => Err(read_error(&error)),
    }
}

impl FrameSink {
    pub(super) async fn open(
        mut sink: quinn::SendStream,
        source: quinn::RecvStream,
        background: bool,
    ) -> Result<(Self, FrameSource), LinkError> {
        let kind = if background { wire::STREAM_BACKGROUND } else { wire::STREAM_SESSION };
        sink.write_all(&[kind]).await.map_err(|error| write_error(&error))?;
        Ok((Self { stream: sink }, FrameSource { stream: source, buffer: BytesMut::new() }))
    }

    /// Writes frames that were encoded elsewhere, in one go.
    pub(crate) async fn write(&mut self, frames: &mut [Bytes]) -> Result<(), LinkError> {
        self.stream.write_all_chunks(frames).await.map_err(|error| write_error(&error))
    }

    /// Says that no more questions follow.
    pub(crate) fn finish(&mut self) {
        // Fails only on a stream that is closed already.
        let _ = self.stream.finish();
    }
}

impl FrameSource {
    /// The body of the next frame, or none after the node's FIN. Not cancellation safe towards the node, but bytes that
    /// were read stay in the buffer.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            if let Some(body) = self.buffered()? {
                return Ok(Some(body));
            }
            match self.stream.read_chunk(READ_BYTES_MAX, true).await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk.bytes),
                Ok(None) if self.buffer.is_empty() => return Ok(None),
                Ok(None) => return Err(Breach::Truncated.into()),
                Err(error) => return Err(read_error(&error)),
            }
        }
    }

    /// The buffer never grows beyond one reply and one read, because a length over the limit ends the session.
    fn buffered(&mut self) -> Result<Option<Bytes>, LinkError> {
        let Some(prefix) = self.buffer.first_chunk::<{ frame::PREFIX_BYTES }>() else { return Ok(None) };
        let length = frame::announced(*prefix, wire::REPLY_BYTES_MAX).map_err(|_| Breach::Oversize)?;
        if self.buffer.len() < frame::PREFIX_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(frame::PREFIX_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

fn write_error(error: &quinn::WriteError) -> LinkError {
    match error {
        quinn::WriteError::ConnectionLost(error) => link_error(error),
        _ => LinkError::Lost(error.to_string()),
    }
}

fn read_error(error: &quinn::ReadError) -> LinkError {
    match error {
        quinn::ReadError::ConnectionLost(error) => link_error(error),
        _ => LinkError::Lost(error.to_string()),
    }
}
