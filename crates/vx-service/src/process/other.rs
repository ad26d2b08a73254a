//! Systems without pidfd: processes cannot be held, so vx only talks to services and never signals them.

use std::io;
use std::time::Instant;

use super::ProcessId;

/// Nothing distinguishes processes.
pub(super) fn started(_pid: u32) -> io::Result<u64> {
    Ok(0)
}

/// A hold on one process: never given out on this system.
#[derive(Debug)]
pub enum ProcessHandle {}

impl ProcessHandle {
    pub(super) fn open(_id: ProcessId) -> io::Result<Option<Self>> {
        Ok(None)
    }

    /// Asks a daemon to end if it has nothing to do.
    pub fn ask_to_end_when_idle(&self) -> io::Result<()> {
        match *self {}
    }

    /// Kills the process.
    pub fn kill(&self) -> io::Result<()> {
        match *self {}
    }

    /// Blocks until the process has ended or `deadline` has passed; returns whether it has ended.
    pub fn wait_until(&self, _deadline: Instant) -> io::Result<bool> {
        match *self {}
    }
}
