//! Stops the daemon of a home, its builds and its services, whatever state they are in.
//!
//! It asks first, and kills what has not ended in time. A process is only signaled while it holds its service's lock,
//! so a stale file never names an innocent one.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use vx_home::VxHome;
use vx_proto::{DaemonClient, ErrorKind, WireError};
use vx_transport::{Endpoint, Limits, Session};

use super::blocking::blocking;
use super::{DaemonAccess, START_LOCK};
use crate::{Lock, LockError, ProcessHandle, RunFile, Service, credentials};

/// How long a start in progress may take until its process is known.
const START_LIMIT: Duration = Duration::from_millis(300);

/// How long the daemon may take to answer.
const ASK_LIMIT: Duration = Duration::from_millis(300);

/// The time, from the start of the command, after which remaining processes are killed: everything should take less
/// than two seconds.
const PATIENCE: Duration = Duration::from_millis(1600);

/// How long a killed process may take to end; the kernel needs time for processes with much memory.
const DEATH_LIMIT: Duration = Duration::from_secs(5);

impl DaemonAccess {
    /// Stops everything; returns the process id of the daemon if one was running.
    pub async fn stop(&self) -> Result<Option<u32>, WireError> {
        let patience_ends = Instant::now() + PATIENCE;
        let home = self.home.clone();
        let is_there = home.run().try_exists().map_err(|error| {
            let message = format!("cannot look into the state directory `{}`", home.root());
            machine(&error).context(message)
        })?;
        if !is_there {
            return Ok(None);
        }
        let start_lock = home.lock_file(START_LOCK);
        // Held if it was free, so that no daemon starts meanwhile.
        let _no_start = blocking(move || Lock::acquire(&start_lock, START_LIMIT)).await?;
        let leftovers = Leftovers::of(&home);
        let running = find_running(home).await?;
        let daemon = running
            .iter()
            .find(|(service, ..)| *service == Service::Daemon)
            .map(|(_, pid, _)| *pid);
        if daemon.is_some() {
            // If this fails the daemon hangs, which the deadline handles.
            let _ = timeout(ASK_LIMIT, self.ask_to_end()).await;
        }
        blocking(move || end_all(running, patience_ends)).await??;
        leftovers.remove()?;
        Ok(daemon)
    }

    async fn ask_to_end(&self) -> Result<(), WireError> {
        let published = RunFile::read(&self.home, Service::Daemon)?;
        let Some(published) = published else { return Ok(()) };
        let endpoint: Endpoint = published.endpoint.parse().map_err(|error| machine(&error))?;
        let session = Session::connect(&endpoint, &credentials(&self.home)?, &Limits::default()).await;
        let session = session.map_err(|error| machine(&error))?;
        let client = DaemonClient::new(session.rpc());
        let answer = session
            .call(ASK_LIMIT, async move { client.shutdown(false).await })
            .await;
        answer.map_err(|error| machine(&error))?.into_result()
    }
}

type Running = Vec<(Service, u32, ProcessHandle)>;

/// The services that hold their locks now. The daemon comes first: the others end when it does.
async fn find_running(home: VxHome) -> Result<Running, WireError> {
    let find = move || {
        let mut running = Vec::new();
        for service in [Service::Daemon, Service::Exec, Service::Cas] {
            let holder = Lock::holder(&home.lock_file(service.name()))?;
            let Some(process) = holder else { continue };
            let opened = process.open().map_err(|source| LockError::Io {
                path: home.lock_file(service.name()),
                source,
            })?;
            running.extend(opened.map(|handle| (service, process.pid, handle)));
        }
        Ok(running)
    };
    let found: Result<Running, LockError> = blocking(find).await?;
    found.map_err(|error| machine(&error))
}

/// Waits for all to end; kills those still running at `patience_ends`.
fn end_all(running: Running, patience_ends: Instant) -> Result<(), WireError> {
    for (service, pid, handle) in running {
        let ended = handle.wait_until(patience_ends).and_then(|ended| {
            if ended {
                return Ok(true);
            }
            handle.kill()?;
            handle.wait_until(Instant::now() + DEATH_LIMIT)
        });
        match ended {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("{service} (process {pid}) did not exit after being killed");
                return Err(WireError::new(ErrorKind::Machine, message)
                    .with_help("it may be blocked by a disk; run `vx kill` again later"));
            }
            Err(error) => {
                let message = format!("cannot stop {service} (process {pid})");
                return Err(machine(&error).context(message));
            }
        }
    }
    Ok(())
}

/// Removes what services have published: killed ones cannot do it themselves.
struct Leftovers {
    home: VxHome,
    endpoints: Vec<Endpoint>,
}

impl Leftovers {
    fn of(home: &VxHome) -> Self {
        let published = Service::ALL
            .into_iter()
            .filter_map(|service| RunFile::read(home, service).ok().flatten());
        Self {
            home: home.clone(),
            endpoints: published.filter_map(|file| file.endpoint.parse().ok()).collect(),
        }
    }

    fn remove(self) -> Result<(), WireError> {
        for service in Service::ALL {
            RunFile::remove(&self.home, service)?;
        }
        for endpoint in self.endpoints {
            if let Endpoint::Unix(socket) = endpoint {
                // Usually gone already: a service removes its socket when it shuts down.
                let _ = std::fs::remove_file(socket);
            }
        }
        Ok(())
    }
}

fn machine(error: &dyn std::error::Error) -> WireError {
    WireError::from_error(ErrorKind::Machine, error)
}
