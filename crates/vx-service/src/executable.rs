//! The executable of this process, from which services are started, and its build version.

use std::fs::{self, Metadata};
use std::io;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        /// Through the kernel, which is right even after the file was replaced or removed.
        pub(crate) fn own_executable() -> io::Result<PathBuf> {
            Ok("/proc/self/exe".into())
        }
    } else {
        /// By name.
        pub(crate) fn own_executable() -> io::Result<PathBuf> {
            std::env::current_exe()
        }
    }
}

/// The release, with what distinguishes this executable from another build of the same release as semver build
/// metadata.
///
/// This detects a daemon that was started before the executable was replaced, even in development, where the release
/// number stays the same. Size and modification time are enough: at worst, an identical copy counts as another version.
pub(crate) fn build_version() -> String {
    const RELEASE: &str = env!("CARGO_PKG_VERSION");
    let stamp = own_executable()
        .and_then(fs::metadata)
        .ok()
        .and_then(|metadata| Some((metadata.len(), modified_ns(&metadata)?)));
    match stamp {
        Some((size, modified)) => format!("{RELEASE}+{size:x}.{modified:x}"),
        None => RELEASE.to_owned(),
    }
}

/// Modification time in nanoseconds since the Unix epoch.
fn modified_ns(metadata: &Metadata) -> Option<u128> {
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(modified.as_nanos())
}
