//! Toolchains and registry packages: choosing, identifying, downloading, unpacking.
//!
//! Everything that vx brings onto the machine comes through here, by hash. Nothing here plans or builds.

use camino::Utf8PathBuf;
use vx_model::Digest;

/// A toolchain on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Its name for people: `stable-x86_64-unknown-linux-gnu`, or `rustc on PATH`.
    pub name: String,
    /// The sysroot, absolute, symbolic links resolved.
    pub sysroot: Utf8PathBuf,
    /// rustc, absolute; below the sysroot where it can be.
    pub rustc: Utf8PathBuf,
    /// cargo, absolute.
    pub cargo: Utf8PathBuf,
    /// Digest of what it is made of: version, and every file that decides what it produces.
    pub identity: Digest,
    /// `1.95.0`.
    pub release: String,
    /// The whole of `rustc -vV`.
    pub verbose_version: String,
    /// Host triple.
    pub host: String,
}
