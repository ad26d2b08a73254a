//! Registry packages on this machine: fetched, unpacked once, never changed.

mod registry;
mod unpack;
mod view;

use camino::{Utf8Path, Utf8PathBuf};
use futures::{FutureExt as _, StreamExt as _};
use vx_home::VxHome;

pub use registry::{CRATES_IO_INDEX, Registry};
pub use unpack::UnpackError;
pub use view::source_view;

use crate::publish::publish_directory;
use crate::{Checksum, DownloadCache, DownloadError, LockedPackage};

/// Downloads at a time.
const PARALLEL: usize = 16;

/// No published archive is larger (crates.io takes ten MiB by default and grants more on request).
const LARGEST_ARCHIVE: u64 = 512 * 1024 * 1024;

/// A package unpacked on this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageDir {
    /// What it is.
    pub package: LockedPackage,
    /// Where its files are, absolute: `$VX_HOME/packages/NAME-VERSION-CHECKSUM`.
    pub directory: Utf8PathBuf,
}

/// A package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It could not be downloaded.
    #[error("cannot download {name} {version}")]
    Download {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// Why.
        source: DownloadError,
    },
    /// What was downloaded cannot be unpacked.
    #[error("cannot unpack {name} {version}")]
    Unpack {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// Why.
        source: UnpackError,
    },
}

/// Where packages come from and go to.
#[derive(Debug)]
pub struct PackageStore {
    /// Where they are unpacked.
    pub home: VxHome,
    /// Where archives are kept.
    pub downloads: DownloadCache,
    /// Cargo's home, whose own cache of archives is used too.
    pub cargo_home: Option<Utf8PathBuf>,
    /// Where archives are downloaded from.
    pub registry: Registry,
}

impl PackageStore {
    /// The directory of a package, whether it is there or not.
    pub fn directory(home: &VxHome, package: &LockedPackage) -> Utf8PathBuf {
        let LockedPackage {
            name,
            version,
            checksum,
        } = package;
        home.packages().join(format!("{name}-{version}-{checksum}"))
    }

    /// Makes sure that all of `packages` are unpacked, and answers where. `fetching` is told of each one that is
    /// downloaded.
    pub async fn fetch(
        &self,
        packages: &[LockedPackage],
        fetching: &(dyn Fn(&LockedPackage) + Send + Sync),
    ) -> Result<Vec<PackageDir>, PackageError> {
        // Boxed: the compiler cannot see that the futures of a lazy iterator are `Send`.
        let fetches: Vec<_> = packages
            .iter()
            .map(|package| self.fetch_one(package, fetching).boxed())
            .collect();
        let mut fetched = futures::stream::iter(fetches).buffer_unordered(PARALLEL);
        let mut directories = Vec::with_capacity(packages.len());
        while let Some(directory) = fetched.next().await {
            directories.push(directory?);
        }
        directories.sort();
        Ok(directories)
    }

    async fn fetch_one(
        &self,
        package: &LockedPackage,
        fetching: &(dyn Fn(&LockedPackage) + Send + Sync),
    ) -> Result<PackageDir, PackageError> {
        let directory = Self::directory(&self.home, package);
        if !directory.is_dir() {
            let archive = self
                .archive(package, fetching)
                .await
                .map_err(|source| PackageError::Download {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    source,
                })?;
            self.unpack(package, &archive, &directory)
                .await
                .map_err(|source| PackageError::Unpack {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    source,
                })?;
        }
        Ok(PackageDir {
            package: package.clone(),
            directory,
        })
    }

    /// The verified archive: from the download cache, from Cargo's, from the registry.
    async fn archive(
        &self,
        package: &LockedPackage,
        fetching: &(dyn Fn(&LockedPackage) + Send + Sync),
    ) -> Result<Utf8PathBuf, DownloadError> {
        let checksum = package.checksum;
        let here = tokio::task::block_in_place(|| match self.downloads.find(checksum)? {
            Some(found) => Ok(Some(found)),
            None => self.adopt(package, checksum),
        })?;
        if let Some(found) = here {
            return Ok(found);
        }
        let url = self.registry.archive(package, &self.downloads).await?;
        fetching(package);
        self.downloads.fetch(checksum, &url, LARGEST_ARCHIVE).await
    }

    fn adopt(&self, package: &LockedPackage, checksum: Checksum) -> Result<Option<Utf8PathBuf>, DownloadError> {
        let Some(cargo_home) = &self.cargo_home else {
            return Ok(None);
        };
        let Ok(registries) = cargo_home.join("registry/cache").read_dir_utf8() else {
            return Ok(None);
        };
        let name = format!("{}-{}.crate", package.name, package.version);
        for registry in registries.flatten() {
            if let Some(adopted) = self.downloads.adopt(checksum, &registry.path().join(&name))? {
                return Ok(Some(adopted));
            }
        }
        Ok(None)
    }

    async fn unpack(&self, package: &LockedPackage, archive: &Utf8Path, to: &Utf8Path) -> Result<(), UnpackError> {
        let (package, archive, to) = (package.clone(), archive.to_owned(), to.to_owned());
        let unpacked = tokio::task::spawn_blocking(move || {
            publish_directory(&to, |partial| unpack::unpack(&package, &archive, partial))
        });
        unpacked
            .await
            .unwrap_or_else(|panicked| Err(UnpackError::from(std::io::Error::other(panicked))))
    }
}
