//! Where Cargo finds packages while planning: how it is told is said by `packages`.

use camino::Utf8PathBuf;
use vx_download::DownloadCache;
use vx_packages::CargoHome;

/// Where Cargo finds packages while planning.
#[derive(Debug, Clone)]
pub struct SourceReplacement {
    /// Options of Cargo's (`--config`) that replace each source whose packages vx holds by a directory source.
    pub(crate) options: Vec<String>,
    /// Cargo's home with the git repositories; `None` if the lock file names none.
    pub(crate) cargo_home: Option<CargoHome>,
    /// Vendored packages, where the user has them.
    pub(crate) vendored: Vec<Utf8PathBuf>,
    /// Whether Cargo has looked just now that everything is in `cargo_home`.
    pub(crate) fetched: bool,
    /// The shared download cache: planning may find that the lock file is stale.
    pub(crate) downloads: DownloadCache,
}
