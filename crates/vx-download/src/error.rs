//! Why a download failed.

use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;
use reqwest::StatusCode;

use crate::Checksum;

/// A download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The network may not be used.
    #[error("{url} is not in the download cache, and network access is disabled (offline)")]
    Offline {
        /// What was requested.
        url: String,
    },
    /// The content does not match its checksum.
    #[error("SHA-256 mismatch for {url}: expected {expected}, found {found}")]
    Mismatch {
        /// What was fetched.
        url: String,
        /// The checksum in a lock file or manifest.
        expected: Checksum,
        /// What came.
        found: Checksum,
    },
    /// The content exceeds the limit of its kind.
    #[error("{url} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was fetched.
        url: String,
        /// The bound, in bytes.
        limit: u64,
    },
    /// The server refused.
    #[error("failed to get {url}: the server responded with {status}")]
    Status {
        /// What was requested.
        url: String,
        /// The answer.
        status: StatusCode,
        /// How long the server wants us to wait before we ask again.
        retry_after: Option<Duration>,
    },
    /// Every try of the transfer failed.
    #[error("failed to download {url}")]
    Transfer {
        /// What was requested.
        url: String,
        /// Why, the last time.
        source: reqwest::Error,
    },
    /// The cache cannot be read or written.
    #[error("failed to access the download cache at {path}")]
    Cache {
        /// File or directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DownloadError {
    /// Whether another try may succeed.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Self::Transfer { .. } => true,
            _ => false,
        }
    }

    /// How long the server wants us to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
