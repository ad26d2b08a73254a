//! Vendored packages (`cargo vendor`): copied from the user's directory into the store, by content.
//!
//! Cargo checks the files in such a directory against `.cargo-checksum.json`. Here the files themselves are read each
//! time, so two checkouts with different files never share a package.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use vx_download::{Checksum, publish_directory};
use vx_home::VxHome;

use crate::PackageDir;
use crate::store::directory_of;
use crate::tree::{self, Entry, Kind, TreeError};

/// Cargo's file with the checksums of a vendored package.
const CHECKSUMS: &str = ".cargo-checksum.json";
/// Packages that are read at a time.
const PARALLEL: usize = 4;

/// A vendored package cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// A file does not match its checksum.
    #[error("{file} does not match its checksum in `{CHECKSUMS}`")]
    Changed {
        /// The file.
        file: Utf8PathBuf,
    },
    /// The checksums cannot be read.
    #[error("failed to read {file}")]
    Checksums {
        /// The file.
        file: Utf8PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The files cannot be copied.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The store cannot be written.
    #[error("failed to write to the package store")]
    Store(#[from] std::io::Error),
}

/// A vendored package that is in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VendoredPackage {
    /// The package in the store.
    pub package: PackageDir,
    /// Where the user has it, absolute.
    pub original: Utf8PathBuf,
}

/// Takes those of `packages` (name, version) from `vendor` that are there.
pub(crate) fn take(
    home: &VxHome,
    vendor: &Utf8Path,
    packages: &BTreeSet<(&str, &str)>,
) -> Result<Vec<VendoredPackage>, VendorError> {
    let found: Vec<Vendored> = candidates(vendor, packages)
        .filter(|found| packages.contains(&(found.name.as_str(), found.version.as_str())))
        .collect();
    let share = found.len().div_ceil(PARALLEL).max(1);
    let taken: Result<Vec<Vec<VendoredPackage>>, VendorError> = std::thread::scope(|scope| {
        let threads: Vec<_> = found
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().map(|package| package.take(home)).collect()))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    });
    let mut taken: Vec<VendoredPackage> = taken?.into_iter().flatten().collect();
    taken.sort();
    Ok(taken)
}

/// A package in a vendor directory.
struct Vendored {
    name: String,
    version: String,
    directory: Utf8PathBuf,
}

#[derive(Deserialize)]
struct Manifest {
    package: ManifestPackage,
}

#[derive(Deserialize)]
struct ManifestPackage {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Checksums {
    files: BTreeMap<String, String>,
}

/// The packages whose directories are named after one of `packages`, as `cargo vendor` names them: `NAME`,
/// `NAME-VERSION`.
fn candidates<'a>(vendor: &Utf8Path, packages: &'a BTreeSet<(&str, &str)>) -> impl Iterator<Item = Vendored> + 'a {
    let is_named = |name: &str| {
        let names = |(package, version): &(&str, &str)| {
            let rest = name.strip_prefix(package);
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-') == Some(version))
        };
        packages.iter().any(names)
    };
    let entries = vendor.read_dir_utf8().into_iter().flatten().flatten();
    entries
        .filter(move |entry| is_named(entry.file_name()))
        .filter_map(|entry| Vendored::read(entry.path()))
}

