//! Connects to the daemon: finds it, starts it, or replaces it if it has another version.
//!
//! The lock alone decides whether a daemon lives. A run file is a hint, and a process at an endpoint must know this
//! home's token. Starts are serialized by a lock of their own, so any number of clients start one daemon.

use std::time::{Duration, Instant};

use vx_home::env;
use vx_proto::{DaemonClient, ErrorKind, WireError};
use vx_transport::{CallError, ConnectError, Endpoint, Limits, Session};

use super::blocking::blocking;
use super::{DaemonAccess, START_LOCK};
use crate::{Launch, Lock, LockError, ProcessId, RunFile, Service, build_version, credentials, launch, prepare_home};

/// How long to wait for another client that is starting the daemon: longer than the limit of a start.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How long a daemon with another version may take to report whether it is idle.
const REPLACE_LIMIT: Duration = Duration::from_secs(5);

/// How long a daemon whose connections break may take to end before it counts as alive and unreachable.
const DEATH_LIMIT: Duration = Duration::from_secs(2);

/// How long a daemon that speaks another protocol may take to end when it is idle; one that stays longer is busy.
const FOREIGN_LIMIT: Duration = Duration::from_secs(3);

impl DaemonAccess {
    /// A session with the daemon of this home and this version, which is started or replaced if necessary.
    pub async fn connect(&self) -> Result<Session, WireError> {
        prepare_home(&self.home).map_err(|error| {
            WireError::from_error(ErrorKind::Machine, &error)
                .with_help(format!("set {} to a writable directory", env::VX_HOME))
        })?;
        if let Some(session) = self.find_current().await? {
            return Ok(session);
        }
        let path = self.home.lock_file(START_LOCK);
        let _starting = blocking(move || Lock::acquire(&path, START_LIMIT))
            .await?
            .map_err(lock_failed)?;
        // Another client may have held the lock and started it.
        if let Some(session) = self.find_current().await? {
            return Ok(session);
        }
        self.start().await
    }

    /// A session with the daemon of this home, whatever its version; `None` if no daemon runs. Starts nothing.
    pub async fn connect_running(&self) -> Result<Option<Session>, WireError> {
        match self.find().await? {
            Found::Nobody => Ok(None),
            Found::Answers(session) => Ok(Some(session)),
            Found::Foreign(_, error) => Err(WireError::from_error(ErrorKind::Unavailable, &error)
                .with_help("the running daemon is of another version; stop it with `vx kill`")),
        }
    }

    async fn find(&self) -> Result<Found, WireError> {
        let home = &self.home;
        if !Lock::is_held(&home.lock_file(Service::Daemon.name())).map_err(lock_failed)? {
            return Ok(Found::Nobody);
        }
        let published = RunFile::read(home, Service::Daemon)?;
        let Some(published) = published else {
            // It is starting or ending; a start waits for either.
            return Ok(Found::Nobody);
        };
        let endpoint: Endpoint = published
            .endpoint
            .parse()
            .map_err(|error| WireError::from_error(ErrorKind::Machine, &error))?;
        if let Some(requested) = self.endpoint.as_ref().filter(|requested| **requested != endpoint) {
            let message = format!(
                "the daemon of this home listens on {endpoint}, not on {}={requested}",
                env::VX_DAEMON
            );
            return Err(WireError::new(ErrorKind::Usage, message)
                .with_help(format!("stop it with `vx kill`, or unset {}", env::VX_DAEMON)));
        }
        match Session::connect(&endpoint, &credentials(&self.home)?, &Limits::default()).await {
            Ok(session) => Ok(Found::Answers(session)),
            Err(error) if nobody_listens(&error) => Ok(Found::Nobody),
            Err(error) if is_other_protocol(&error) => Ok(Found::Foreign(published.process, error)),
            Err(ConnectError::Io { .. }) if dies(published.process).await? => Ok(Found::Nobody),
            Err(error) => {
                let message = format!(
                    "the daemon (process {}) did not answer on {endpoint}",
                    published.process.pid
                );
                Err(unavailable(message, &error).with_help("stop it with `vx kill`"))
            }
        }
    }

