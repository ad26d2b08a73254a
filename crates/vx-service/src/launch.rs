//! Starts a service process from this executable and waits until it is ready.

use std::fs::{File, OpenOptions};
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use vx_home::{VxHome, env};
use vx_proto::{ErrorKind, WireError};
use vx_transport::{Endpoint, EndpointError};

use crate::executable::own_executable;
use crate::{RunFile, Service, StartFailure, StartReport};

/// A log file larger than this is moved aside when its service starts.
const LOG_LIMIT: u64 = 8 << 20;

/// How long a service may take until it is ready. Generous: it may have to repair its database on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How to start a service.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Which one.
    pub service: Service,
    /// Its home, whose directories exist.
    pub home: &'a VxHome,
    /// The log file, instead of the home's.
    pub log_file: Option<&'a Utf8Path>,
    /// Variables that it gets besides those of this process.
    pub environment: Vec<(&'static str, String)>,
    /// Whether it gets a lifeline, so that it ends when this process does.
    pub bound: bool,
}

/// A service that is ready.
#[derive(Debug)]
pub struct Launched {
    /// Its process. Dropping this ends it if it has a lifeline.
    pub child: Child,
    /// Closed, it asks the service to end; `None` for a service that outlives its starter.
    pub lifeline: Option<ChildStdin>,
    /// Where it answers.
    pub endpoint: Endpoint,
    /// What it has published.
    pub published: RunFile,
}

/// A service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its log file cannot be opened.
    #[error("cannot open the log file `{path}` of {service}")]
    Log {
        /// Which service.
        service: Service,
        /// The log file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process cannot be created, or its report cannot be read.
    #[error("cannot start {service}")]
    Spawn {
        /// Which service.
        service: Service,
        /// Why.
        source: io::Error,
    },
    /// It said why it cannot run.
    #[error("{failure}")]
    Refused {
        /// Which service.
        service: Service,
        /// What it said.
        failure: StartFailure,
    },
    /// It ended, or printed something else, before it was ready.
    #[error("{service} exited before it was ready ({status})")]
    Died {
        /// Which service.
        service: Service,
        /// How it ended.
        status: ExitStatus,
        /// Where it logged.
        log: Utf8PathBuf,
    },
    /// It reported something that is not an endpoint.
    #[error("{service} published an invalid endpoint")]
    Endpoint {
        /// Which service.
        service: Service,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// It neither got ready nor ended.
    #[error("{service} was not ready after {}s and was stopped", START_LIMIT.as_secs())]
    Late {
        /// Which service.
        service: Service,
        /// Where it logged.
        log: Utf8PathBuf,
    },
}

impl From<LaunchError> for WireError {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Refused { failure, .. } => failure.into(),
            error @ LaunchError::Endpoint { .. } => Self::from_error(ErrorKind::Internal, &error),
            LaunchError::Died { ref log, .. } | LaunchError::Late { ref log, .. } => {
                Self::from_error(ErrorKind::Unavailable, &error).with_help(format!("see its log: `{log}`"))
            }
            error => Self::from_error(ErrorKind::Unavailable, &error),
        }
    }
}

/// Starts the service and waits for its report. If this fails, no process is left.
pub async fn launch(launch: Launch<'_>) -> Result<Launched, LaunchError> {
    let service = launch.service;
    let log = launch
        .log_file
        .map_or_else(|| launch.home.log_file(service.name()), Utf8Path::to_owned);
    if launch.log_file.is_none() {
        move_aside_if_large(&log);
    }
    let open_log = || OpenOptions::new().append(true).create(true).open(&log);
    let log_end = open_log().map_err(|source| LaunchError::Log {
        service,
        path: log.clone(),
        source,
    })?;
    let spawn_failed = |source| LaunchError::Spawn { service, source };
    let mut child = command(&launch, log_end)
        .and_then(|mut command| command.spawn())
        .map_err(spawn_failed)?;
    let report = match child.stdout.take() {
        Some(pipe) => timeout(START_LIMIT, read_report(pipe)).await,
        None => Ok(Ok(None)),
    };
    match report {
        Ok(Ok(Some(StartReport::Ready(published)))) => match published.endpoint.parse() {
            Ok(endpoint) => Ok(Launched {
                lifeline: child.stdin.take(),
                child,
                endpoint,
                published,
            }),
            Err(source) => {
                let _ = child.kill().await;
                Err(LaunchError::Endpoint { service, source })
            }
        },
        Ok(Ok(Some(StartReport::Failed(failure)))) => {
            child.wait().await.map_err(spawn_failed)?;
            Err(LaunchError::Refused { service, failure })
        }
        Ok(Ok(None)) => {
            // Without a report it is useless, whatever it is doing.
            let _ = child.start_kill();
            let status = child.wait().await.map_err(spawn_failed)?;
            Err(LaunchError::Died { service, status, log })
        }
        Ok(Err(source)) => {
            let _ = child.kill().await;
            Err(spawn_failed(source))
        }
        Err(_elapsed) => {
            let _ = child.kill().await;
            Err(LaunchError::Late { service, log })
        }
    }
}

/// The whole report; `None` if the service closed the pipe without one.
async fn read_report(mut pipe: ChildStdout) -> io::Result<Option<StartReport>> {
    let mut line = Vec::new();
    pipe.read_to_end(&mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

fn command(launch: &Launch<'_>, log: File) -> io::Result<Command> {
    let mut command = Command::new(own_executable()?);
    #[cfg(unix)]
    command.arg0("vx");
    command
        .arg(launch.service.subcommand())
        .env(env::VX_HOME, launch.home.root())
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        // The directory of the user's shell may be removed or unmounted while the service lives.
        .current_dir("/")
        .stdin(if launch.bound { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(launch.bound);
    Ok(command)
}

/// Limits the size of logs; if this fails, the log is merely too long.
fn move_aside_if_large(log: &Utf8Path) {
    if log.metadata().is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
        let _ = std::fs::rename(log, format!("{log}.old"));
    }
}