impl Vendored {
    /// The package in `directory`; Cargo reports whatever is not a package.
    fn read(directory: &Utf8Path) -> Option<Self> {
        let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).ok()?;
        let Manifest { package } = toml::from_str(&manifest).ok()?;
        directory.join(CHECKSUMS).is_file().then(|| Self {
            name: package.name,
            version: package.version,
            directory: directory.to_owned(),
        })
    }

    fn take(&self, home: &VxHome) -> Result<VendoredPackage, VendorError> {
        Ok(VendoredPackage {
            package: PackageDir {
                name: self.name.clone(),
                version: self.version.clone(),
                directory: self.copy(home)?,
            },
            original: self.directory.clone(),
        })
    }

    /// Verifies the files and makes sure that they are in the store.
    fn copy(&self, home: &VxHome) -> Result<Utf8PathBuf, VendorError> {
        let content = self.verify()?;
        let directory = directory_of(home, &self.name, &self.version, content);
        publish_directory(&directory, |partial| {
            tree::copy(&self.directory, partial, Kind::Files)?;
            // Somebody may have written between reading and copying.
            match digest(partial)? == content {
                true => Ok(()),
                false => Err(VendorError::Changed {
                    file: self.directory.clone(),
                }),
            }
        })?;
        Ok(directory)
    }

    /// The content of the files, which match their checksums.
    fn verify(&self) -> Result<Checksum, VendorError> {
        let file = self.directory.join(CHECKSUMS);
        let read = || Ok(serde_json::from_slice(&std::fs::read(&file)?)?);
        let checksums: Checksums = read().map_err(|source| VendorError::Checksums {
            file: file.clone(),
            source,
        })?;
        let entries = tree::entries(&self.directory)?;
        let mut digests = BTreeMap::new();
        for entry in &entries {
            digests.insert(
                entry.path.clone(),
                tree::file_digest(&self.directory.join(&entry.path))?,
            );
        }
        for (name, checksum) in &checksums.files {
            let found = digests.get(Utf8Path::new(name));
            if found.is_none_or(|found| found.to_string() != *checksum) {
                return Err(VendorError::Changed {
                    file: self.directory.join(name),
                });
            }
        }
        Ok(tree::digest(&self.directory, &entries, |entry| {
            Ok(digests[&entry.path])
        })?)
    }
}

fn digest(directory: &Utf8Path) -> Result<Checksum, TreeError> {
    let of_file = |entry: &Entry| tree::file_digest(&directory.join(&entry.path));
    tree::digest(directory, &tree::entries(directory)?, of_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vendor directory with one package `a 1.0.0`, whose checksums list `listed`.
    fn vendor(top: &Utf8Path, directory: &str, listed: &str) -> Utf8PathBuf {
        let vendor = top.join("vendor");
        let package = vendor.join(directory);
        std::fs::create_dir_all(package.join("src")).unwrap();
        std::fs::write(package.join("src/lib.rs"), "//").unwrap();
        std::fs::write(
            package.join("Cargo.toml"),
            "[package]\nname = \"a\"\nversion = \"1.0.0\"\n",
        )
        .unwrap();
        std::fs::write(
            package.join(CHECKSUMS),
            format!("{{\"files\":{{{listed}}},\"package\":null}}"),
        )
        .unwrap();
        vendor
    }

    fn try_take(top: &Utf8Path, vendor: &Utf8Path) -> Result<Vec<VendoredPackage>, VendorError> {
        take(
            &VxHome::new(top.join("home")),
            vendor,
            &[("a", "1.0.0"), ("b", "1.0.0")].into(),
        )
    }

    #[test]
    fn packages_are_copied_by_content() {
        let directory = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(directory.path()).unwrap();
        for name in ["a", "a-1.0.0"] {
            let vendor = vendor(top, name, "");
            let first = try_take(top, &vendor).unwrap();
            assert_eq!(first.len(), 1);
            let copy = first[0].package.directory.join("src/lib.rs");
            assert!(copy.metadata().unwrap().permissions().readonly());
            assert_eq!(try_take(top, &vendor).unwrap(), first);
            std::fs::write(vendor.join(name).join("src/lib.rs"), "// edited").unwrap();
            let second = try_take(top, &vendor).unwrap();
            assert_ne!(second, first, "other content has another path");
            std::fs::remove_dir_all(vendor).unwrap();
        }
    }

    #[test]
    fn a_file_that_is_not_what_its_checksum_says_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(directory.path()).unwrap();
        let listed = |content: &[u8]| format!("\"src/lib.rs\":\"{}\"", Checksum::of(content));
        try_take(top, &vendor(top, "a", &listed(b"//"))).unwrap();
        let error = try_take(top, &vendor(top, "a", &listed(b"other"))).unwrap_err();
        let VendorError::Changed { file } = error else {
            panic!("{error:?}");
        };
        assert!(file.ends_with("vendor/a/src/lib.rs"), "{file}");
        let missing = format!("\"src/gone.rs\":\"{}\"", Checksum::of(b""));
        assert!(try_take(top, &vendor(top, "a", &missing)).is_err());
    }

    #[test]
    fn what_is_not_there_is_left_for_cargo_to_miss() {
        let directory = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(directory.path()).unwrap();
        assert_eq!(try_take(top, &top.join("vendor")).unwrap(), []);
        assert_eq!(try_take(top, &vendor(top, "unrelated", "")).unwrap(), []);
    }
}
