//! The store of packages: where archives come from, and where they are unpacked to.
//!
//! Archives come from registries, through the download cache, or from directories of archives; vendored packages are
//! copied. What needs more than an HTTP request (git, registries with authentication) is fetched by Cargo into a home
//! of its own, which [`CargoHome`](crate::CargoHome) sets up, and taken from there.

use camino::{Utf8Path, Utf8PathBuf};
use futures::{FutureExt as _, StreamExt as _};
use vx_download::archive::ArchiveError;
use vx_download::{Checksum, DownloadCache, DownloadError, publish_directory};
use vx_home::VxHome;

use crate::registry::{Registry, RegistryError};
use crate::spread::spread;
use crate::vendored::{self, VendorError, VendoredPackage};
use crate::{LockedPackage, unpack};

/// Downloads at a time.
const PARALLEL: usize = 16;

/// The size limit of archives (crates.io allows ten MiB by default and more on request).
const LARGEST_ARCHIVE: u64 = 512 * 1024 * 1024;

/// A package unpacked on this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageDir {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The directory of its files, absolute: `$VX_HOME/packages/NAME-VERSION-CHECKSUM`.
    pub directory: Utf8PathBuf,
}

/// A package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It could not be downloaded.
    #[error("failed to download `{name} v{version}`")]
    Download {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// Why.
        source: RegistryError,
    },
    /// A downloaded archive cannot be unpacked.
    #[error("failed to unpack `{name} v{version}`")]
    Unpack {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// Why.
        source: ArchiveError,
    },
    /// It is not on this machine, and only Cargo can fetch it: it has the user's credentials and supports other
    /// protocols.
    #[error("`{name} v{version}` is not on this machine, and Cargo did not fetch it")]
    OnlyCargo {
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
}

/// The origin of archives that are not on this machine.
#[derive(Debug)]
pub enum Origin {
    /// From a registry.
    Registry(Registry),
    /// A directory of archives, a local registry of Cargo's.
    Directory(Utf8PathBuf),
    /// None, unless Cargo fetches them.
    Cargo,
}

/// Where packages go to.
#[derive(Debug)]
pub struct PackageStore {
    /// Where they are unpacked.
    pub home: VxHome,
    /// Where archives are kept.
    pub downloads: DownloadCache,
    /// Cargo homes whose own caches of archives are used too.
    pub cargo_homes: Vec<Utf8PathBuf>,
}

impl PackageStore {
    /// The directory of a package, whether it exists or not.
    pub fn directory(home: &VxHome, package: &LockedPackage) -> Utf8PathBuf {
        directory_of(home, &package.name, &package.version, package.checksum)
    }

    /// Makes sure that all of `packages` are unpacked, and returns where. `fetching` is called for each download.
    pub async fn fetch(
        &self,
        origin: &Origin,
        packages: &[LockedPackage],
        fetching: &(dyn Fn(&LockedPackage) + Send + Sync),
    ) -> Result<Vec<PackageDir>, PackageError> {
        // Boxed: the compiler cannot see that the futures of a lazy iterator are `Send`.
        let fetches: Vec<_> = packages
            .iter()
            .map(|package| self.fetch_one(origin, package, fetching).boxed())
            .collect();
        let mut fetched = futures::stream::iter(fetches).buffer_unordered(PARALLEL);
        let mut directories = Vec::with_capacity(packages.len());
        while let Some(directory) = fetched.next().await {
            directories.push(directory?);
        }
        directories.sort();
        Ok(directories)
    }

    /// Takes the packages with these names and versions from `vendor`, a directory source of Cargo's, and returns their
    /// directories; missing ones are left out. Blocks.
    pub fn take_vendored<'a>(
        &self,
        vendor: &Utf8Path,
        packages: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<VendoredPackage>, VendorError> {
        vendored::take(&self.home, vendor, &packages.into_iter().collect())
    }

    async fn fetch_one(
        &self,
        origin: &Origin,
        package: &LockedPackage,
        fetching: &(dyn Fn(&LockedPackage) + Send + Sync),
    ) -> Result<PackageDir, PackageError> {
        let directory = Self::directory(&self.home, package);
        if !directory.is_dir() {
            let archive = self
                .archive(origin, package, fetching)
                .await
                .map_err(|source| PackageError::Download {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    source,
                })?
                .ok_or_else(|| PackageError::OnlyCargo {
                    name: package.name.clone(),
                    version: package.version.clone(),
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
            name: package.name.clone(),
            version: package.version.clone(),
            directory,
        })
    }

    /// The verified archive: from the download cache, from Cargo's cache, or from its origin. `None` if only Cargo can
    /// fetch it.
    async fn archive(
        &self,
        origin: &Origin,
        package: &LockedPackage,
        fetching: &(dyn Fn(&LockedPackage) + Send + Sync),
    ) -> Result<Option<Utf8PathBuf>, RegistryError> {
        let checksum = package.checksum;
        let here = tokio::task::block_in_place(|| match self.downloads.find(checksum)? {
            Some(found) => Ok(Some(found)),
            None => self.adopt(origin, package, checksum),
        })?;
        if here.is_some() {
            return Ok(here);
        }
        let Origin::Registry(registry) = origin else {
            return Ok(None);
        };
        let Some(url) = registry.archive(package, &self.downloads).await? else {
            return Ok(None);
        };
        fetching(package);
        Ok(Some(self.downloads.fetch(checksum, &url, LARGEST_ARCHIVE).await?))
    }

    fn adopt(
        &self,
        origin: &Origin,
        package: &LockedPackage,
        checksum: Checksum,
    ) -> Result<Option<Utf8PathBuf>, DownloadError> {
        let caches = self.cargo_homes.iter().map(|home| home.join("registry/cache"));
        let caches = caches
            .filter_map(|cache| cache.read_dir_utf8().ok())
            .flatten()
            .flatten();
        let mut directories: Vec<Utf8PathBuf> = caches.map(camino::Utf8DirEntry::into_path).collect();
        if let Origin::Directory(directory) = origin {
            directories.push(directory.clone());
        }
        let name = format!("{}-{}.crate", package.name, package.version);
        for directory in directories {
            if let Some(adopted) = self.downloads.adopt(checksum, &directory.join(&name))? {
                return Ok(Some(adopted));
            }
        }
        Ok(None)
    }

    async fn unpack(&self, package: &LockedPackage, archive: &Utf8Path, to: &Utf8Path) -> Result<(), ArchiveError> {
        let (package, archive, to) = (package.clone(), archive.to_owned(), to.to_owned());
        let unpacked = tokio::task::spawn_blocking(move || {
            to.parent().into_iter().for_each(spread);
            publish_directory(&to, |partial| unpack::unpack(&package, &archive, partial))
        });
        unpacked
            .await
            .unwrap_or_else(|panicked| Err(ArchiveError::from(std::io::Error::other(panicked))))
    }
}

pub(crate) fn directory_of(home: &VxHome, name: &str, version: &str, content: Checksum) -> Utf8PathBuf {
    home.packages().join(format!("{name}-{version}-{content}"))
}
