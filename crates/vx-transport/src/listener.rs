//! The server's side: listens, greets, and serves every authenticated client.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use rapace::{Frame, RpcError, Transport};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::Serving;
use crate::guard::Guard;
use crate::handshake::{self, Peer};
use crate::link::Link;
use crate::{Connection, Credentials, Endpoint, EndpointErrorKind, Limits};

/// How long to wait if the system accepts no more connections (for example, for lack of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The endpoint cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("the address {endpoint} is in use: another process listens there")]
    InUse {
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// Listening on the endpoint is not allowed.
    #[error("cannot listen on {endpoint}: {kind}")]
    Refused {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        kind: EndpointErrorKind,
    },
    /// Other users can access the directory of the socket.
    #[error("the socket directory `{directory}` is accessible to other users (owner {owner}, mode {mode:o})")]
    DirectoryExposed {
        /// The directory.
        directory: Utf8PathBuf,
        /// User id of its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// There is something other than a socket; it is not touched.
    #[error("`{path}` already exists and is not a socket")]
    NotASocket {
        /// The path.
        path: Utf8PathBuf,
    },
    /// The system refuses.
    #[error("cannot listen on {endpoint}")]
    Io {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
}

/// A bound endpoint. Clients may connect from now on, and are answered from [`Listener::serve`] on. Dropping it closes
/// it and removes its socket's file.
#[derive(Debug)]
pub struct Listener {
    acceptor: Acceptor,
    endpoint: Endpoint,
}

impl Listener {
    /// Listens on `endpoint`; port 0 means a free one. Must be called within a tokio runtime.
    ///
    /// The directory of a Unix socket is created with mode 0700; one that others can use is refused. The file of a dead
    /// socket is replaced.
    pub fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        match endpoint {
            Endpoint::Tcp(address) => Self::bind_tcp(*address),
            Endpoint::Unix(path) => {
                cfg_if::cfg_if! {
                    if #[cfg(unix)] {
                        let (listener, file) = crate::socket_file::bind(path)?;
                        let acceptor = Acceptor::Unix { listener, _file: file };
                        Ok(Self { acceptor, endpoint: endpoint.clone() })
                    } else {
                        let _ = path;
                        Err(BindError::Refused { endpoint: endpoint.clone(), kind: EndpointErrorKind::UnixUnsupported })
                    }
                }
            }
        }
    }

    fn bind_tcp(address: SocketAddr) -> Result<Self, BindError> {
        let endpoint = Endpoint::Tcp(address);
        if !address.ip().is_loopback() {
            let kind = EndpointErrorKind::NotLoopback {
                host: address.ip().to_string(),
            };
            return Err(BindError::Refused { endpoint, kind });
        }
        let bound = std::net::TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let actual = listener.local_addr()?;
            Ok((TcpListener::from_std(listener)?, actual))
        });
        match bound {
            Ok((listener, actual)) => Ok(Self {
                acceptor: Acceptor::Tcp(listener),
                endpoint: Endpoint::Tcp(actual),
            }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(BindError::InUse { endpoint }),
            Err(source) => Err(BindError::Io { endpoint, source }),
        }
    }

    /// Where it listens; the port is the actual one.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Serves until `shutdown` is cancelled; then all connections are closed, and their requests are dropped.
    ///
    /// `factory` makes one dispatcher for each connection: the generated `XServer::new(..).into_session_dispatcher(transport)`.
    pub async fn serve<F, D, Fut>(
        self,
        credentials: Credentials,
        limits: Limits,
        shutdown: CancellationToken,
        factory: F,
    ) where
        F: Fn(Connection, Transport) -> D + Send + Sync + 'static,
        D: Fn(Frame) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Frame, RpcError>> + Send + 'static,
    {
        // Connections also end if this future is dropped.
        let shutdown = shutdown.child_token();
        let _ends_with_this = shutdown.clone().drop_guard();
        let mut greetings = Greetings::new(credentials, limits.clone(), &self.endpoint);
        let connections = TaskTracker::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(greeted) = greetings.next() => {
                    drop(connections.spawn(serve_one(greeted, limits.clone(), shutdown.clone(), &factory)));
                }
                accepted = self.acceptor.accept() => match accepted {
                    Ok(Some(link)) => greetings.begin(link),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(self);
        drop(greetings);
        connections.close();
        connections.wait().await;
    }
}

