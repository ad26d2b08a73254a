//! What can go wrong in the store, apart from misses, which are not errors.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_model::Digest;
use vx_proto::{ErrorKind, WireError};

/// A request to the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as in "cannot read".
        action: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A directory to be taken in holds something that is not a file, directory or symbolic link.
    #[error("`{path}` is a {kind}, which cannot be stored")]
    SpecialFile {
        /// Where.
        path: Utf8PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A name or the target of a symbolic link is not UTF-8.
    #[error("the name or link target `{path}` is not valid UTF-8")]
    NotUtf8 {
        /// The path, with everything that is not UTF-8 replaced.
        path: String,
    },
    /// A directory to be taken in is nested too deeply.
    #[error("`{path}` is more than {limit} directories deep")]
    TooDeep {
        /// The first directory that is too deep.
        path: Utf8PathBuf,
        /// How deep a tree may be.
        limit: usize,
    },
    /// A path is relative, and the store has no directory to resolve it in.
    #[error("{path:?} is not an absolute path")]
    NotAbsolute {
        /// The path.
        path: String,
    },
    /// A directory cannot be laid down at a path that exists.
    #[error("`{path}` already exists")]
    Exists {
        /// The path.
        path: Utf8PathBuf,
    },
    /// A blob is too large for one call.
    #[error("the blob {digest} is too large: one message holds at most {limit} bytes")]
    TooLarge {
        /// The blob.
        digest: Digest,
        /// The most that a message can carry.
        limit: u64,
    },
    /// Another process has the store open.
    #[error("the store `{path}` is in use by another process")]
    InUse {
        /// The directory of the store.
        path: Utf8PathBuf,
    },
    /// The index cannot be used for another reason than damage: a damaged index is replaced.
    #[error("cannot use the index `{path}`")]
    Index {
        /// The database file.
        path: Utf8PathBuf,
        /// Why not.
        source: Box<redb::Error>,
    },
}

impl From<StoreError> for WireError {
    fn from(error: StoreError) -> Self {
        let kind = match error {
            StoreError::SpecialFile { .. } | StoreError::NotUtf8 { .. } | StoreError::TooDeep { .. } => {
                ErrorKind::Unsupported
            }
            StoreError::NotAbsolute { .. } | StoreError::Exists { .. } | StoreError::TooLarge { .. } => {
                ErrorKind::Internal
            }
            StoreError::Io { .. } | StoreError::InUse { .. } | StoreError::Index { .. } => ErrorKind::Machine,
        };
        Self::from_error(kind, &error)
    }
}

/// Adds what was tried to an error of the system.
pub(crate) trait IoContext<T> {
    /// `action` is what follows "cannot" in the message.
    fn at(self, action: &'static str, path: &Utf8Path) -> Result<T, StoreError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Utf8Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
