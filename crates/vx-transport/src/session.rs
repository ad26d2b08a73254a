//! The client's side: a connection to one service, whose calls always end.

use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use rapace::{ErrorCode, RpcError, RpcSession, Streaming, Transport};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::guard::Guard;
use crate::handshake::{self, HandshakeError, Peer};
use crate::link::{Closer, Link};
use crate::listener::proven_address;
use crate::{Credentials, Endpoint, EndpointErrorKind, Limits};

/// A session with the service at an endpoint could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there.
    #[error("nothing listens on {endpoint}")]
    Absent {
        /// The endpoint.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
    /// The connection could not be made, or broke before both sides were known.
    #[error("the connection to {endpoint} failed")]
    Io {
        /// The endpoint.
        endpoint: Endpoint,
        /// What the system said.
        source: io::Error,
    },
    /// Something listens there but does not answer.
    #[error("the process that listens on {endpoint} did not answer within {limit:?}")]
    Silent {
        /// The endpoint.
        endpoint: Endpoint,
        /// How long it was given.
        limit: Duration,
    },
    /// Another program listens there.
    #[error("the process that listens on {endpoint} is not vx")]
    NotVx {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The service does not know the token.
    #[error("the service at {endpoint} belongs to another VX_HOME")]
    Foreign {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// The service runs as another user.
    #[error("the service at {endpoint} belongs to another user (user id {user})")]
    OtherUser {
        /// The endpoint.
        endpoint: Endpoint,
        /// Who.
        user: u32,
    },
    /// The service belongs to this home but speaks another protocol.
    #[error("the service at {endpoint} is vx {peer_version} with protocol {peer_protocol} instead of {protocol}")]
    OtherProtocol {
        /// The endpoint.
        endpoint: Endpoint,
        /// The build version of the service, with proof.
        peer_version: String,
        /// Its protocol.
        peer_protocol: u32,
        /// The protocol of this process.
        protocol: u32,
    },
    /// The service has reached its limit of connections.
    #[error("the service at {endpoint} has too many connections")]
    Busy {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// Connecting to the endpoint is not allowed.
    #[error("cannot connect to {endpoint}: {kind}")]
    Refused {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        kind: EndpointErrorKind,
    },
}

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service has gone, or the session was closed.
    #[error("the connection to {endpoint} has ended")]
    Unavailable {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why, where it is known.
        source: Option<Arc<rapace::TransportError>>,
    },
    /// There was no answer in time. The service may still execute the request.
    #[error("the service at {endpoint} did not answer within {deadline:?}")]
    DeadlineExceeded {
        /// The endpoint.
        endpoint: Endpoint,
        /// The time.
        deadline: Duration,
    },
    /// The service answered with a failure: it does not know the method, is overloaded or failed internally, or one
    /// side does not understand the other.
    #[error("the service at {endpoint} could not answer: {message}")]
    Protocol {
        /// The endpoint.
        endpoint: Endpoint,
        /// rapace's code for it.
        code: ErrorCode,
        /// For people.
        message: String,
    },
}

/// A connection to a service, for any number of calls or for one stream. It closes when it is dropped.
#[derive(Debug)]
pub struct Session {
    rpc: Rpc,
    shared: Arc<Shared>,
    /// Permits for calls; the service would refuse more.
    slots: Arc<Semaphore>,
    peer: Peer,
}

/// rapace's session has no `Debug`.
struct Rpc(Arc<RpcSession>);

impl std::fmt::Debug for Rpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RpcSession")
    }
}

/// Shared by the session and the task that reads its connection.
#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    /// Cancelled when the connection has ended, on either side.
    dead: CancellationToken,
    /// How it ended, if that was an error.
    cause: OnceLock<Arc<rapace::TransportError>>,
    closer: Closer,
}

