//! The environment variables of vx, one constant each.

/// The state directory of one user; `~/.vx` if unset.
pub const VX_HOME: &str = "VX_HOME";
/// Endpoint of the daemon; if unset, it takes a free loopback port and publishes it.
pub const VX_DAEMON: &str = "VX_DAEMON";
/// Endpoint of the store service; if unset, it takes a free loopback port and publishes it.
pub const VX_CAS: &str = "VX_CAS";
/// Endpoint of the execution service; if unset, it takes a free loopback port and publishes it.
pub const VX_EXEC: &str = "VX_EXEC";
/// Directory of downloads by SHA-256, shared between homes; `$VX_HOME/downloads` if unset.
pub const VX_DOWNLOAD_CACHE_DIR: &str = "VX_DOWNLOAD_CACHE_DIR";
/// Address of the server of toolchains; if unset, `RUSTUP_DIST_SERVER`, else the official one.
pub const VX_DIST_SERVER: &str = "VX_DIST_SERVER";
/// How long an idle daemon stays, for example `90s`, `10m`, `3h`; three hours if unset.
pub const VX_IDLE_TIMEOUT: &str = "VX_IDLE_TIMEOUT";
/// Filter of the services' logs in the syntax of `tracing_subscriber::EnvFilter`; `info` if unset.
pub const VX_LOG: &str = "VX_LOG";

/// A file to which services append their logs, instead of one file each in `$VX_HOME/log`. Tests set it to their own
/// standard error (`/proc/PID/fd/2`), so the test runner notices a service that outlives its test.
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
