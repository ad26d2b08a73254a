//! The service's side of its life cycle: claims its home, listens, serves, and reports to its starter once it answers.
//! It is its own first client.
//!
//! What a service does is passed in; its program decides what it logs and where its settings come from.

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use vx_home::VxHome;
use vx_proto::{ErrorKind, WireError};
use vx_transport::{BindError, ConnectError, Credentials, Endpoint, Limits, Listener, Session};

use crate::{
    Lock, LockError, ProcessId, Reporter, RunFile, Service, StartFailure, StartReport, credentials, lifeline,
    prepare_home,
};

/// How long to wait for a service of this home that is just ending.
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(10);

/// How long to wait for the process at the endpoint to identify itself, only for the message.
const STRANGER_LIMIT: Duration = Duration::from_secs(10);

/// How long a service may take until it answers to itself; its starter gives up earlier.
const OWN_ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// What a service runs until it ends.
pub type Serving = Pin<Box<dyn Future<Output = Result<(), WireError>> + Send>>;

/// Begins to serve: answers everybody with the credentials on the listener, until the token fires.
type Serve = Box<dyn FnOnce(Listener, Credentials, CancellationToken) -> Result<Serving, WireError>>;

/// A service that can begin.
pub struct Hosted {
    /// Of which home it is.
    pub home: VxHome,
    /// Where it listens; `None` for a free loopback port.
    pub endpoint: Option<Endpoint>,
    /// Called within a runtime, once the home is claimed.
    pub serve: Serve,
}

/// Turns this process into `service` until it is asked to end. `prepare` reads the settings and starts the log; its
/// failure is also reported to the starter.
pub fn host(service: Service, reporter: Reporter, prepare: impl FnOnce() -> Result<Hosted, WireError>) -> ExitCode {
    let mut reporter = Some(reporter);
    let ended = prepare().and_then(|hosted| run(service, hosted, &mut reporter));
    let Err(error) = ended else { return ExitCode::SUCCESS };
    tracing::error!(causes = ?error.causes, "{error}");
    if let Some(reporter) = reporter {
        reporter.send(&StartReport::Failed(StartFailure::from(error)));
    }
    ExitCode::FAILURE
}

fn run(service: Service, hosted: Hosted, reporter: &mut Option<Reporter>) -> Result<(), WireError> {
    leave_session(service);
    let runtime = Runtime::new().map_err(|error| machine(&error))?;
    let ended = runtime.block_on(live(service, hosted, reporter));
    // A blocked thread must not keep the process alive.
    runtime.shutdown_background();
    ended
}

async fn live(service: Service, hosted: Hosted, reporter: &mut Option<Reporter>) -> Result<(), WireError> {
    let Hosted { home, endpoint, serve } = hosted;
    prepare_home(&home).map_err(|error| machine(&error))?;
    let _claim = claim(&home, service)?;
    // Left behind by a killed predecessor.
    RunFile::remove(&home, service)?;
    let credentials = credentials(&home)?;
    let listener = listen(service, endpoint.as_ref(), &credentials).await?;
    let endpoint = listener.endpoint().clone();
    tracing::info!(%endpoint, version = credentials.build_version, "starting");

    let shutdown = CancellationToken::new();
    cancel_on_signals(&shutdown)?;
    if service != Service::Daemon {
        lifeline(shutdown.clone());
    }
    let mut serving = serve(listener, credentials.clone(), shutdown)?;
    tokio::select! {
        ended = &mut serving => return ended,
        answers = answers_itself(&endpoint, &credentials) => answers?,
    }
    let published = RunFile {
        endpoint: endpoint.to_string(),
        process: ProcessId::own().map_err(|error| machine(&error))?,
        version: credentials.build_version,
    };
    published.publish(&home, service)?;
    if let Some(reporter) = reporter.take() {
        reporter.send(&StartReport::Ready(published));
    }
    let ended = serving.await;
    RunFile::remove(&home, service)?;
    tracing::info!("ended");
    ended
}

/// Takes the lock that makes this the only service of its kind in the home.
fn claim(home: &VxHome, service: Service) -> Result<Lock, WireError> {
    Lock::acquire(&home.lock_file(service.name()), PREDECESSOR_LIMIT).map_err(|error| {
        let failure = machine(&error);
        match error {
            LockError::Held { .. } => {
                failure.with_help(format!("another {service} of this home hangs; end it with `vx kill`"))
            }
            LockError::Io { .. } => failure,
        }
    })
}

async fn listen(
    service: Service,
    endpoint: Option<&Endpoint>,
    credentials: &Credentials,
) -> Result<Listener, WireError> {
    let free_port = Endpoint::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    match Listener::bind(endpoint.unwrap_or(&free_port)) {
        Ok(listener) => Ok(listener),
        Err(BindError::InUse { endpoint }) => Err(in_use(service, &endpoint, credentials).await),
        Err(error @ BindError::DirectoryExposed { .. }) => {
            Err(machine(&error).with_help("give the directory mode 700"))
        }
        Err(error) => Err(machine(&error)),
    }
}

/// Reports which process has the endpoint that this service must listen on.
async fn in_use(service: Service, endpoint: &Endpoint, credentials: &Credentials) -> WireError {
    let limits = Limits {
        handshake: STRANGER_LIMIT,
        ..Limits::default()
    };
    let who = match Session::connect(endpoint, credentials, &limits).await {
        Err(ConnectError::Foreign { .. }) => "a service of another VX_HOME",
        _ => "another process",
    };
    let message = format!("{service} cannot listen on {endpoint}: {who} listens there");
    WireError::new(ErrorKind::Machine, message).with_help(format!(
        "set {variable} to a free endpoint, or unset it to let vx choose a free port",
        variable = service.endpoint_variable()
    ))
}

/// Returns once the service answers a connection: its store is open, its own services run.
async fn answers_itself(endpoint: &Endpoint, credentials: &Credentials) -> Result<(), WireError> {
    let patient = Limits {
        handshake: OWN_ANSWER_LIMIT,
        ..Limits::default()
    };
    let session = Session::connect(endpoint, credentials, &patient)
        .await
        .map_err(|error| machine(&error))?;
    session.close();
    Ok(())
}

/// A session of its own: no signals from the terminal, and its descendants are recognizable.
fn leave_session(service: Service) {
    cfg_if::cfg_if! {
        if #[cfg(unix)] {
            if let Err(error) = rustix::process::setsid() {
                tracing::warn!(%service, %error, "cannot leave the session of the starter");
            }
        } else {
            let _ = service;
        }
    }
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        /// `SIGTERM` and `SIGINT` shut a service down.
        fn cancel_on_signals(shutdown: &CancellationToken) -> Result<(), WireError> {
            use tokio::signal::unix::{SignalKind, signal};

            for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
                let mut signals = signal(kind).map_err(|error| machine(&error))?;
                let shutdown = shutdown.clone();
                tokio::spawn(async move {
                    signals.recv().await;
                    shutdown.cancel();
                });
            }
            Ok(())
        }
    } else {
        /// Ctrl-C shuts a service down.
        fn cancel_on_signals(shutdown: &CancellationToken) -> Result<(), WireError> {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    shutdown.cancel();
                }
            });
            Ok(())
        }
    }
}

fn machine(error: &dyn std::error::Error) -> WireError {
    WireError::from_error(ErrorKind::Machine, error)
}
