//! Sits between rapace and the socket: frames over the limit and incomplete frames end the connection.
//!
//! rapace allocates any length that a frame announces and waits for its rest forever. The guard follows the frames (a
//! little-endian length of four bytes, then that many bytes) without changing them. It refuses in both directions, so
//! what the peer would refuse is an error of one call here, not the end of the session.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes of a frame's length.
const HEADER: usize = 4;

/// A stream whose frames keep to limits.
#[derive(Debug)]
pub(crate) struct Guard<S> {
    stream: S,
    /// How long a peer may pause within a frame.
    stall: Duration,
    incoming: Frames,
    outgoing: Frames,
    /// Runs while the rest of a frame is awaited.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Guard<S> {
    pub(crate) fn new(stream: S, limit: usize, stall: Duration) -> Self {
        Self {
            stream,
            stall,
            incoming: Frames::new(limit),
            outgoing: Frames::new(limit),
            patience: None,
        }
    }

    /// An error once the peer has paused for too long within a frame.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if !self.incoming.within_frame() {
            return Poll::Pending;
        }
        let stall = self.stall;
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + stall)));
        ready!(patience.as_mut().poll(context));
        let message = format!("the peer paused for {stall:?} in the middle of a frame");
        Poll::Ready(io::Error::new(ErrorKind::TimedOut, message))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        if read.is_pending() {
            return this.poll_patience(context).map(Err);
        }
        this.patience = None;
        let advanced = this.incoming.advance(&buffer.filled()[before..]);
        if let Err(error) = advanced {
            // The reader must not see the length, which it would allocate.
            buffer.set_filled(before);
            return Poll::Ready(Err(error));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.outgoing.clone().advance(bytes)?;
        let written = ready!(Pin::new(&mut this.stream).poll_write(context, bytes))?;
        this.outgoing.advance(&bytes[..written])?;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// The position of one direction of a connection within its frames.
#[derive(Debug, Clone)]
struct Frames {
    /// Bytes that a frame may have.
    limit: usize,
    header: [u8; HEADER],
    /// Bytes of `header` that are known.
    known: usize,
    /// Remaining bytes of the frame.
    rest: usize,
}

impl Frames {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            header: [0; HEADER],
            known: 0,
            rest: 0,
        }
    }

    fn within_frame(&self) -> bool {
        self.known > 0 || self.rest > 0
    }

    /// Follows `bytes`; an error if a frame among them is too long.
    fn advance(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let taken = self.rest.min(bytes.len());
                self.rest -= taken;
                bytes = &bytes[taken..];
                continue;
            }
            self.header[self.known] = bytes[0];
            self.known += 1;
            bytes = &bytes[1..];
            if self.known == HEADER {
                self.known = 0;
                self.rest = self.announced()?;
            }
        }
        Ok(())
    }

    fn announced(&self) -> io::Result<usize> {
        let announced = u32::from_le_bytes(self.header);
        match usize::try_from(announced) {
            Ok(length) if length <= self.limit => Ok(length),
            _ => {
                let message = format!("a frame of {announced} bytes exceeds the limit of {}", self.limit);
                Err(io::Error::new(ErrorKind::InvalidData, message))
            }
        }
    }
}

#[cfg(test)]
mod tests;