impl Session {
    /// Connects; both sides prove their [`Credentials`]. A peer with another build is not refused: see
    /// [`Session::peer_version`].
    pub async fn connect(
        endpoint: &Endpoint,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<Self, ConnectError> {
        match timeout(limits.handshake, greet(endpoint, credentials)).await {
            Ok(greeted) => greeted.map(|(link, peer)| Self::over(link, peer, endpoint, limits)),
            Err(_elapsed) => Err(ConnectError::Silent {
                endpoint: endpoint.clone(),
                limit: limits.handshake,
            }),
        }
    }

    fn over(link: Link, peer: Peer, endpoint: &Endpoint, limits: &Limits) -> Self {
        let transport = Transport::stream(Guard::new(link.stream, limits.frame, limits.stall));
        let rpc = Arc::new(RpcSession::new(transport));
        let shared = Arc::new(Shared {
            endpoint: endpoint.clone(),
            dead: CancellationToken::new(),
            cause: OnceLock::new(),
            closer: link.closer,
        });
        tokio::spawn(read(rpc.clone(), shared.clone()));
        Self {
            rpc: Rpc(rpc),
            shared,
            slots: Arc::new(Semaphore::new(limits.requests)),
            peer,
        }
    }

    /// For the generated clients: `XClient::new(session.rpc())`. Wrap their calls in [`Session::call`] or
    /// [`Session::stream`]: awaited directly, a call may never end, and dropped, it may corrupt the session.
    pub fn rpc(&self) -> Arc<RpcSession> {
        self.rpc.0.clone()
    }

    /// The build version of the service.
    pub fn peer_version(&self) -> &str {
        &self.peer.build_version
    }

    /// Runs a call for at most `deadline`; it ends at once if the service has gone.
    ///
    /// Dropping the returned future abandons the answer, not the request, which is still written completely: half a
    /// request would corrupt the session.
    pub async fn call<T, Fut>(&self, deadline: Duration, call: Fut) -> Result<T, CallError>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<T, RpcError>> + Send + 'static,
    {
        let answered = async {
            // The semaphore is never closed.
            let slot = self.slots.clone().acquire_owned().await;
            let running = self.shared.clone().run(call);
            tokio::spawn(async move {
                let _slot = slot;
                running.await
            })
            .await
        };
        match timeout(deadline, answered).await {
            Ok(Ok(Some(answer))) => answer.map_err(|error| self.shared.failure(error, deadline)),
            Ok(Ok(None)) => Err(self.shared.unavailable()),
            Ok(Err(ended)) => Err(self.shared.broken_off(&ended)),
            Err(_elapsed) => Err(CallError::DeadlineExceeded {
                endpoint: self.shared.endpoint.clone(),
                deadline,
            }),
        }
    }

    /// Runs a call that is answered by a stream. It takes the session, because an unread stream blocks everything else
    /// on its connection, and rapace can only cancel a stream by closing the connection. So dropping the stream ends
    /// the connection, which the service notices. The stream ends with an error if the service goes before it is
    /// complete.
    pub async fn stream<T, Fut>(
        self,
        call: Fut,
    ) -> Result<impl Stream<Item = Result<T, CallError>> + Send + use<T, Fut>, CallError>
    where
        T: Send + 'static,
        Fut: Future<Output = Result<Streaming<T>, RpcError>> + Send + 'static,
    {
        let items = match tokio::spawn(self.shared.clone().run(call)).await {
            Ok(Some(Ok(items))) => items,
            Ok(Some(Err(error))) => return Err(self.shared.failure(error, Duration::MAX)),
            Ok(None) => return Err(self.shared.unavailable()),
            Err(ended) => return Err(self.shared.broken_off(&ended)),
        };
        let state = Some((self, items));
        Ok(futures::stream::unfold(state, |state| async move {
            let (session, mut items) = state?;
            let shared = &session.shared;
            let item = tokio::select! {
                biased;
                item = items.next() => item?.map_err(|error| shared.failure(error, Duration::MAX)),
                () = shared.dead.cancelled() => Err(shared.unavailable()),
            };
            let next = item.is_ok().then_some((session, items));
            Some((item, next))
        }))
    }

    /// Returns when the connection has ended, on either side.
    pub async fn closed(&self) {
        self.shared.dead.cancelled().await;
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.shared.dead.is_cancelled()
    }

    /// Ends the connection; calls and streams in progress end with an error.
    pub fn close(&self) {
        self.shared.close();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn close(&self) {
        self.dead.cancel();
        self.closer.close();
    }

    /// The result of `call`; `None` if the connection ends before there is one.
    async fn run<T>(self: Arc<Self>, call: impl Future<Output = T>) -> Option<T> {
        if self.dead.is_cancelled() {
            return None;
        }
        tokio::select! {
            // An answer that came before the end counts.
            biased;
            answer = call => Some(answer),
            () = self.dead.cancelled() => None,
        }
    }

    fn unavailable(&self) -> CallError {
        CallError::Unavailable {
            endpoint: self.endpoint.clone(),
            source: self.cause.get().cloned(),
        }
    }

    fn failure(&self, error: RpcError, deadline: Duration) -> CallError {
        let endpoint = self.endpoint.clone();
        match error {
            RpcError::Status { code, message } => CallError::Protocol {
                endpoint,
                code,
                message,
            },
            RpcError::DeadlineExceeded => CallError::DeadlineExceeded { endpoint, deadline },
            RpcError::Cancelled => CallError::Unavailable { endpoint, source: None },
            RpcError::Transport(error) => CallError::Unavailable {
                endpoint,
                source: Some(Arc::new(error)),
            },
        }
    }

    /// A call whose task has ended without a result: it panicked on what the service sent, or the runtime is ending.
    fn broken_off(&self, ended: &tokio::task::JoinError) -> CallError {
        if !ended.is_panic() {
            return self.unavailable();
        }
        CallError::Protocol {
            endpoint: self.endpoint.clone(),
            code: ErrorCode::DataLoss,
            message: "what it sent cannot be read".to_owned(),
        }
    }
}

/// Reads the connection to its end.
async fn read(rpc: Arc<RpcSession>, shared: Arc<Shared>) {
    let ended = tokio::select! {
        ended = rpc.run() => ended,
        () = shared.dead.cancelled() => Ok(()),
    };
    if let Err(error) = ended {
        // There is one end only.
        let _ = shared.cause.set(Arc::new(error));
    }
    shared.close();
}

async fn greet(endpoint: &Endpoint, credentials: &Credentials) -> Result<(Link, Peer), ConnectError> {
    let mut link = open(endpoint).await?;
    let greeted = handshake::as_client(&mut link.stream, credentials, &proven_address(endpoint)).await;
    match greeted {
        Ok(peer) => Ok((link, peer)),
        Err(error) => Err(refused(endpoint.clone(), credentials, error)),
    }
}

fn refused(endpoint: Endpoint, credentials: &Credentials, error: HandshakeError) -> ConnectError {
    match error {
        HandshakeError::NotVx => ConnectError::NotVx { endpoint },
        HandshakeError::Foreign => ConnectError::Foreign { endpoint },
        HandshakeError::OtherProtocol(peer) => ConnectError::OtherProtocol {
            endpoint,
            peer_version: peer.build_version,
            peer_protocol: peer.protocol,
            protocol: credentials.protocol,
        },
        HandshakeError::Busy => ConnectError::Busy { endpoint },
        HandshakeError::Io(source) => ConnectError::Io { endpoint, source },
        HandshakeError::Random(error) => ConnectError::Io {
            endpoint,
            source: error.into(),
        },
    }
}

async fn open(endpoint: &Endpoint) -> Result<Link, ConnectError> {
    let failed = |source: io::Error| {
        let endpoint = endpoint.clone();
        match source.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => ConnectError::Absent { endpoint, source },
            // The queue of a Unix socket is full.
            ErrorKind::WouldBlock => ConnectError::Busy { endpoint },
            _ => ConnectError::Io { endpoint, source },
        }
    };
    match endpoint {
        Endpoint::Tcp(address) if !address.ip().is_loopback() => Err(ConnectError::Refused {
            endpoint: endpoint.clone(),
            kind: EndpointErrorKind::NotLoopback {
                host: address.ip().to_string(),
            },
        }),
        Endpoint::Tcp(address) => Link::connect_tcp(*address).await.map_err(failed),
        Endpoint::Unix(path) => {
            cfg_if::cfg_if! {
                if #[cfg(unix)] {
                    let stream = tokio::net::UnixStream::connect(path).await.map_err(failed)?;
                    if let Some(user) = crate::link::other_user(&stream).map_err(failed)? {
                        return Err(ConnectError::OtherUser { endpoint: endpoint.clone(), user });
                    }
                    Link::unix(stream).map_err(failed)
                } else {
                    let _ = path;
                    Err(ConnectError::Refused { endpoint: endpoint.clone(), kind: EndpointErrorKind::UnixUnsupported })
                }
            }
        }
    }
}
