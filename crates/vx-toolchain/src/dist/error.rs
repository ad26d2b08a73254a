//! Why a toolchain could not be acquired.

use camino::Utf8PathBuf;
use vx_download::archive::ArchiveError;
use vx_download::{DownloadError, ParseChecksumError};

/// A toolchain could not be acquired.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Only names of channels mean something to a server.
    #[error("`{name}` is no release channel, so no server has it")]
    NotAChannel {
        /// What was asked for.
        name: String,
    },
    /// The server has no such channel.
    #[error("{server} has no channel `{name}`")]
    NoSuchChannel {
        /// What was asked for.
        name: String,
        /// The server.
        server: String,
    },
    /// The server's address, or one in a manifest, is none.
    #[error("`{url}` is not an address")]
    Address {
        /// The text.
        url: String,
        /// Why.
        source: url::ParseError,
    },
    /// What the channel holds could not be looked up.
    #[error("the channel `{name}` cannot be looked up")]
    Lookup {
        /// The channel.
        name: String,
        /// Why.
        source: DownloadError,
    },
    /// A published checksum is none.
    #[error("{url} does not hold a SHA-256")]
    PublishedChecksum {
        /// Where it should be.
        url: String,
    },
    /// The manifest cannot be used.
    #[error("the manifest of the channel `{name}` cannot be used")]
    Manifest {
        /// The channel.
        name: String,
        /// Why.
        source: ManifestError,
    },
    /// The channel has no such profile.
    #[error("the channel `{channel}` has no profile `{profile}`, only {}", known.join(", "))]
    NoSuchProfile {
        /// The channel.
        channel: String,
        /// What was asked for.
        profile: String,
        /// Names of its profiles, sorted.
        known: Vec<String>,
    },
    /// The channel has no such component.
    #[error("the channel `{channel}` has no component `{component}`")]
    NoSuchComponent {
        /// The channel.
        channel: String,
        /// What was asked for.
        component: String,
    },
    /// The channel has the component, but not for this target.
    #[error("the channel `{channel}` has no `{component}` for {target}")]
    Unavailable {
        /// The channel.
        channel: String,
        /// The component.
        component: String,
        /// The target.
        target: String,
    },
    /// A component could not be downloaded.
    #[error("cannot download the component {component}")]
    Download {
        /// The component.
        component: String,
        /// Why.
        source: DownloadError,
    },
    /// A component could not be unpacked.
    #[error("cannot unpack the component {component}")]
    Unpack {
        /// The component.
        component: String,
        /// Why.
        source: ArchiveError,
    },
    /// The disk.
    #[error("{path} cannot be read or written")]
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
            } => Some("run the command once without --offline"),
            Self::NotAChannel { .. } => Some("names of channels look like `stable`, `1.95`, `nightly-2026-05-20`"),
            Self::NoSuchChannel { .. } | Self::Address { .. } | Self::PublishedChecksum { .. } => {
                Some("look at the name, and at VX_DIST_SERVER and RUSTUP_DIST_SERVER")
            }
            Self::Unavailable { .. } | Self::NoSuchComponent { .. } | Self::NoSuchProfile { .. } => {
                Some("ask for less, or for another channel")
            }
            _ => None,
        }
    }
}

/// A channel manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not text.
    #[error("it is not UTF-8")]
    Utf8(#[from] std::str::Utf8Error),
    /// It is not TOML, or not a manifest.
    #[error("it is not a channel manifest")]
    Parse(#[source] Box<toml::de::Error>),
    /// It is of a version that vx does not know.
    #[error("it is of version `{0}`, and only version 2 is known")]
    Version(String),
    /// A checksum in it is none.
    #[error("its checksum of {component} is not one")]
    Checksum {
        /// The component.
        component: String,
        /// Why.
        source: ParseChecksumError,
    },
}
