//! Why a toolchain could not be acquired.

use camino::Utf8PathBuf;
use vx_download::archive::ArchiveError;
use vx_download::{DownloadError, ParseChecksumError};

/// A toolchain could not be acquired.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// A server only knows names of channels.
    #[error("`{name}` is not a release channel")]
    NotAChannel {
        /// What was requested.
        name: String,
    },
    /// The server has no such channel.
    #[error("{server} does not have the channel `{name}`")]
    NoSuchChannel {
        /// What was requested.
        name: String,
        /// The server.
        server: String,
    },
    /// The server's address, or one in a manifest, is not a URL.
    #[error("`{url}` is not a valid URL")]
    Address {
        /// The text.
        url: String,
        /// Why.
        source: url::ParseError,
    },
    /// The content of the channel could not be looked up.
    #[error("failed to look up the channel `{name}`")]
    Lookup {
        /// The channel.
        name: String,
        /// Why.
        source: DownloadError,
    },
    /// A published checksum is not one.
    #[error("{url} does not contain a SHA-256 checksum")]
    PublishedChecksum {
        /// Where it should be.
        url: String,
    },
    /// The manifest cannot be used.
    #[error("invalid manifest for the channel `{name}`")]
    Manifest {
        /// The channel.
        name: String,
        /// Why.
        source: ManifestError,
    },
    /// The channel has no such profile.
    #[error("the channel `{channel}` has no profile `{profile}` (available: {})", known.join(", "))]
    NoSuchProfile {
        /// The channel.
        channel: String,
        /// What was requested.
        profile: String,
        /// Names of its profiles, sorted.
        known: Vec<String>,
    },
    /// The channel has no such component.
    #[error("the channel `{channel}` has no component `{component}`")]
    NoSuchComponent {
        /// The channel.
        channel: String,
        /// What was requested.
        component: String,
    },
    /// The channel has the component, but not for this target.
    #[error("the channel `{channel}` has no component `{component}` for the target `{target}`")]
    Unavailable {
        /// The channel.
        channel: String,
        /// The component.
        component: String,
        /// The target.
        target: String,
    },
    /// A component could not be downloaded.
    #[error("failed to download the component `{component}`")]
    Download {
        /// The component.
        component: String,
        /// Why.
        source: DownloadError,
    },
    /// A component could not be unpacked.
    #[error("failed to unpack the component `{component}`")]
    Unpack {
        /// The component.
        component: String,
        /// Why.
        source: ArchiveError,
    },
    /// The disk.
    #[error("failed to read or write {path}")]
    Io {
        /// File or directory.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl AcquireError {
    /// What the person can do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Lookup {
                source: DownloadError::Offline { .. },
                ..
            }
            | Self::Download {
                source: DownloadError::Offline { .. },
                ..
            } => Some("run the command once without `--offline`"),
            Self::NotAChannel { .. } => Some("channel names look like `stable`, `1.95` or `nightly-2026-05-20`"),
            Self::NoSuchChannel { .. } | Self::Address { .. } | Self::PublishedChecksum { .. } => {
                Some("check the name, and the variables VX_DIST_SERVER and RUSTUP_DIST_SERVER")
            }
            Self::Unavailable { .. } | Self::NoSuchComponent { .. } | Self::NoSuchProfile { .. } => {
                Some("request less, or another channel")
            }
            _ => None,
        }
    }
}

/// A channel manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not text.
    #[error("it is not valid UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is not TOML, or not a manifest.
    #[error("it is not a channel manifest")]
    Parse(#[source] Box<toml::de::Error>),
    /// It has a version that vx does not support.
    #[error("it has version `{0}`, but only version 2 is supported")]
    Version(String),
    /// A checksum in it is not one.
    #[error("it has an invalid checksum for {component}")]
    Checksum {
        /// The component.
        component: String,
        /// Why.
        source: ParseChecksumError,
    },
}
