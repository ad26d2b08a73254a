//! The life of a service process: one per home, started on demand, noticed when it dies, never left behind.
//!
//! What both ends of a start share lives here: `vx` starts the daemon with it, the daemon starts casd and execd, and
//! each of the three uses it to claim its home, publish itself and report. Nothing here knows builds or RPC.
//!
//! The parts, in the order of a start:
//!
//! 1. [`prepare_home`] makes the directories.
//! 2. The starter calls [`launch()`]: the service's standard output is a pipe that carries one [`StartReport`].
//! 3. The service claims the home with a [`Lock`] that the kernel drops whatever way the process ends.
//! 4. It publishes a [`RunFile`] and reports. From here on only the lock says whether it lives.
//! 5. casd and execd hold a [`lifeline()`] to the daemon and end when it does.

mod home;
mod launch;
mod lifeline;
mod lock;
mod orphans;
mod process;
mod report;
mod run_file;
mod service;

pub use home::{HomeError, prepare_home};
pub use launch::{Launch, LaunchError, Launched, launch};
pub use lifeline::lifeline;
pub use lock::{Lock, LockError};
pub use orphans::{adopt_orphans, end_orphans};
pub use process::{ProcessHandle, ProcessId};
pub use report::{Reporter, StartFailure, StartReport};
pub use run_file::{RunFile, RunFileError};
pub use service::Service;
