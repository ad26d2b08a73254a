//! The hidden subcommands `__daemon`, `__casd` and `__execd`: the settings of each service, and its log.
//!
//! How a service claims its home, reports and ends is in [`vx_service::host`].

use std::io;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use vx_daemon::{DaemonConfig, ServicesConfig};
use vx_home::env;
use vx_proto::{ErrorKind, WireError};
use vx_service::{Hosted, Reporter, Service, Serving};
use vx_transport::{Credentials, Listener};

use crate::environment::Environment;

/// Runs the service until it is asked to end.
pub(crate) fn run(service: Service) -> ExitCode {
    match Reporter::take_standard_output() {
        Ok(reporter) => vx_service::host(service, reporter, || prepare(service)),
        Err(error) => {
            eprintln!("{service}: cannot take standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare(service: Service) -> Result<Hosted, WireError> {
    let environment = Environment::of_process()?;
    start_log(service, &environment);
    let fixed = match service {
        Service::Daemon => &environment.daemon,
        Service::Cas => &environment.cas,
        Service::Exec => &environment.exec,
    };
    Ok(Hosted {
        home: environment.home.clone(),
        endpoint: fixed.clone(),
        serve: Box::new(move |listener, credentials, shutdown| match service {
            Service::Daemon => serve_daemon(environment, listener, credentials, shutdown),
            Service::Cas => Ok(serve_cas(environment, listener, credentials, shutdown)),
            Service::Exec => serve_exec(environment, listener, credentials, shutdown),
        }),
    })
}

fn serve_daemon(
    environment: Environment,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Result<Serving, WireError> {
    let config = DaemonConfig {
        services: ServicesConfig {
            home: environment.home,
            credentials: credentials.clone(),
            cas: environment.cas,
            exec: environment.exec,
            log_file: environment.log_file,
        },
        downloads: environment.downloads,
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
    environment: Environment,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Serving {
    Box::pin(async move {
        let ended = vx_casd::serve(environment.home, listener, credentials, shutdown).await;
        ended.map_err(|error| machine(&error))
    })
}

fn serve_exec(
    environment: Environment,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Result<Serving, WireError> {
    let cas = environment.cas.ok_or_else(|| {
        WireError::new(ErrorKind::Usage, format!("{} is not set", env::VX_CAS))
            .with_help("execd is started by the daemon, not by hand")
    })?;
    let config = vx_execd::Config {
        home: environment.home,
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

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        /// `SIGHUP` ends an idle daemon: the one way that clients of every version support.
        fn notify_on_hangup(end_if_idle: &Arc<Notify>) -> Result<(), WireError> {
            use tokio::signal::unix::{SignalKind, signal};

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
        /// This system has no such signal.
        fn notify_on_hangup(_end_if_idle: &Arc<Notify>) -> Result<(), WireError> {
            Ok(())
        }
    }
}

/// Logs go to standard error, which the starter has redirected to the log file.
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

/// Begins every line of a log with the time and the process, because services may share a file.
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
