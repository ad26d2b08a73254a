//! Why an archive could not be unpacked.

use std::io;

/// An archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// An entry lies outside the directory for the archive.
    #[error("the archive contains an entry outside of its directory: `{entry}`")]
    Escape {
        /// Its path.
        entry: String,
    },
    /// A link leads, or may lead, out of the directory.
    #[error("the archive contains a link that leads outside of its directory: `{entry}` -> `{target}`")]
    Link {
        /// Its path.
        entry: String,
        /// Where it leads.
        target: String,
    },
    /// An entry is not a file, a directory, or an allowed symbolic link.
    #[error("the archive contains an entry of an unsupported type: `{entry}`")]
    Special {
        /// Its path.
        entry: String,
    },
    /// Two files have one path.
    #[error("the archive contains a file that already exists: `{entry}`")]
    Twice {
        /// Its path.
        entry: String,
    },
    /// It unpacks to too much.
    #[error("the archive unpacks to more than {bytes} bytes or {entries} entries")]
    TooLarge {
        /// The bound in bytes.
        bytes: u64,
        /// The bound in entries.
        entries: u64,
    },
    /// It does not have the layout of its kind.
    #[error("the archive does not have the expected layout: {reason}")]
    Layout {
        /// What is missing or too much.
        reason: String,
    },
    /// Nobody waits for it any more.
    #[error("unpacking was cancelled")]
    Cancelled,
    /// The archive is damaged, or the disk failed.
    #[error("failed to read the archive or to write its files")]
    Io(#[from] io::Error),
}

impl ArchiveError {
    /// An archive without the expected layout, because of `reason`.
    pub fn layout(reason: impl Into<String>) -> Self {
        Self::Layout { reason: reason.into() }
    }
}
