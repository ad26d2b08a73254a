//! Toolchains on this machine that vx has acquired, by content; stored beside the download cache, and shared like it.
//!
//! `toolchains/DIGEST` is a complete toolchain. `specs/DIGEST.json` remembers which one a spec resolved to under a
//! manifest, so that the manifest is read once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use vx_download::{Checksum, DownloadCache};
use vx_lock::FileLock;
use vx_model::formats;

use super::lookup::Lookup;
use super::manifest::Manifest;
use super::select::{Component, select};
use super::{AcquireError, DistServer, install};

/// Downloads at a time.
const PARALLEL: usize = 4;

/// No component is larger.
const LARGEST_COMPONENT: u64 = 4 * 1024 * 1024 * 1024;

/// A longer wait for another process is reported.
const PATIENCE: Duration = Duration::from_secs(1);

/// The prefix of the file that records which components are unpacked in a directory.
fn format() -> String {
    format!("vx-unpacked-toolchain-{}", formats::UNPACKED_TOOLCHAIN)
}

/// Unpacking holds a dictionary of up to 128 MiB, so a process unpacks one toolchain at a time.
static UNPACKING: Semaphore = Semaphore::const_new(1);

/// A toolchain to acquire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolchainSpec {
    /// `stable`, `1.95`, `1.95.0`, `nightly-2026-05-20`; no host.
    pub channel: String,
    /// Target triple of the machine that it runs on.
    pub host: String,
    /// A profile of the channel; `None` is `minimal`.
    pub profile: Option<String>,
    /// Components besides those of the profile, by their user-facing names.
    pub components: Vec<String>,
    /// Targets beside the host.
    pub targets: Vec<String>,
}

/// An acquired toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquired {
    /// `1.95.0-x86_64-unknown-linux-gnu`.
    pub name: String,
    /// Its directory, absolute, which never changes.
    pub directory: Utf8PathBuf,
}

/// Where acquired toolchains come from and go to.
#[derive(Debug)]
pub struct ToolchainStore {
    downloads: DownloadCache,
    server: DistServer,
    forced: bool,
}

impl ToolchainStore {
    /// Toolchains of `server`, kept beside `downloads`. Nothing is fetched if `downloads` is offline.
    pub fn new(downloads: DownloadCache, server: DistServer) -> Self {
        Self {
            downloads,
            server,
            forced: false,
        }
    }

    /// The same, which asks for the current state of a moving channel even if it did so today.
    pub fn with_forced_lookup(self) -> Self {
        Self { forced: true, ..self }
    }

    /// The toolchain for a spec: the existing one, else downloaded and unpacked. `status` receives, as a verb and a
    /// text, each step that takes time. Needs a multi-threaded runtime.
    pub async fn acquire(
        &self,
        spec: &ToolchainSpec,
        status: &(dyn Fn(&str, String) + Send + Sync),
    ) -> Result<Acquired, AcquireError> {
        let lookup = Lookup {
            downloads: &self.downloads,
            server: &self.server,
            name: &spec.channel,
            forced: self.forced,
        };
        let manifest = lookup.checksum().await?;
        let name = format!("{}-{}", spec.channel, spec.host);
        let memo = self.path("specs").join(format!("{}.json", spec.checksum(manifest)));
        if let Some(directory) = self.remembered(&memo) {
            return Ok(Acquired { name, directory });
        }
        // A manifest takes some 10 MiB, so it is dropped before anything is unpacked.
        let (components, release) = {
            let manifest = lookup.manifest(manifest).await?;
            (select(&manifest, spec)?, release(&manifest))
        };
        let digest = digest(&components);
        let directory = self.path("toolchains").join(digest.to_string());
        self.provide(&name, release.as_deref(), components, &directory, status)
            .await?;
        remember(&memo, digest, &name).map_err(|source| AcquireError::Io { path: memo, source })?;
        Ok(Acquired { name, directory })
    }

    async fn provide(
        &self,
        name: &str,
        release: Option<&str>,
        components: Vec<Component>,
        directory: &Utf8Path,
        status: &(dyn Fn(&str, String) + Send + Sync),
    ) -> Result<(), AcquireError> {
        // One process downloads and unpacks; the others would only verify the archives repeatedly.
        let lock = lock_of(directory);
        let mut locking = pin!(FileLock::acquire_async(&lock));
        let locked = match tokio::time::timeout(PATIENCE, &mut locking).await {
            Ok(locked) => locked,
            Err(_) => {
                status("Blocking", format!("waiting for another build to install {name}"));
                locking.await
            }
        };
        let _lock = locked.map_err(|source| AcquireError::Io {
            path: lock.clone(),
            source,
        })?;
        if directory.is_dir() {
            return Ok(());
        }
        let fetches: Vec<_> = components
            .into_iter()
            .map(|component| self.fetch(component, release, status).boxed())
            .collect();
        let fetched = futures::stream::iter(fetches).buffered(PARALLEL);
        let components: Vec<_> = fetched.try_collect().await?;
        let Ok(_permit) = UNPACKING.acquire().await else {
            unreachable!("the semaphore is never closed");
        };
        status("Installing", describe(name, release));
        install_elsewhere(components, directory.to_owned()).await
    }

