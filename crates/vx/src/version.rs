//! The build version: which executable a process of vx runs, not only which release.

use std::fs;
use std::time::UNIX_EPOCH;

/// The release, and what tells this executable from another build of the same release, as semver build metadata.
///
/// A daemon that was started before the executable was replaced is thereby noticed, in development too, where the
/// release number stays the same. Size and modification time are enough: a copy that differs in nothing else is merely
/// taken for another version.
pub(crate) fn build_version() -> String {
    const RELEASE: &str = env!("CARGO_PKG_VERSION");
    let Some((size, modified)) = own_executable() else {
        return RELEASE.to_owned();
    };
    format!("{RELEASE}+{size:x}.{modified:x}")
}

/// Size in bytes and modification time in nanoseconds since the Unix epoch.
fn own_executable() -> Option<(u64, u128)> {
    cfg_if::cfg_if! {
        if #[cfg(target_os = "linux")] {
            // By way of the kernel: right even after the file was replaced or removed.
            let metadata = fs::metadata("/proc/self/exe").ok()?;
        } else {
            let metadata = fs::metadata(std::env::current_exe().ok()?).ok()?;
        }
    }
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), modified.as_nanos()))
}