fn serve_one<F, D, Fut>(
    greeted: Greeted,
    limits: Limits,
    shutdown: CancellationToken,
    factory: &F,
) -> impl Future<Output = ()> + Send + use<F, D, Fut>
where
    F: Fn(Connection, Transport) -> D,
    D: Fn(Frame) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Frame, RpcError>> + Send + 'static,
{
    let Greeted { link, peer, permit } = greeted;
    let transport = Transport::stream(Guard::new(link.stream, limits.frame, limits.stall));
    let connection = Connection::new(peer);
    let serving = Serving {
        dispatcher: Arc::new(factory(connection.clone(), transport.clone())),
        connection,
        transport,
        requests: limits.requests,
        shutdown,
    };
    async move {
        let _permit = permit;
        serving.run(move || link.closer.close()).await;
    }
}

/// A client that has proved itself.
struct Greeted {
    link: Link,
    peer: Peer,
    permit: OwnedSemaphorePermit,
}

/// Handshakes in progress. Strangers can begin any number, so the oldest is dropped for a new one if there are too
/// many: a real client is done in a millisecond.
struct Greetings {
    credentials: Arc<Credentials>,
    limits: Limits,
    address: Arc<str>,
    permits: Arc<Semaphore>,
    tasks: JoinSet<Option<Greeted>>,
    order: VecDeque<AbortHandle>,
}

impl Greetings {
    fn new(credentials: Credentials, limits: Limits, endpoint: &Endpoint) -> Self {
        Self {
            credentials: Arc::new(credentials),
            permits: Arc::new(Semaphore::new(limits.connections)),
            limits,
            address: proven_address(endpoint).into(),
            tasks: JoinSet::new(),
            order: VecDeque::new(),
        }
    }

    fn begin(&mut self, link: Link) {
        self.order.retain(|task| !task.is_finished());
        if self.order.len() >= self.limits.connections
            && let Some(oldest) = self.order.pop_front()
        {
            tracing::warn!("too many handshakes at once, dropped the oldest");
            oldest.abort();
        }
        let greeting = greet(
            link,
            self.credentials.clone(),
            self.address.clone(),
            self.limits.handshake,
            self.permits.clone(),
        );
        self.order.push_back(self.tasks.spawn(greeting));
    }

    /// The next authenticated client; `None` if no handshake is in progress.
    async fn next(&mut self) -> Option<Greeted> {
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok(Some(greeted)) = ended {
                return Some(greeted);
            }
        }
        None
    }
}

async fn greet(
    mut link: Link,
    credentials: Arc<Credentials>,
    address: Arc<str>,
    limit: Duration,
    permits: Arc<Semaphore>,
) -> Option<Greeted> {
    let admit = || permits.try_acquire_owned().ok();
    let greeting = handshake::as_server(&mut link.stream, &credentials, &address, admit);
    match timeout(limit, greeting).await {
        Ok(Ok((peer, permit))) => Some(Greeted { link, peer, permit }),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "refused a connection");
            None
        }
        Err(_elapsed) => {
            tracing::warn!(?limit, "refused a connection: no handshake in time");
            None
        }
    }
}

/// The form of an endpoint in proofs. Unix sockets have many names, and are guarded by their directory instead.
pub(crate) fn proven_address(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address) => address.to_string(),
        Endpoint::Unix(_) => "unix".to_owned(),
    }
}

#[derive(Debug)]
enum Acceptor {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: tokio::net::UnixListener,
        _file: crate::socket_file::SocketFile,
    },
}

impl Acceptor {
    /// The next connection; `None` if it came to nothing.
    async fn accept(&self) -> io::Result<Option<Link>> {
        match self {
            Self::Tcp(listener) => Link::tcp(listener.accept().await?.0).map(Some),
            #[cfg(unix)]
            Self::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                if let Some(user) = crate::link::other_user(&stream)? {
                    tracing::warn!(user, "refused a connection from another user");
                    return Ok(None);
                }
                Link::unix(stream).map(Some)
            }
        }
    }
}
