//! The download cache: files by SHA-256, fetched once whoever asks, never handed out unverified.
//!
//! `sha256/AB/ABCD…` below the cache's directory. A file gets its name by a rename after its content was hashed, under a
//! lock per hash, so that any number of processes make one request.

use std::io::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::{Client, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::Checksum;
use crate::lock::FileLock;

/// How often a transfer is tried in all.
const TRIES: u32 = 5;
/// How long a server may keep silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(30);

/// A download failed.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The network may not be used.
    #[error("{url} is not in the download cache, and downloads are switched off (offline)")]
    Offline {
        /// What was wanted.
        url: String,
    },
    /// The content is not what was promised.
    #[error("{url} has the SHA-256 {found}, not the expected {expected}")]
    Mismatch {
        /// What was fetched.
        url: String,
        /// What a lock file or manifest promises.
        expected: Checksum,
        /// What came.
        found: Checksum,
    },
    /// The content is larger than anything of its kind.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// What was fetched.
        url: String,
        /// The bound, in bytes.
        limit: u64,
    },
    /// The server refused.
    #[error("{url} was refused by the server: {status}")]
    Status {
        /// What was wanted.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The transfer broke, as often as it was tried.
    #[error("{url} could not be fetched")]
    Transfer {
        /// What was wanted.
        url: String,
        /// Why, the last time.
        source: reqwest::Error,
    },
    /// A registry does not say where its packages are.
    #[error("the registry {index} does not say where its packages are")]
    Registry {
        /// Its index.
        index: String,
        /// Why.
        source: std::io::Error,
    },
    /// The cache cannot be read or written.
    #[error("the download cache cannot be used: {path}")]
    Cache {
        /// File or directory.
        path: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl DownloadError {
    /// Whether another try may bring something else.
    fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            Self::Transfer { .. } => true,
            _ => false,
        }
    }
}

/// Downloads by SHA-256.
#[derive(Debug)]
pub struct DownloadCache {
    directory: Utf8PathBuf,
    offline: bool,
    /// The wait after the first failure; doubled after each further one.
    back_off: Duration,
    client: OnceLock<Client>,
}

impl DownloadCache {
    /// A cache in `directory`, which is made when something is first kept. `offline`: nothing is ever fetched.
    pub fn new(directory: impl Into<Utf8PathBuf>, offline: bool) -> Self {
        Self {
            directory: directory.into(),
            offline,
            back_off: Duration::from_millis(500),
            client: OnceLock::new(),
        }
    }

    /// Where the file with this checksum is, or would be.
    fn path(&self, checksum: Checksum) -> Utf8PathBuf {
        let name = checksum.to_string();
        self.directory.join("sha256").join(&name[..2]).join(name)
    }

    /// The file with this checksum, its content verified just now; a damaged one is discarded. Blocks.
    pub fn find(&self, checksum: Checksum) -> Result<Option<Utf8PathBuf>, DownloadError> {
        let path = self.path(checksum);
        let failed = |source| DownloadError::Cache {
            path: path.clone(),
            source,
        };
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let (found, _) = Checksum::of_reader(file).map_err(failed)?;
        if found == checksum {
            return Ok(Some(path));
        }
        tracing::warn!(%path, "damaged in the download cache: discarded");
        std::fs::remove_file(&path).map_err(failed)?;
        Ok(None)
    }

    /// Takes a file in that somebody else has fetched, if it has this checksum. Blocks.
    pub fn adopt(&self, checksum: Checksum, file: &Utf8Path) -> Result<Option<Utf8PathBuf>, DownloadError> {
        let Ok(content) = std::fs::read(file) else {
            return Ok(None);
        };
        if Checksum::of(&content) != checksum {
            return Ok(None);
        }
        let path = self.path(checksum);
        let mut partial = self.partial(&path)?;
        let failed = |source| DownloadError::Cache {
            path: path.clone(),
            source,
        };
        partial.write_all(&content).map_err(failed)?;
        self.publish(partial, &path)?;
        Ok(Some(path))
    }

