//! Registry packages for Cargo: what the lock file names, downloaded and offered as a directory source.

use camino::Utf8PathBuf;

/// Where Cargo finds registry packages while planning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReplacement {
    /// A directory source (`NAME-VERSION/` with `.cargo-checksum.json`), absolute; none where the lock file names no
    /// registry package.
    pub directory: Option<Utf8PathBuf>,
}
