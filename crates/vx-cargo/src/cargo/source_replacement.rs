//! Where Cargo finds packages while planning; `packages` sets it up.

use camino::Utf8PathBuf;
use vx_download::DownloadCache;
use vx_packages::CargoHome;

/// Where Cargo finds packages while planning.
#[derive(Debug, Clone)]
pub struct SourceReplacement {
    /// Cargo's options (`--config`) that replace each source whose packages vx holds with a directory source.
    pub(crate) options: Vec<String>,
    /// Cargo's home with the git repositories; `None` if the lock file names none.
    pub(crate) cargo_home: Option<CargoHome>,
    /// Vendored packages, if the user has them.
    pub(crate) vendored: Vec<Utf8PathBuf>,
    /// Whether Cargo has just checked that everything is in `cargo_home`.
    pub(crate) fetched: bool,
    /// The shared download cache, in case planning finds that the lock file is stale.
    pub(crate) downloads: DownloadCache,
}