    /// The file with this checksum, from the cache or from `url`, of at most `limit` bytes.
    pub async fn fetch(&self, checksum: Checksum, url: &Url, limit: u64) -> Result<Utf8PathBuf, DownloadError> {
        let path = self.path(checksum);
        let lock = self.directory.join("locks").join(checksum.to_string());
        let failed = |source| DownloadError::Cache {
            path: lock.clone(),
            source,
        };
        let _lock = FileLock::acquire_async(&lock).await.map_err(failed)?;
        if let Some(found) = tokio::task::block_in_place(|| self.find(checksum))? {
            return Ok(found);
        }
        self.persistently(url, || self.transfer(checksum, url, limit, &path))
            .await?;
        Ok(path)
    }

    /// A small document that nobody promises a checksum of, of at most `limit` bytes.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Vec<u8>, DownloadError> {
        self.persistently(url, || async {
            let mut response = self.request(url).await?;
            let mut content = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|source| broken(url, source))? {
                if content.len() + chunk.len() > limit {
                    return Err(DownloadError::TooLarge {
                        url: url.to_string(),
                        limit: limit as u64,
                    });
                }
                content.extend_from_slice(&chunk);
            }
            Ok(content)
        })
        .await
    }

    /// Tries again, later and later, what may pass.
    async fn persistently<T, Fut>(&self, url: &Url, attempt: impl Fn() -> Fut) -> Result<T, DownloadError>
    where
        Fut: Future<Output = Result<T, DownloadError>>,
    {
        let mut wait = self.back_off;
        for tried in 1.. {
            match attempt().await {
                Err(error) if error.is_passing() && tried < TRIES => {
                    tracing::info!(%url, %error, tried, "trying again");
                    let jitter: f64 = rand::random_range(0.75..1.25);
                    tokio::time::sleep(wait.mul_f64(jitter)).await;
                    wait *= 2;
                }
                ended => return ended,
            }
        }
        unreachable!("the last try returns")
    }

    async fn request(&self, url: &Url) -> Result<Response, DownloadError> {
        if self.offline {
            return Err(DownloadError::Offline { url: url.to_string() });
        }
        let response = self
            .client(url)?
            .get(url.clone())
            .send()
            .await
            .map_err(|source| broken(url, source))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(DownloadError::Status {
                url: url.to_string(),
                status,
            }),
        }
    }

    async fn transfer(&self, expected: Checksum, url: &Url, limit: u64, path: &Utf8Path) -> Result<(), DownloadError> {
        let mut response = self.request(url).await?;
        let mut partial = self.partial(path)?;
        let mut hasher = Sha256::new();
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.map_err(|source| broken(url, source))? {
            size += chunk.len() as u64;
            if size > limit {
                return Err(DownloadError::TooLarge {
                    url: url.to_string(),
                    limit,
                });
            }
            hasher.update(&chunk);
            let written = partial.write_all(&chunk);
            written.map_err(|source| DownloadError::Cache {
                path: path.to_owned(),
                source,
            })?;
        }
        let found = Checksum(hasher.finalize().into());
        if found != expected {
            return Err(DownloadError::Mismatch {
                url: url.to_string(),
                expected,
                found,
            });
        }
        self.publish(partial, path)
    }

    fn partial(&self, path: &Utf8Path) -> Result<tempfile::NamedTempFile, DownloadError> {
        let directory = path.parent().unwrap_or(&self.directory);
        let make = || {
            std::fs::create_dir_all(directory)?;
            tempfile::NamedTempFile::new_in(directory)
        };
        make().map_err(|source| DownloadError::Cache {
            path: directory.to_owned(),
            source,
        })
    }

    fn publish(&self, partial: tempfile::NamedTempFile, path: &Utf8Path) -> Result<(), DownloadError> {
        let published = partial.persist(path).map_err(|error| error.error);
        published.map_err(|source| DownloadError::Cache {
            path: path.to_owned(),
            source,
        })?;
        Ok(())
    }

    fn client(&self, url: &Url) -> Result<&Client, DownloadError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // Whoever was first has installed the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("vx/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|source| broken(url, source))?;
        Ok(self.client.get_or_init(|| client))
    }
}

fn broken(url: &Url, source: reqwest::Error) -> DownloadError {
    DownloadError::Transfer {
        url: url.to_string(),
        source: source.without_url(),
    }
}

#[cfg(test)]
mod tests;