    /// The daemon of this home if it has this version; `None` if one may be started now.
    async fn find_current(&self) -> Result<Option<Session>, WireError> {
        match self.find().await? {
            Found::Nobody => Ok(None),
            Found::Answers(session) if session.peer_version() == build_version() => Ok(Some(session)),
            Found::Answers(session) => {
                end_if_idle(&session).await?;
                Ok(None)
            }
            Found::Foreign(process, error) => {
                end_foreign_if_idle(process, error).await?;
                Ok(None)
            }
        }
    }

    async fn start(&self) -> Result<Session, WireError> {
        let launched = launch(Launch {
            service: Service::Daemon,
            home: &self.home,
            log_file: self.log_file.as_deref(),
            environment: self.environment.clone(),
            bound: false,
        })
        .await?;
        let connected = Session::connect(&launched.endpoint, &credentials(&self.home)?, &Limits::default()).await;
        connected.map_err(|error| unavailable("the daemon has started but did not answer", &error))
    }
}

/// Who is there.
enum Found {
    /// No daemon, or one that is just ending.
    Nobody,
    /// The daemon of this home, of any version.
    Answers(Session),
    /// The daemon of this home, which speaks another protocol.
    Foreign(ProcessId, ConnectError),
}

/// Whether a daemon whose connections break is ending: its sockets close before it is gone.
async fn dies(process: ProcessId) -> Result<bool, WireError> {
    let ended = blocking(move || match process.open()? {
        Some(handle) => handle.wait_until(Instant::now() + DEATH_LIMIT),
        None => Ok(true),
    });
    let unknown = |error: std::io::Error| {
        unavailable(
            format!("cannot tell whether the daemon (process {}) is running", process.pid),
            &error,
        )
    };
    ended.await?.map_err(unknown)
}

/// Whether nothing listens at the endpoint: the daemon that published it is ending.
fn nobody_listens(error: &ConnectError) -> bool {
    matches!(error, ConnectError::Absent { .. })
}

/// Whether a daemon of this home answered, with another protocol.
fn is_other_protocol(error: &ConnectError) -> bool {
    matches!(error, ConnectError::OtherProtocol { .. })
}

/// Asks a daemon with another version to end. It may still be running when this returns: the next daemon waits for its
/// lock.
async fn end_if_idle(session: &Session) -> Result<(), WireError> {
    let client = DaemonClient::new(session.rpc());
    let answer = session
        .call(REPLACE_LIMIT, async move { client.shutdown(true).await })
        .await;
    let answer = match answer {
        // Another client asked before, and it has already ended.
        Err(CallError::Unavailable { .. }) => return Ok(()),
        answer => answer.map_err(|error| Service::Daemon.unanswered(&error))?,
    };
    match answer.into_result() {
        Ok(()) => Ok(()),
        Err(error) if error.kind == ErrorKind::Busy => {
            let theirs = session.peer_version();
            Err(refused_by_other_version(&format!("vx {theirs}"), error.message))
        }
        Err(error) => Err(error),
    }
}

/// Asks a daemon whose protocol this process does not speak, by a signal that every version understands.
async fn end_foreign_if_idle(process: ProcessId, refusal: ConnectError) -> Result<(), WireError> {
    let ended = blocking(move || {
        let Some(handle) = process.open()? else { return Ok(true) };
        handle.ask_to_end_when_idle()?;
        handle.wait_until(Instant::now() + FOREIGN_LIMIT)
    });
    match ended.await? {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused_by_other_version("another version of vx", refusal.to_string())),
        Err(error) => Err(unavailable(
            format!("cannot stop the daemon (process {})", process.pid),
            &error,
        )),
    }
}

fn refused_by_other_version(theirs: &str, reason: String) -> WireError {
    let ours = build_version();
    let message = format!("the daemon is busy and cannot be replaced: it is {theirs}, this is vx {ours}");
    WireError::new(ErrorKind::Busy, message)
        .with_cause(reason)
        .with_help("wait until its builds are done, or stop them with `vx kill`")
}

fn lock_failed(error: LockError) -> WireError {
    let failure = WireError::from_error(ErrorKind::Unavailable, &error);
    match error {
        LockError::Held { .. } => {
            failure.with_help("another vx hangs while it starts the daemon; end it, then run `vx kill`")
        }
        LockError::Io { .. } => failure,
    }
}

fn unavailable(message: impl Into<String>, cause: &dyn std::error::Error) -> WireError {
    WireError::new(ErrorKind::Unavailable, message).caused_by(cause)
}
