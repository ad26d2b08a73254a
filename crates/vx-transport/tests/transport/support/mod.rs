//! A service on an endpoint of either kind, clients of it, and strangers who speak to it in bytes.

mod probe;
mod raw;

use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vx_transport::{ConnectError, Credentials, Endpoint, Limits, Listener, Session, Token};

pub(crate) use probe::{Probe, ProbeClient, ProbeServer, ProbeState, SUM, StrangeClient};
pub(crate) use raw::{Raw, RawListener, frame, hello, proof, request};

/// What takes longer hangs.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Runs each test over TCP and over Unix sockets.
macro_rules! over_both {
    ($($(#[$doc:meta])* async fn $name:ident($setup:ident) $body:block)*) => {
        $(
            mod $name {
                use super::*;

                $(#[$doc])*
                async fn check($setup: Setup) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn over_tcp() {
                    tokio::time::timeout(2 * $crate::support::SOON, check(Setup::tcp())).await.expect("it hangs");
                }

                #[cfg(unix)]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn over_a_unix_socket() {
                    tokio::time::timeout(2 * $crate::support::SOON, check(Setup::unix())).await.expect("it hangs");
                }
            }
        )*
    };
}
pub(crate) use over_both;

/// A home with a token, and the kind of endpoint that is used in it.
pub(crate) struct Setup {
    directory: tempfile::TempDir,
    is_unix: bool,
    pub(crate) credentials: Credentials,
    pub(crate) limits: Limits,
}

impl Setup {
    pub(crate) fn tcp() -> Self {
        Self::new(false)
    }

    pub(crate) fn unix() -> Self {
        Self::new(true)
    }

    fn new(is_unix: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token = Utf8Path::from_path(directory.path()).unwrap().join("run/token");
        Self {
            is_unix,
            credentials: Credentials {
                token: Token::load_or_create(&token).unwrap(),
                build_version: "1.0.0+test".to_owned(),
                protocol: 7,
            },
            limits: Limits {
                handshake: SOON,
                stall: SOON,
                ..Limits::default()
            },
            directory,
        }
    }

    fn run(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.directory.path()).unwrap().join("run")
    }

    /// The bytes of the token, for peers who speak by hand.
    pub(crate) fn secret(&self) -> Vec<u8> {
        std::fs::read(self.run().join("token")).unwrap()
    }

    /// What another home has.
    pub(crate) fn foreign(&self) -> Credentials {
        Credentials {
            token: Token::load_or_create(&self.run().join("other-token")).unwrap(),
            ..self.credentials.clone()
        }
    }

    /// An endpoint to listen on.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self.is_unix {
            true => Endpoint::Unix(self.run().join("probe.sock")),
            false => Endpoint::free_port(),
        }
    }

    /// The service, within the setup's limits.
    pub(crate) fn serve(&self) -> Service {
        let listener = Listener::bind(&self.endpoint()).unwrap();
        let endpoint = listener.endpoint().clone();
        let state = Arc::new(ProbeState::default());
        let shutdown = CancellationToken::new();
        let serving = listener.serve(self.credentials.clone(), self.limits.clone(), shutdown.clone(), {
            let state = state.clone();
            move |connection, transport| {
                state.connected(connection);
                ProbeServer::new(Probe::of(&state)).into_session_dispatcher(transport)
            }
        });
        Service {
            endpoint,
            state,
            shutdown,
            task: tokio::spawn(serving),
        }
    }

    pub(crate) async fn connect(&self, endpoint: &Endpoint) -> Result<Session, ConnectError> {
        Session::connect(endpoint, &self.credentials, &self.limits).await
    }

    /// A client of `service`, which has answered it once.
    pub(crate) async fn client(&self, service: &Service) -> Session {
        let session = self.connect(&service.endpoint).await.unwrap();
        assert_works(&session).await;
        session
    }
}

/// A running service. Dropped, it ends.
pub(crate) struct Service {
    pub(crate) endpoint: Endpoint,
    pub(crate) state: Arc<ProbeState>,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Service {
    /// Ends it as a crash would: nothing is told, the connections break.
    pub(crate) fn kill(&self) {
        self.task.abort();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Shows that a session works in both directions.
pub(crate) async fn assert_works(session: &Session) {
    let client = ProbeClient::new(session.rpc());
    let echoed = session
        .call(SOON, async move { client.echo(vec![1, 2, 3]).await })
        .await;
    assert_eq!(echoed.unwrap(), [1, 2, 3]);
}
