//! The environment variables of vx, one constant each.

/// The state directory of one user; `~/.vx` where unset.
pub const VX_HOME: &str = "VX_HOME";
/// Endpoint of the daemon; where unset, it takes a free loopback port and publishes it.
pub const VX_DAEMON: &str = "VX_DAEMON";
/// Endpoint of the store service; where unset, it takes a free loopback port and publishes it.
pub const VX_CAS: &str = "VX_CAS";
/// Endpoint of the execution service; where unset, it takes a free loopback port and publishes it.
pub const VX_EXEC: &str = "VX_EXEC";
/// Directory of downloads by SHA-256, shared between homes; `$VX_HOME/downloads` where unset.
pub const VX_DOWNLOAD_CACHE_DIR: &str = "VX_DOWNLOAD_CACHE_DIR";
/// Address of the server that toolchains come from; where unset, `RUSTUP_DIST_SERVER`, else the official one.
pub const VX_DIST_SERVER: &str = "VX_DIST_SERVER";
/// How long a daemon with nothing to do stays, for example `90s`, `10m`, `3h`; three hours where unset.
pub const VX_IDLE_TIMEOUT: &str = "VX_IDLE_TIMEOUT";
/// Filter of the services' logs in the syntax of `tracing_subscriber::EnvFilter`; `info` where unset.
pub const VX_LOG: &str = "VX_LOG";

/// A file that services append their logs to, in place of one file each in `$VX_HOME/log`. Tests name their own standard
/// error here (`/proc/PID/fd/2`), so that a service that outlives its test is noticed by the test runner.
pub const VX_LOG_FILE: &str = "VX_LOG_FILE";

/// Every variable that vx reads; any other `VX_*` is warned about.
pub const ALL: &[&str] = &[
    VX_HOME,
    VX_DAEMON,
    VX_CAS,
    VX_EXEC,
    VX_DOWNLOAD_CACHE_DIR,
    VX_DIST_SERVER,
    VX_IDLE_TIMEOUT,
    VX_LOG,
    VX_LOG_FILE,
];
