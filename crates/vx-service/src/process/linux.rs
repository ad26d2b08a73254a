//! Holds on processes by pidfd: a signal reaches the process that was opened, or no process.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::ProcessId;
use super::stat::Stat;

/// Start time in clock ticks since boot.
pub(super) fn started(pid: u32) -> io::Result<u64> {
    Stat::read(pid).map(|stat| stat.started)
}

/// A hold on one process, which may end meanwhile.
#[derive(Debug)]
pub struct ProcessHandle {
    pidfd: OwnedFd,
}

impl ProcessHandle {
    pub(super) fn open(id: ProcessId) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // The number is pinned only now, so only now is the start time meaningful.
        match Stat::read(id.pid) {
            Ok(stat) if stat.started == id.started => Ok(Some(Self { pidfd })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Asks a daemon to end if it has nothing to do (`SIGHUP`): understood by every version.
    pub fn ask_to_end_when_idle(&self) -> io::Result<()> {
        self.signal(Signal::HUP)
    }

    /// Kills the process (`SIGKILL`).
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Blocks until the process has ended or `deadline` has passed; returns whether it has ended.
    pub fn wait_until(&self, deadline: Instant) -> io::Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    /// A process that waits for the end of its standard input.
    fn waiting_process() -> std::process::Child {
        Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    #[test]
    fn kill_ends_the_process_and_the_wait() {
        let mut child = waiting_process();
        let id = ProcessId {
            pid: child.id(),
            started: started(child.id()).unwrap(),
        };
        let handle = id.open().unwrap().unwrap();
        assert!(!handle.wait_until(Instant::now()).unwrap());
        handle.kill().unwrap();
        assert!(handle.wait_until(Instant::now() + Duration::from_secs(60)).unwrap());
        child.wait().unwrap();
        assert!(id.open().unwrap().is_none());
    }

    #[test]
    fn a_recycled_number_is_another_process() {
        let mut child = waiting_process();
        let earlier = ProcessId {
            pid: child.id(),
            started: started(child.id()).unwrap() - 1,
        };
        assert!(earlier.open().unwrap().is_none());
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
