//! One process tree from start to end: it has its own session and its own supervising thread, and is killed as a whole.
//!
//! `std::process` cannot start a process under a tracer without deadlock: the tracer must let the child's `execve` pass
//! while `spawn` waits for it.

mod containment;
mod limits;
mod spawn;
mod supervise;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, pidfd_send_signal};
use tokio::sync::oneshot;
use vx_proto::Observation;

use crate::observe::{KnownUses, Reach, Scope};
use crate::reap;

pub(crate) use containment::Namespaces;
pub(crate) use limits::{Exceeded, Limits, Printed};
pub(crate) use supervise::{launch, refused_containment};

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// For messages.
    pub(crate) label: String,
    /// Absolute path of the program.
    pub(crate) program: Utf8PathBuf,
    /// All arguments, the zeroth included.
    pub(crate) arguments: Vec<String>,
    /// The whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub(crate) working_directory: Utf8PathBuf,
    /// Its `TMPDIR`, which is also in the environment and unique to this action.
    pub(crate) tmpdir: Utf8PathBuf,
    /// Descriptors that it inherits besides its standard streams.
    pub(crate) descriptors: Vec<RawFd>,
    /// What to observe, if anything.
    pub(crate) observe: Option<Scope>,
    /// The uses that need not be observed again.
    pub(crate) known: Option<Arc<KnownUses>>,
    /// Whether it is observed as on a kernel without notifications.
    pub(crate) only_traced: bool,
    /// The namespaces that contain it, if it is contained.
    pub(crate) namespaces: Option<Namespaces>,
}

/// A process that has started. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    /// The main process.
    pub(crate) process: Process,
    /// The reading end of its standard output; taken by its reader.
    pub(crate) stdout: OwnedFd,
    /// The reading end of its standard error.
    pub(crate) stderr: OwnedFd,
    /// Fires when the whole tree is gone.
    pub(crate) ended: oneshot::Receiver<Ended>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Exit code of the main process.
    pub(crate) exit_code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// From the start to the end of the main process.
    pub(crate) duration: Duration,
    /// Background processes that outlived the main process and were killed.
    pub(crate) leftovers: usize,
    /// What was seen.
    pub(crate) observation: Observation,
    /// What an observed process tried to reach.
    pub(crate) reach: Reach,
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} `{subject}`")]
pub(crate) struct LaunchError {
    /// What was being done, as a verb.
    step: &'static str,
    /// The program or directory of that step.
    subject: String,
    source: io::Error,
}

/// A handle to the main process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    tree: Arc<Tree>,
}

/// What the killer reports to the supervisor.
#[derive(Debug, Default)]
struct Tree {
    /// Processes seen below the main process when it was killed; they are orphans afterwards.
    doomed: Mutex<HashSet<Pid>>,
}

impl Process {
    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Kills the whole tree. The future for the end resolves when it is gone.
    ///
    /// The descendants of the main process are recorded before it dies: afterwards only marks that a process can remove
    /// show whose they were. The supervisor kills what is left once the main process has ended, however it ended.
    pub(crate) fn kill(&self) {
        let below = reap::descendants(self.pid, &HashSet::new());
        self.tree.doomed.lock().extend(below);
        // By descriptor: the number may belong to another process by now.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