    /// The verified archive of a component.
    async fn fetch(
        &self,
        component: Component,
        release: Option<&str>,
        status: &(dyn Fn(&str, String) + Send + Sync),
    ) -> Result<(Component, Utf8PathBuf), AcquireError> {
        let checksum = component.archive.checksum;
        let url = self.server.redirect(&component.archive.url);
        let url = url.map_err(|source| AcquireError::Address {
            url: component.archive.url.clone(),
            source,
        })?;
        let failed = |source| AcquireError::Download {
            component: component.name.clone(),
            source,
        };
        let found = tokio::task::block_in_place(|| self.downloads.find(checksum)).map_err(failed)?;
        let archive = match found {
            Some(archive) => archive,
            None => {
                status("Downloading", describe(&component.name, release));
                let fetched = self.downloads.fetch(checksum, &url, LARGEST_COMPONENT).await;
                fetched.map_err(failed)?
            }
        };
        Ok((component, archive))
    }

    fn remembered(&self, memo: &Utf8Path) -> Option<Utf8PathBuf> {
        let memo: Memo = serde_json::from_slice(&std::fs::read(memo).ok()?).ok()?;
        let digest: Checksum = memo.toolchain.parse().ok()?;
        let directory = self.path("toolchains").join(digest.to_string());
        directory.is_dir().then_some(directory)
    }

    pub(super) fn path(&self, name: &str) -> Utf8PathBuf {
        self.downloads.directory().join(name)
    }
}

/// Which toolchain answered a spec.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Memo {
    /// Hexadecimal.
    pub(super) toolchain: String,
    /// The name of the toolchain in the spec.
    #[serde(default)]
    pub(super) name: String,
}

/// Held while a toolchain is added or removed.
pub(super) fn lock_of(directory: &Utf8Path) -> Utf8PathBuf {
    directory.with_file_name(format!(".{}.acquiring.lock", directory.file_name().unwrap_or_default()))
}

fn remember(path: &Utf8Path, toolchain: Checksum, name: &str) -> std::io::Result<()> {
    let (toolchain, name) = (toolchain.to_string(), name.to_owned());
    let directory = path.parent().unwrap_or(path);
    std::fs::create_dir_all(directory)?;
    let file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&file, &Memo { toolchain, name })?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

impl ToolchainSpec {
    /// The same for the same spec under the same manifest.
    fn checksum(&self, manifest: Checksum) -> Checksum {
        let text = serde_json::json!([format(), manifest.to_string(), self]);
        Checksum::of(text.to_string().as_bytes())
    }
}

/// The name of a toolchain of these components, which are sorted.
fn digest(components: &[Component]) -> Checksum {
    let mut text = format!("{}\n", format());
    for Component { name, archive } in components {
        text += &format!("{name} {}\n", archive.checksum);
    }
    Checksum::of(text.as_bytes())
}

/// `1.95.0`.
fn release(manifest: &Manifest) -> Option<String> {
    let release = manifest.version.as_deref()?.split(' ').next()?;
    Some(release.to_owned())
}

/// `rustc-x86_64-unknown-linux-gnu (1.95.0)`.
fn describe(name: &str, release: Option<&str>) -> String {
    match release {
        Some(release) => format!("{name} ({release})"),
        None => name.to_owned(),
    }
}

/// Unpacks on a blocking thread, and stops it when nobody waits any more.
async fn install_elsewhere(components: Vec<(Component, Utf8PathBuf)>, to: Utf8PathBuf) -> Result<(), AcquireError> {
    struct CancelOnDrop(Arc<AtomicBool>);
    impl Drop for CancelOnDrop {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let guard = CancelOnDrop(Arc::default());
    let cancelled = guard.0.clone();
    let path = to.clone();
    let install = move || {
        return_free_memory();
        install::install(&components, &to, &|| cancelled.load(Ordering::Relaxed))
    };
    let installed = tokio::task::spawn_blocking(install).await;
    installed.unwrap_or_else(|panicked| {
        Err(AcquireError::Io {
            path,
            source: std::io::Error::other(panicked),
        })
    })
}

/// Returns to the system what the allocator keeps of the downloads and the manifest, some 20 MiB: the dictionaries of
/// archives need enough.
fn return_free_memory() {
    cfg_if::cfg_if! {
        if #[cfg(all(target_os = "linux", target_env = "gnu"))] {
            // SAFETY: it may be called at any time, from any thread.
            unsafe { libc::malloc_trim(0) };
        }
    }
}
