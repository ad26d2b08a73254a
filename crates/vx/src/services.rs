//! The hidden subcommands `__daemon`, `__casd` and `__execd`: turn this process into a service of its home.
//!
//! Each claims its home, listens, serves, and reports to its starter once it really answers: it is its own first client.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::num::NonZero;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
pub(crate) use vx_daemon::life::Service;
use vx_daemon::life::{self, Lock, LockError, ProcessId, Reporter, RunFile, StartFailure, StartReport};
use vx_daemon::{DaemonConfig, ServicesConfig};
use vx_home::{VxHome, env};
use vx_proto::{ErrorKind, WireError};
use vx_transport::{BindError, ConnectError, Credentials, Endpoint, Limits, Listener, Session};

use crate::daemon::credentials;
use crate::environment::Environment;

/// How long to wait for a service of this home that is just ending.
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(10);

/// How long to wait for whoever has the endpoint to say who they are; it is for the message alone.
const STRANGER_LIMIT: Duration = Duration::from_secs(10);

/// How long a service may take until it answers itself; its starter gives up earlier.
const OWN_ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// What a service runs until it ends.
type Serving = Pin<Box<dyn Future<Output = Result<(), WireError>> + Send>>;

/// Runs the service until it is asked to end.
pub(crate) fn run(service: Service) -> ExitCode {
    let reporter = match Reporter::take_standard_output() {
        Ok(reporter) => reporter,
        Err(error) => {
            eprintln!("{service}: cannot take standard output: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut reporter = Some(reporter);
    let ended = Environment::of_process()
        .map_err(WireError::from)
        .and_then(|environment| become_service(service, environment, &mut reporter));
    let Err(error) = ended else { return ExitCode::SUCCESS };
    tracing::error!(causes = ?error.causes, "{error}");
    if let Some(reporter) = reporter {
        reporter.send(&StartReport::Failed(StartFailure::from(error)));
    }
    ExitCode::FAILURE
}

fn become_service(
    service: Service,
    environment: Environment,
    reporter: &mut Option<Reporter>,
) -> Result<(), WireError> {
    start_log(service, &environment);
    leave_session(service);
    let runtime = Runtime::new().map_err(|error| machine(&error))?;
    let ended = runtime.block_on(live(service, environment, reporter));
    // Whatever still blocks a thread must not keep the process.
    runtime.shutdown_background();
    ended
}

async fn live(service: Service, environment: Environment, reporter: &mut Option<Reporter>) -> Result<(), WireError> {
    let home = environment.home.clone();
    life::prepare_home(&home).map_err(|error| machine(&error))?;
    let _claim = claim(&home, service)?;
    // Left behind by a predecessor that was killed.
    RunFile::remove(&home, service).map_err(|error| machine(&error))?;
    let credentials = credentials(&environment)?;
    let listener = listen(service, &environment, &credentials).await?;
    let endpoint = listener.endpoint().clone();
    tracing::info!(%endpoint, version = credentials.build_version, "starting");

    let shutdown = CancellationToken::new();
    cancel_on_signals(&shutdown)?;
    let mut serving = match service {
        Service::Daemon => serve_daemon(&environment, listener, credentials.clone(), shutdown)?,
        Service::Cas => {
            life::lifeline(shutdown.clone());
            serve_cas(&environment, listener, credentials.clone(), shutdown)
        }
        Service::Exec => {
            life::lifeline(shutdown.clone());
            serve_exec(&environment, listener, credentials.clone(), shutdown)?
        }
    };
    tokio::select! {
        ended = &mut serving => return ended,
        answers = answers_itself(&endpoint, &credentials) => answers?,
    }
    let published = RunFile {
        endpoint: endpoint.to_string(),
        process: ProcessId::own().map_err(|error| machine(&error))?,
        version: credentials.build_version,
    };
    published.publish(&home, service).map_err(|error| machine(&error))?;
    if let Some(reporter) = reporter.take() {
        reporter.send(&StartReport::Ready(published));
    }
    let ended = serving.await;
    RunFile::remove(&home, service).map_err(|error| machine(&error))?;
    tracing::info!("ended");
    ended
}

fn serve_daemon(
    environment: &Environment,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Result<Serving, WireError> {
    let config = DaemonConfig {
        services: ServicesConfig {
            home: environment.home.clone(),
            credentials: credentials.clone(),
            cas: environment.cas.clone(),
            exec: environment.exec.clone(),
            log_file: environment.log_file.clone(),
        },
        downloads: environment.downloads.clone(),
        jobs: jobs(),
        idle_timeout: environment.idle_timeout,
        end_if_idle: Arc::new(Notify::new()),
    };
    notify_on_hangup(&config.end_if_idle)?;
    Ok(Box::pin(async move {
        let ended = vx_daemon::serve(config, listener, credentials, shutdown).await;
        ended.map_err(WireError::from)
    }))
}

fn serve_cas(
    environment: &Environment,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Serving {
    let home = environment.home.clone();
    Box::pin(async move {
        let ended = vx_casd::serve(home, listener, credentials, shutdown).await;
        ended.map_err(|error| machine(&error))
    })
}

fn serve_exec(
    environment: &Environment,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Result<Serving, WireError> {
    let cas = environment.cas.clone().ok_or_else(|| {
        WireError::new(
            ErrorKind::Usage,
            format!("{} is not set: execd is started by the daemon", env::VX_CAS),
        )
    })?;
    let config = vx_execd::Config {
        home: environment.home.clone(),
        jobs: jobs() as usize,
        cas,
    };
    Ok(Box::pin(async move {
        let ended = vx_execd::serve(config, listener, credentials, shutdown).await;
        ended.map_err(|error| machine(&error))
    }))
}

/// Jobs of the machine.
pub(crate) fn jobs() -> u32 {
    let parallelism = std::thread::available_parallelism().map_or(1, NonZero::get);
    u32::try_from(parallelism).unwrap_or(u32::MAX)
}

/// Takes the lock that makes this the only service of its kind in the home.
fn claim(home: &VxHome, service: Service) -> Result<Lock, WireError> {
    Lock::acquire(&home.lock_file(service.name()), PREDECESSOR_LIMIT).map_err(|error| {
        let told = machine(&error);
        match error {
            LockError::Held { .. } => {
                told.with_help(format!("another {service} of this home hangs; `vx kill` ends it"))
            }
            LockError::Io { .. } => told,
        }
    })
}

async fn listen(service: Service, environment: &Environment, credentials: &Credentials) -> Result<Listener, WireError> {
    let fixed = match service {
        Service::Daemon => &environment.daemon,
        Service::Cas => &environment.cas,
        Service::Exec => &environment.exec,
    };
    let free_port = Endpoint::Tcp((Ipv4Addr::LOCALHOST, 0).into());
    match Listener::bind(fixed.as_ref().unwrap_or(&free_port)) {
        Ok(listener) => Ok(listener),
        Err(BindError::InUse { endpoint }) => Err(in_use(service, &endpoint, credentials).await),
        Err(error) => Err(machine(&error)),
    }
}

/// Says who has the endpoint that this service was told to listen on.
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
        "set {} to a free endpoint, or unset it: vx then takes a free port",
        service.endpoint_variable()
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

/// A session of its own: no signals from the terminal, and its descendants can be told from those of others.
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
        use tokio::signal::unix::{SignalKind, signal};

        /// `SIGTERM` and `SIGINT` end a service in good order.
        fn cancel_on_signals(shutdown: &CancellationToken) -> Result<(), WireError> {
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

        /// `SIGHUP` ends an idle daemon: the one way that clients of every version know.
        fn notify_on_hangup(end_if_idle: &Arc<Notify>) -> Result<(), WireError> {
            let mut signals = signal(SignalKind::hangup()).map_err(|error| machine(&error))?;
            let end_if_idle = end_if_idle.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    end_if_idle.notify_one();
                }
            });
            Ok(())
        }
    } else {
        /// Ctrl-C ends a service in good order.
        fn cancel_on_signals(shutdown: &CancellationToken) -> Result<(), WireError> {
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                if tokio::signal::ctrl_c().await.is_ok() {
                    shutdown.cancel();
                }
            });
            Ok(())
        }

        /// This system has no such signal.
        fn notify_on_hangup(_end_if_idle: &Arc<Notify>) -> Result<(), WireError> {
            Ok(())
        }
    }
}

/// Logs go to standard error, which the starter has pointed at the log file.
fn start_log(service: Service, environment: &Environment) {
    let filter = environment.log_filter.as_deref().unwrap_or("info");
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("{service}: {} is not a log filter: {error}", env::VX_LOG);
        EnvFilter::new("info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(Stamp {
            service,
            pid: std::process::id(),
        })
        .with_ansi(false)
        .with_writer(io::stderr)
        .init();
}

/// Opens every line of a log with the time and the process: services may share a file.
struct Stamp {
    service: Service,
    pid: u32,
}

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        SystemTime.format_time(writer)?;
        write!(writer, " {}[{}]", self.service, self.pid)
    }
}

fn machine(error: &dyn std::error::Error) -> WireError {
    WireError::from_error(ErrorKind::Machine, error)
}
