//! A connection as its server sees it: receives requests, runs them concurrently, answers them.
//!
//! This replaces rapace's own `RpcSession::run`, which limits neither requests nor unread answers, and leaves streams
//! running after the peer has gone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use rapace::{ErrorCode, Frame, FrameFlags, MsgDescHot, RpcError, Transport, TransportError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::handshake::Peer;

/// How long a request over the limit waits for a slot. A client that keeps to the limit sends its next request when it
/// reads an answer, perhaps before the slot of that answer is free.
const GRACE: Duration = Duration::from_millis(500);

/// A connection of an authenticated client. Clones are the same connection.
#[derive(Debug, Clone)]
pub struct Connection {
    closed: CancellationToken,
    peer: Arc<Peer>,
}

impl Connection {
    pub(crate) fn new(peer: Peer) -> Self {
        Self {
            closed: CancellationToken::new(),
            peer: Arc::new(peer),
        }
    }

    /// A token that is cancelled when the client has gone or the listener ends. Streams are then dropped; other
    /// requests run to their end, unless the listener ends.
    pub fn closed(&self) -> CancellationToken {
        // Not the token itself: nobody else may cancel it.
        self.closed.child_token()
    }

    /// The build version of the client.
    pub fn peer_version(&self) -> &str {
        &self.peer.build_version
    }
}

/// What a connection is served with.
pub(crate) struct Serving<D> {
    pub(crate) connection: Connection,
    pub(crate) transport: Transport,
    pub(crate) dispatcher: Arc<D>,
    /// The limit of unanswered requests.
    pub(crate) requests: usize,
    /// The end of the listener.
    pub(crate) shutdown: CancellationToken,
}

impl<D, Fut> Serving<D>
where
    D: Fn(Frame) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Frame, RpcError>> + Send + 'static,
{
    /// Serves until the client has gone or the listener ends; `close` then ends the connection itself.
    pub(crate) async fn run(self, close: impl FnOnce()) {
        let requests = TaskTracker::new();
        let ended = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Ok(()),
            ended = self.take_requests(&requests) => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(%error, "closed a connection");
        }
        self.connection.closed.cancel();
        self.transport.close();
        close();
        requests.close();
        requests.wait().await;
    }

    async fn take_requests(&self, requests: &TaskTracker) -> Result<(), TransportError> {
        let slots = Arc::new(Semaphore::new(self.requests));
        loop {
            let request = match self.transport.recv_frame().await {
                Ok(frame) => frame,
                Err(TransportError::Closed) => return Ok(()),
                Err(error) => return Err(error),
            };
            if !is_request(&request) {
                continue;
            }
            let origin = Origin::of(&request);
            match timeout(GRACE, slots.clone().acquire_owned()).await {
                Ok(Ok(slot)) => drop(requests.spawn(self.answer(request, origin, slot))),
                // Written before the next request is read: a peer that does not read is not served either.
                Ok(Err(_)) | Err(_) => self.transport.send_frame(origin.refusal(&too_many_requests())).await?,
            }
        }
    }

    /// Answers one request. The slot is held until the answer is written, so unread answers count as requests.
    fn answer(
        &self,
        request: Frame,
        origin: Origin,
        slot: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + use<D, Fut> {
        let closed = self.connection.closed.clone();
        let stop = if origin.is_stream {
            closed.clone()
        } else {
            self.shutdown.clone()
        };
        let dispatcher = self.dispatcher.clone();
        let transport = self.transport.clone();
        async move {
            let _slot = slot;
            let dispatched = AssertUnwindSafe(async { dispatcher(request).await }).catch_unwind();
            let result = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                result = dispatched => result.unwrap_or_else(|_panic| Err(panicked())),
            };
            let Some(answer) = origin.answer(result) else { return };
            let sent = tokio::select! {
                biased;
                () = closed.cancelled() => return,
                sent = transport.send_frame(answer) => sent,
            };
            if let Err(error) = sent
                && !closed.is_cancelled()
            {
                // Probably too large: the frame is refused before any of it is written.
                let told = RpcError::Status {
                    code: ErrorCode::OutOfRange,
                    message: format!("cannot send the answer: {error}"),
                };
                let _ = transport.send_frame(origin.refusal(&told)).await;
            }
        }
    }
}

/// Everything else is an answer, or a control frame of rapace that vx does not use.
fn is_request(frame: &Frame) -> bool {
    frame.desc.method_id != 0 && frame.desc.flags.contains(FrameFlags::DATA)
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy)]
struct Origin {
    channel: u32,
    /// Its handler sends the answers itself.
    is_stream: bool,
}

impl Origin {
    fn of(request: &Frame) -> Self {
        Self {
            channel: request.desc.channel_id,
            is_stream: request.desc.flags.contains(FrameFlags::NO_REPLY),
        }
    }

    /// What is still to be sent; an error also ends a stream, whose client would otherwise wait forever.
    fn answer(self, result: Result<Frame, RpcError>) -> Option<Frame> {
        match result {
            Ok(_) if self.is_stream => None,
            Ok(mut answer) => {
                answer.desc.channel_id = self.channel;
                Some(answer)
            }
            Err(error) => Some(self.refusal(&error)),
        }
    }

    fn refusal(self, error: &RpcError) -> Frame {
        let (code, message) = match error {
            RpcError::Status { code, message } => (*code, message.clone()),
            RpcError::Cancelled => (ErrorCode::Cancelled, error.to_string()),
            RpcError::DeadlineExceeded => (ErrorCode::DeadlineExceeded, error.to_string()),
            RpcError::Transport(_) => (ErrorCode::Internal, error.to_string()),
        };
        let mut payload = Vec::with_capacity(8 + message.len());
        payload.extend((code as u32).to_le_bytes());
        payload.extend((message.len() as u32).to_le_bytes());
        payload.extend(message.as_bytes());
        let mut description = MsgDescHot::new();
        description.channel_id = self.channel;
        description.flags = FrameFlags::ERROR | FrameFlags::EOS;
        Frame::with_payload(description, payload)
    }
}

fn too_many_requests() -> RpcError {
    RpcError::Status {
        code: ErrorCode::ResourceExhausted,
        message: "too many requests of this connection are unanswered".to_owned(),
    }
}

fn panicked() -> RpcError {
    RpcError::Status {
        code: ErrorCode::Internal,
        message: "the service panicked; its log has the details".to_owned(),
    }
}
