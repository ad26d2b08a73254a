//! The life cycle of a service process: one per home, started on demand, noticed when it dies, never left behind.
//!
//! It is used on both sides of a start: `vx` starts the daemon, the daemon starts casd and execd, and it hosts all
//! three. Nothing here knows about builds, or where settings come from.
//!
//! It also has [`Store`], the client of casd that the other two share.
//!
//! The parts, in the order of a start:
//!
//! 1. The directories are made.
//! 2. The starter calls [`launch()`]: the service's standard output is a pipe that carries one report. For clients
//!    of the daemon, [`DaemonAccess`] decides whether one must be started.
//! 3. The service calls [`host()`]. It claims the home with a lock that the kernel releases however the process ends.
//! 4. It publishes a [`RunFile`] and reports. From here on only the lock shows whether it lives.
//! 5. casd and execd hold a lifeline to the daemon and end when it does. What a killed execd leaves behind goes to the
//!    daemon, which [adopts](adopt_orphans) and [ends](end_orphans) it.

mod cas;
mod credentials;
mod daemon;
mod executable;
mod home;
mod host;
mod launch;
mod lifeline;
mod lock;
mod orphans;
mod process;
mod report;
mod run_file;
mod service;

pub use cas::{CasEndpoint, CasSession, Store};
use credentials::credentials;
pub use daemon::DaemonAccess;
use executable::build_version;
use home::prepare_home;
pub use host::{Hosted, Serving, host};
pub use launch::{Launch, LaunchError, Launched, launch};
use lifeline::lifeline;
use lock::{Lock, LockError};
pub use orphans::{adopt_orphans, end_orphans};
pub use process::{ProcessHandle, ProcessId};
use report::StartReport;
pub use report::{Reporter, StartFailure};
pub use run_file::{RunFile, RunFileError};
pub use service::Service;
