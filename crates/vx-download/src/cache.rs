//! The download cache: files by SHA-256, fetched once for all users, never returned unverified.
//!
//! `sha256/AB/ABCD…` below the cache's directory. A file is renamed to its path after its content was hashed, under a
//! lock per hash, so that any number of processes make one request. The data of an interrupted transfer stays beside
//! it, and the transfer is continued.

use std::fmt;
use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::header::{CONTENT_RANGE, HeaderMap, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use crate::partial::Partial;
use crate::proxies::Proxies;
use vx_lock::FileLock;

use crate::{Checksum, DownloadError, ProgressHook, Transferred};

/// The number of tries of a transfer.
const TRIES: u32 = 5;
/// The wait after the first failure; doubled after each further one.
const BACK_OFF: Duration = Duration::from_millis(500);
/// The longest wait between two tries, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How long a server may keep silent.
const SILENCE: Duration = Duration::from_secs(60);
/// The interval between two reports of progress.
const PROGRESS: Duration = Duration::from_millis(100);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(30);

/// Downloads by SHA-256. A clone is the same cache.
#[derive(Clone)]
pub struct DownloadCache {
    directory: Utf8PathBuf,
    offline: bool,
    back_off: Duration,
    progress: Option<ProgressHook>,
    proxies: Proxies,
    client: OnceLock<Client>,
}

impl fmt::Debug for DownloadCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadCache")
            .field("directory", &self.directory)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

impl DownloadCache {
    /// A cache in `directory`, which is created when something is first stored. `offline`: nothing is ever fetched.
    pub fn new(directory: impl Into<Utf8PathBuf>, offline: bool) -> Self {
        Self {
            directory: directory.into(),
            offline,
            back_off: BACK_OFF,
            progress: None,
            proxies: Proxies::default(),
            client: OnceLock::new(),
        }
    }

    /// The same cache, with this wait after a first failure instead of half a second.
    pub fn with_back_off(self, back_off: Duration) -> Self {
        Self { back_off, ..self }
    }

    /// The same cache, which reports to `progress`.
    pub fn with_progress(self, progress: ProgressHook) -> Self {
        Self {
            progress: Some(progress),
            ..self
        }
    }

    /// The same cache, which uses the proxies that an environment names, as Cargo does: `http_proxy`, `https_proxy`,
    /// `all_proxy`, except the hosts of `no_proxy`; all but the first in capitals too. Without this, servers are
    /// reached directly.
    pub fn with_proxies_of(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            proxies: Proxies::of(variable),
            ..self
        }
    }

    /// Its directory.
    pub fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Whether nothing may be fetched.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// The path of the file with this checksum, whether it exists or not.
    fn path(&self, checksum: Checksum) -> Utf8PathBuf {
        let name = checksum.to_string();
        self.directory.join("sha256").join(&name[..2]).join(name)
    }

    /// The file with this checksum, after verifying its content; a damaged one is discarded. Blocks.
    pub fn find(&self, checksum: Checksum) -> Result<Option<Utf8PathBuf>, DownloadError> {
        let path = self.path(checksum);
        let failed = |source| DownloadError::Cache {
            path: path.clone(),
            source,
        };
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let (found, _) = Checksum::of_reader(file).map_err(failed)?;
        if found == checksum {
            return Ok(Some(path));
        }
        tracing::warn!(%path, "discarded a damaged file in the download cache");
        std::fs::remove_file(&path).map_err(failed)?;
        Ok(None)
    }

    /// Takes in a file that another program fetched, if it has this checksum. Blocks.
    pub fn adopt(&self, checksum: Checksum, file: &Utf8Path) -> Result<Option<Utf8PathBuf>, DownloadError> {
        let Ok(mut content) = std::fs::File::open(file) else {
            return Ok(None);
        };
        let path = self.path(checksum);
        let mut copy = || {
            let directory = path.parent().unwrap_or(&self.directory);
            std::fs::create_dir_all(directory)?;
            let mut copy = tempfile::NamedTempFile::new_in(directory)?;
            io::copy(&mut content, &mut copy)?;
            let (found, _) = Checksum::of_reader(copy.reopen()?)?;
            if found != checksum {
                return Ok(None);
            }
            copy.persist(&path).map_err(|error| error.error)?;
            Ok(Some(path.clone()))
        };
        copy().map_err(|source| self.cache_error(&path, source))
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
        self.persistently(url, || self.transfer(checksum, url, limit)).await?;
        Ok(path)
    }

    /// A small document without a known checksum, of at most `limit` bytes.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Vec<u8>, DownloadError> {
        self.persistently(url, || async {
            let mut response = self.request(url, 0).await?;
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

    /// Retries temporary failures, with growing delays.
    async fn persistently<T, Fut>(&self, url: &Url, attempt: impl Fn() -> Fut) -> Result<T, DownloadError>
    where
        Fut: Future<Output = Result<T, DownloadError>>,
    {
        let mut wait = self.back_off;
        for tried in 1.. {
            match attempt().await {
                Err(error) if error.is_passing() && tried < TRIES => {
                    tracing::info!(%url, %error, tried, "retrying");
                    let jitter: f64 = rand::random_range(0.75..1.25);
                    let pause = error.retry_after().unwrap_or_default().max(wait.mul_f64(jitter));
                    tokio::time::sleep(pause.min(LONGEST_WAIT)).await;
                    wait *= 2;
                }
                ended => return ended,
            }
        }
        unreachable!("the last try returns")
    }

    /// Requests everything from byte `from` on; the answer states where it begins.
    async fn request(&self, url: &Url, from: u64) -> Result<Response, DownloadError> {
        if self.offline {
            return Err(DownloadError::Offline { url: url.to_string() });
        }
        let mut request = self.client(url)?.get(url.clone());
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.send().await.map_err(|source| broken(url, source))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(DownloadError::Status {
                url: url.to_string(),
                status,
                retry_after: retry_after(response.headers()),
            }),
        }
    }

    /// One try, which continues where the last one stopped.
    async fn transfer(&self, expected: Checksum, url: &Url, limit: u64) -> Result<(), DownloadError> {
        let path = self.path(expected);
        let partial_path = path.with_extension("partial");
        let failed = |source| self.cache_error(&partial_path, source);
        let mut partial = tokio::task::block_in_place(|| Partial::open(&partial_path)).map_err(failed)?;
        let mut is_continued = false;
        // A killed process may have received everything.
        if partial.size() == 0 || partial.checksum() != expected {
            let response = self.request_rest(url, &mut partial).await?;
            is_continued = partial.size() > 0;
            self.receive(response, url, limit, &mut partial).await?;
        }
        let found = partial.checksum();
        if found == expected {
            return partial.publish(&path).map_err(|source| self.cache_error(&path, source));
        }
        partial.discard().map_err(failed)?;
        if is_continued {
            // The earlier data may have been wrong.
            return Box::pin(self.transfer(expected, url, limit)).await;
        }
        Err(DownloadError::Mismatch {
            url: url.to_string(),
            expected,
            found,
        })
    }

    /// The answer that continues `partial`, which is emptied if the server begins anew.
    async fn request_rest(&self, url: &Url, partial: &mut Partial) -> Result<Response, DownloadError> {
        let failed = |source| self.cache_error(&self.directory, source);
        let response = match self.request(url, partial.size()).await {
            Err(DownloadError::Status { status, .. }) if status == StatusCode::RANGE_NOT_SATISFIABLE => {
                partial.restart().map_err(failed)?;
                return self.request(url, 0).await;
            }
            answer => answer?,
        };
        if first_byte(&response) != partial.size() {
            partial.restart().map_err(failed)?;
        }
        if first_byte(&response) != partial.size() {
            return self.request(url, 0).await;
        }
        Ok(response)
    }

    async fn receive(
        &self,
        mut response: Response,
        url: &Url,
        limit: u64,
        partial: &mut Partial,
    ) -> Result<(), DownloadError> {
        let total = response.content_length().map(|rest| partial.size() + rest);
        let tell = |done| {
            if let Some(progress) = &self.progress {
                progress(Transferred { url, done, total });
            }
        };
        tell(partial.size());
        let mut told = Instant::now();
        while let Some(chunk) = response.chunk().await.map_err(|source| broken(url, source))? {
            if partial.size() + chunk.len() as u64 > limit {
                partial
                    .restart()
                    .map_err(|source| self.cache_error(&self.directory, source))?;
                return Err(DownloadError::TooLarge {
                    url: url.to_string(),
                    limit,
                });
            }
            let appended = tokio::task::block_in_place(|| partial.append(&chunk));
            appended.map_err(|source| self.cache_error(&self.directory, source))?;
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                tell(partial.size());
            }
        }
        tell(partial.size());
        Ok(())
    }

    fn cache_error(&self, path: &Utf8Path, source: io::Error) -> DownloadError {
        DownloadError::Cache {
            path: path.to_owned(),
            source,
        }
    }

    fn client(&self, url: &Url) -> Result<&Client, DownloadError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // It fails if another thread has installed the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder().no_proxy();
        for proxy in self.proxies.each().map_err(|source| broken(url, source))? {
            client = client.proxy(proxy);
        }
        let client = client
            .user_agent(concat!("vx/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|source| broken(url, source))?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Where in the file an answer begins: only one to a range (`bytes 10-19/20`) begins anywhere but at the beginning.
fn first_byte(response: &Response) -> u64 {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return 0;
    }
    let range = response
        .headers()
        .get(CONTENT_RANGE)
        .and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    // An answer that does not state where it begins cannot continue anything.
    first.unwrap_or(u64::MAX)
}

/// `Retry-After` in seconds. Its other form, a date, is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn broken(url: &Url, source: reqwest::Error) -> DownloadError {
    DownloadError::Transfer {
        url: url.to_string(),
        source: source.without_url(),
    }
}

#[cfg(test)]
mod tests;
