//! The current content of a channel: its manifest, by the checksum that the server publishes beside it.
//!
//! The checksum is remembered beside the downloads. That of a moving channel (`stable`) is used for a day, and longer
//! if vx is offline or cannot reach the server.

use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use url::Url;
use vx_download::{Checksum, DownloadCache, DownloadError};
use vx_lock::FileLock;

use super::manifest::Manifest;
use super::{AcquireError, DistServer, channel};
use crate::choose::ChannelName;

/// How long a moving channel is assumed to be unchanged.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// The size limit of manifests (they have about one MiB).
const LARGEST_MANIFEST: u64 = 64 * 1024 * 1024;

/// A published checksum is a line: 64 digits and the name of the file.
const LARGEST_CHECKSUM: usize = 4096;

/// A channel of a server.
pub(super) struct Lookup<'a> {
    pub(super) downloads: &'a DownloadCache,
    pub(super) server: &'a DistServer,
    /// As the user wrote it.
    pub(super) name: &'a str,
    /// Ask the server, however recent the last answer.
    pub(super) forced: bool,
}

/// What the server said, and when.
#[derive(Debug, Serialize, Deserialize)]
struct Memo {
    url: String,
    /// Hexadecimal.
    sha256: String,
    /// Seconds since 1970.
    looked_up: u64,
}

impl Lookup<'_> {
    /// The checksum of the channel's manifest, which is in the download cache.
    pub(super) async fn checksum(&self) -> Result<Checksum, AcquireError> {
        let channel = ChannelName::parse(self.name).ok_or_else(|| AcquireError::NotAChannel {
            name: self.name.to_owned(),
        })?;
        let path = channel::manifest_path(&channel);
        let url = self.server.url(&path).map_err(|source| AcquireError::Address {
            url: format!("{}/{path}", self.server),
            source,
        })?;
        let memo = self.downloads.directory().join("channels").join(memo_name(&url));
        let is_enough = |known: &Known| {
            self.downloads.is_offline() || !self.forced && (known.is_fresh || !channel::is_moving(&channel))
        };
        if let Some(known) = Memo::read(&memo, &url).filter(is_enough) {
            return Ok(known.checksum);
        }
        let failed = |source| AcquireError::Io {
            path: memo.clone(),
            source,
        };
        let _lock = FileLock::acquire_async(&memo.with_extension("lock"))
            .await
            .map_err(failed)?;
        // The previous holder of the lock has looked it up.
        let known = Memo::read(&memo, &url);
        if let Some(known) = known.as_ref().filter(|known| is_enough(known)) {
            return Ok(known.checksum);
        }
        match (self.ask(&url).await, known) {
            (Ok(checksum), _) => {
                Memo::write(&memo, &url, checksum).map_err(failed)?;
                Ok(checksum)
            }
            (Err(AcquireError::Lookup { source, .. }), Some(known)) if source.is_passing() => {
                tracing::warn!(%url, error = %source, "failed to reach the server; using the channel as it was last seen");
                Ok(known.checksum)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The manifest with this checksum.
    pub(super) async fn manifest(&self, checksum: Checksum) -> Result<Manifest, AcquireError> {
        let path = ChannelName::parse(self.name).map(|channel| channel::manifest_path(&channel));
        let url = self
            .server
            .url(&path.unwrap_or_default())
            .map_err(|source| AcquireError::Address {
                url: self.server.to_string(),
                source,
            })?;
        let file = self.fetch(checksum, &url).await?;
        let parse = || {
            let bytes = std::fs::read(&file).map_err(|source| AcquireError::Io {
                path: file.clone(),
                source,
            })?;
            Manifest::parse(&bytes).map_err(|source| AcquireError::Manifest {
                name: self.name.to_owned(),
                source,
            })
        };
        tokio::task::block_in_place(parse)
    }

    /// Asks the server, and fetches the manifest that it names.
    async fn ask(&self, url: &Url) -> Result<Checksum, AcquireError> {
        let checksum = self.published(url).await?;
        match self.fetch(checksum, url).await {
            // The channel may have moved between the two requests.
            Err(AcquireError::Lookup {
                source: DownloadError::Mismatch { .. },
                ..
            }) => {
                let checksum = self.published(url).await?;
                self.fetch(checksum, url).await?;
                Ok(checksum)
            }
            fetched => fetched.map(|_| checksum),
        }
    }

    async fn published(&self, url: &Url) -> Result<Checksum, AcquireError> {
        let url: Url = format!("{url}.sha256")
            .parse()
            .map_err(|source| AcquireError::Address {
                url: format!("{url}.sha256"),
                source,
            })?;
        let text = match self.downloads.get(&url, LARGEST_CHECKSUM).await {
            Ok(text) => text,
            Err(DownloadError::Status { status, .. }) if status == 404 => {
                return Err(AcquireError::NoSuchChannel {
                    name: self.name.to_owned(),
                    server: self.server.to_string(),
                });
            }
            Err(source) => return Err(self.failed(source)),
        };
        let text = String::from_utf8_lossy(&text);
        let checksum = text.split_whitespace().next().and_then(|word| word.parse().ok());
        checksum.ok_or_else(|| AcquireError::PublishedChecksum { url: url.to_string() })
    }

    async fn fetch(&self, checksum: Checksum, url: &Url) -> Result<Utf8PathBuf, AcquireError> {
        let fetched = self.downloads.fetch(checksum, url, LARGEST_MANIFEST).await;
        fetched.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: DownloadError) -> AcquireError {
        AcquireError::Lookup {
            name: self.name.to_owned(),
            source,
        }
    }
}

/// A remembered answer.
struct Known {
    checksum: Checksum,
    is_fresh: bool,
}

impl Memo {
    /// `None` if nothing usable is remembered.
    fn read(path: &Utf8Path, url: &Url) -> Option<Known> {
        let memo: Self = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        if memo.url != url.as_str() {
            return None;
        }
        // A time in the future means that the clock was wrong.
        let age = now().checked_sub(memo.looked_up);
        Some(Known {
            checksum: memo.sha256.parse().ok()?,
            is_fresh: age.is_some_and(|age| age < FRESH.as_secs()),
        })
    }

    fn write(path: &Utf8Path, url: &Url, checksum: Checksum) -> std::io::Result<()> {
        let memo = Self {
            url: url.to_string(),
            sha256: checksum.to_string(),
            looked_up: now(),
        };
        // The lock makes this name ours alone.
        let partial = path.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec(&memo)?)?;
        std::fs::rename(&partial, path)
    }
}

fn memo_name(url: &Url) -> String {
    format!("{}.json", Checksum::of(url.as_str().as_bytes()))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
