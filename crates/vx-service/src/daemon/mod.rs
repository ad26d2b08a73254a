//! The daemon of a home as its clients see it: found, started, replaced if it has another version, stopped.

mod blocking;
mod connect;
mod stop;

use camino::Utf8PathBuf;
use vx_home::VxHome;
use vx_transport::Endpoint;

/// Names the lock that is held while a daemon is started.
const START_LOCK: &str = "start";

/// The daemon of one home, whether it runs or not.
#[derive(Debug, Clone)]
pub struct DaemonAccess {
    /// Which home.
    pub home: VxHome,
    /// Where it must listen; `None` for a free loopback port.
    pub endpoint: Option<Endpoint>,
    /// The log file, instead of the home's.
    pub log_file: Option<Utf8PathBuf>,
    /// Variables that it gets at its start, besides those of this process.
    pub environment: Vec<(&'static str, String)>,
}
