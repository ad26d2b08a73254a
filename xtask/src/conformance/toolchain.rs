//! The toolchain that both builders use: the one that rustup, or `PATH`, chooses here.

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;

use crate::program;

/// A toolchain.
#[derive(Debug, Clone)]
pub(super) struct Toolchain {
    /// Its directory.
    pub(super) sysroot: Utf8PathBuf,
    /// `1.95.0`.
    pub(super) release: String,
}

impl Toolchain {
    /// Asks `rustc`.
    pub(super) fn find() -> Result<Self> {
        let ask = |arguments: &[&str]| program::output(program::isolated("rustc").args(arguments));
        let version = ask(&["--version"])?;
        let release = version.split(' ').nth(1).context("rustc did not report its version")?;
        Ok(Self {
            sysroot: ask(&["--print", "sysroot"])?.trim().into(),
            release: release.to_owned(),
        })
    }
}
