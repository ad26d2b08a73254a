//! `Cargo.lock`: which packages it names and where they come from.
//!
//! All versions of the format are supported, including those with checksums in a table of their own (`[metadata]`).
//! Nothing here writes lock files: Cargo does. The crate `cargo-lock` (11.1) is not used: it panics on a checksum that
//! is not ASCII, and gives a package of an old lock file the checksum of any source with its name and version.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use vx_download::Checksum;

use crate::{GitSource, ParseSourceError, RegistrySource, Source};

/// A package of a registry that a lock file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the published archive.
    pub checksum: Checksum,
}

/// A package of a git repository that a lock file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GitPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a lock file names, without path packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lockfile {
    /// Packages of registries.
    pub registries: BTreeMap<RegistrySource, Vec<LockedPackage>>,
    /// Packages of git repositories, by commit.
    pub git: BTreeMap<GitSource, Vec<GitPackage>>,
    /// Commits that only unused patches name: Cargo reads them whenever it resolves.
    pub unused: BTreeSet<GitSource>,
}

/// A lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockfileError {
    /// It is not TOML, or does not have the structure of a lock file.
    #[error("it is not a valid lock file")]
    Syntax(#[source] Box<toml::de::Error>),
    /// A package of a registry has no SHA-256 checksum.
    #[error("the lock file has no valid checksum for {name} {version}")]
    Checksum {
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
    /// A package has a source of an unknown kind.
    #[error("the lock file has no valid source for {name} {version}")]
    Source {
        /// The package.
        name: String,
        /// Its version.
        version: String,
        /// Why.
        source: ParseSourceError,
    },
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    package: Vec<Entry>,
    #[serde(default)]
    metadata: BTreeMap<String, toml::Value>,
    #[serde(default)]
    patch: Patch,
}

#[derive(Default, Deserialize)]
struct Patch {
    #[serde(default)]
    unused: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

impl Lockfile {
    /// Reads the text of a lock file.
    pub fn parse(text: &str) -> Result<Self, LockfileError> {
        let document: Document = toml::from_str(text).map_err(|error| LockfileError::Syntax(Box::new(error)))?;
        let mut lockfile = Self::default();
        for entry in document.package {
            let Some((text, source)) = entry.source()? else {
                continue;
            };
            match source {
                Source::Registry(registry) => {
                    let package = locked(&entry, &text, &document.metadata)?;
                    lockfile.registries.entry(registry).or_default().push(package);
                }
                Source::Git(git) => lockfile.git.entry(git).or_default().push(GitPackage {
                    name: entry.name,
                    version: entry.version,
                }),
            }
        }
        for entry in document.patch.unused {
            if let Some((_, Source::Git(git))) = entry.source()? {
                lockfile.unused.insert(git);
            }
        }
        Ok(lockfile)
    }
}

impl Entry {
    /// Where the package comes from, as a text and parsed; `None` for a path.
    fn source(&self) -> Result<Option<(String, Source)>, LockfileError> {
        let Some(text) = &self.source else { return Ok(None) };
        let source = text.parse().map_err(|source| LockfileError::Source {
            name: self.name.clone(),
            version: self.version.clone(),
            source,
        })?;
        Ok(Some((text.clone(), source)))
    }
}

fn locked(
    entry: &Entry,
    source: &str,
    metadata: &BTreeMap<String, toml::Value>,
) -> Result<LockedPackage, LockfileError> {
    let Entry {
        name,
        version,
        checksum,
        ..
    } = entry;
    let aside = || {
        metadata
            .get(&format!("checksum {name} {version} ({source})"))
            .and_then(toml::Value::as_str)
    };
    let checksum = checksum.as_deref().or_else(aside).and_then(|text| text.parse().ok());
    Ok(LockedPackage {
        name: name.clone(),
        version: version.clone(),
        checksum: checksum.ok_or_else(|| LockfileError::Checksum {
            name: name.clone(),
            version: version.clone(),
        })?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn packages_are_told_apart_by_their_source() {
        let text = format!(
            r#"
version = 4
[[package]]
name = "here"
version = "0.1.0"
[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "{SUM}"
[[package]]
name = "b"
version = "2.0.0"
source = "git+https://example.com/b#{REVISION}"
[[package]]
name = "c"
version = "3.0.0"
source = "registry+https://example.com/index"
checksum = "{SUM}"
[[patch.unused]]
name = "d"
version = "4.0.0"
source = "git+https://example.com/d#{REVISION}"
"#
        );
        let lockfile = Lockfile::parse(&text).unwrap();
        let registries: Vec<_> = lockfile
            .registries
            .iter()
            .map(|(registry, packages)| (registry.to_string(), packages[0].name.as_str()))
            .collect();
        let expected = [
            ("crates.io".to_owned(), "a"),
            ("https://example.com/index".to_owned(), "c"),
        ];
        assert_eq!(registries, expected);
        let (git, packages) = lockfile.git.first_key_value().unwrap();
        assert_eq!((git.revision.as_str(), packages[0].name.as_str()), (REVISION, "b"));
        assert_eq!(lockfile.unused.first().unwrap().name(), "d");
    }

    #[test]
    fn old_lock_files_keep_checksums_aside() {
        let text = format!(
            r#"
[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[metadata]
"checksum a 1.0.0 (registry+https://github.com/rust-lang/crates.io-index)" = "{SUM}"
"#
        );
        let lockfile = Lockfile::parse(&text).unwrap();
        assert_eq!(
            lockfile.registries[&RegistrySource::CratesIo][0].checksum.to_string(),
            SUM
        );
    }

    #[test]
    fn a_source_of_unknown_kind_is_refused_by_name() {
        let text = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"ftp+x\"\n";
        let error = Lockfile::parse(text).unwrap_err();
        assert_eq!(error.to_string(), "the lock file has no valid source for a 1.0.0");
    }

    #[test]
    fn a_package_without_a_checksum_is_refused_by_name() {
        let text = r#"
[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
"#;
        let error = Lockfile::parse(text).unwrap_err();
        assert_eq!(error.to_string(), "the lock file has no valid checksum for a 1.0.0");
    }

    #[test]
    fn a_checksum_that_is_not_ascii_is_refused_by_name() {
        let text = format!(
            r#"
[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "a{}a"
"#,
            "é".repeat(31)
        );
        let error = Lockfile::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), "the lock file has no valid checksum for a 1.0.0");
    }

    #[test]
    fn in_old_lock_files_the_source_tells_checksums_apart() {
        let (crates_io, other) = (
            "registry+https://github.com/rust-lang/crates.io-index",
            "registry+https://example.com/index",
        );
        let sums = [SUM.to_owned(), "0".repeat(64)];
        let text = format!(
            r#"
[[package]]
name = "a"
version = "1.0.0"
source = "{crates_io}"
[[package]]
name = "a"
version = "1.0.0"
source = "{other}"
[metadata]
"checksum a 1.0.0 ({crates_io})" = "{}"
"checksum a 1.0.0 ({other})" = "{}"
"#,
            sums[0], sums[1]
        );
        let lockfile = Lockfile::parse(&text).unwrap();
        let found: Vec<_> = lockfile
            .registries
            .values()
            .map(|of| of[0].checksum.to_string())
            .collect();
        assert_eq!(found, sums);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Lockfile::parse(&text);
        }
    }
}
