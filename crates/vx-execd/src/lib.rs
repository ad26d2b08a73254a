//! execd: runs the processes of builds, and nothing else.
//!
//! For each action it creates an exec root, waits for a job of the machine's budget, and starts the process in a
//! session of its own. It streams what the process prints and, if requested, observes what it opens. It kills the whole
//! process tree if the client disconnects, and takes the outputs into the store. It decides nothing about keys or
//! caching, and reads no environment variables.
//!
//! # What may be relied upon
//!
//! - A process gets exactly the environment of the request, `TMPDIR`, and the jobserver's variable. Its only
//!   descriptors are its standard streams and the jobserver's pipe; standard input is `/dev/null`.
//! - When the main process of an action ends, its background processes are killed before outputs are taken in: an
//!   action leaves no processes behind. The same happens when the client's connection ends.
//! - When execd is killed, main processes die at once (parent-death signal), and so do traced trees. Grandchildren of
//!   untraced processes are handed to the daemon, which is also a subreaper and kills them.
//!
//! - A contained action reaches no other process and no network, and changes nothing but its own directories: see
//!   `process::containment`.

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod action;
        mod budget;
        mod exec_root;
        mod executor;
        mod notices;
        mod observe;
        mod output;
        mod process;
        mod reap;
        mod server;

        pub use server::serve;
    } else {
        mod unsupported;

        pub use unsupported::serve;
    }
}

use std::io;

use camino::Utf8PathBuf;
use vx_home::VxHome;
use vx_transport::Endpoint;

/// What execd needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where vx keeps things.
    pub home: VxHome,
    /// How many processes may run at once for all clients together; at least one.
    pub jobs: usize,
    /// Where the store answers.
    pub cas: Endpoint,
}

/// Why execd cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ExecdError {
    /// The directory of exec roots cannot be created or emptied.
    #[error("cannot prepare the directory `{path}`")]
    Directory {
        /// Which.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The pipe or the thread of the job budget.
    #[error("cannot create the jobserver")]
    Jobserver(#[source] io::Error),
    /// Orphaned processes would escape.
    #[error("cannot adopt orphaned processes")]
    Subreaper(#[source] io::Error),
    /// Supervising processes needs Linux.
    #[error("running actions is not supported on this system")]
    Unsupported,
}
