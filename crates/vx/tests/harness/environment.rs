//! What of the caller's environment reaches `vx` in a test: the way to the toolchain and to the network, nothing else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How tools are found, and how the network is reached where it takes more than a cable.
const INHERITED: &[&str] = &[
    "PATH",
    "RUSTUP_AUTO_INSTALL",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Variables that every run of vx inherits.
pub(super) fn inherited() -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> = INHERITED
        .iter()
        .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
        .collect();
    // `HOME` is the test's own, so what rustup would find below the caller's has to be named.
    if std::env::var_os("RUSTUP_HOME").is_none()
        && let Some(home) = std::env::home_dir()
        && home.join(".rustup").is_dir()
    {
        variables.push(("RUSTUP_HOME".into(), home.join(".rustup").into()));
    }
    variables
}

/// Services log to this test's own standard error: the reader sees their warnings beside the failure, and a service that
/// outlives the test keeps that stream open, which nextest notices. Not every kind of stream can be opened by name.
pub(super) fn services_log() -> Vec<(&'static str, String)> {
    let stderr = format!("/proc/{}/fd/2", std::process::id());
    match std::fs::OpenOptions::new().append(true).open(&stderr) {
        Ok(_) => vec![("VX_LOG", "warn".to_owned()), ("VX_LOG_FILE", stderr)],
        Err(_) => vec![("VX_LOG", "warn".to_owned())],
    }
}

/// Whether the services listen on Unix sockets.
pub(crate) fn is_uds_profile() -> bool {
    std::env::var_os("NEXTEST_PROFILE").is_some_and(|profile| profile == "uds")
}

/// The downloads that all tests share; see `nextest.toml`.
pub(crate) fn download_cache() -> PathBuf {
    let beside_target_tmp = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("vx-downloads");
    std::env::var_os("VX_DOWNLOAD_CACHE_DIR").map_or_else(beside_target_tmp, PathBuf::from)
}
