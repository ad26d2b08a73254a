//! The daemon of a home as its clients see it: found, started, replaced when it is of another version, stopped.

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
    /// Where its log goes in place of the home's log file.
    pub log_file: Option<Utf8PathBuf>,
    /// Variables that it gets, beside those of this process, when it is started.
    pub environment: Vec<(&'static str, String)>,
}
