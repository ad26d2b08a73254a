//! `Cargo.lock`: which packages it names and where they come from.
//!
//! All versions of the format are read, also those that keep the checksums in a table of their own (`[metadata]`).
//! Nothing here writes a lock file: that is Cargo's.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Checksum;

/// A package of crates.io that a lock file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the published archive.
    pub checksum: Checksum,
}

/// Where a package comes from that is neither of crates.io nor a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OtherSource {
    /// A git repository.
    Git,
    /// Another registry than crates.io.
    Registry,
}

/// A package from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What kind of place it comes from.
    pub kind: OtherSource,
    /// The place, as the lock file names it.
    pub source: String,
}

/// What a lock file names, path packages left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lockfile {
    /// Packages of crates.io.
    pub packages: Vec<LockedPackage>,
    /// Packages from elsewhere.
    pub others: Vec<OtherPackage>,
}

/// A lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockfileError {
    /// It is not TOML, or not of the shape of a lock file.
    #[error("the lock file cannot be parsed")]
    Syntax(#[source] Box<toml::de::Error>),
    /// A package of crates.io has no checksum, or none that is a SHA-256.
    #[error("the lock file has no valid checksum for {name} {version}")]
    Checksum {
        /// The package.
        name: String,
        /// Its version.
        version: String,
    },
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    package: Vec<Entry>,
    #[serde(default)]
    metadata: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// How lock files and package ids name crates.io, one for each protocol of its index.
pub const CRATES_IO_SOURCES: &[&str] = &[
    "registry+https://github.com/rust-lang/crates.io-index",
    "sparse+https://index.crates.io/",
];

impl Lockfile {
    /// Reads the text of a lock file.
    pub fn parse(text: &str) -> Result<Self, LockfileError> {
        let document: Document = toml::from_str(text).map_err(|error| LockfileError::Syntax(Box::new(error)))?;
        let mut lockfile = Self::default();
        for entry in document.package {
            let Some(source) = &entry.source else { continue };
            if CRATES_IO_SOURCES.contains(&source.as_str()) {
                lockfile.packages.push(locked(&entry, source, &document.metadata)?);
            } else {
                let kind = if source.starts_with("git+") {
                    OtherSource::Git
                } else {
                    OtherSource::Registry
                };
                lockfile.others.push(OtherPackage {
                    name: entry.name,
                    version: entry.version,
                    kind,
                    source: source.clone(),
                });
            }
        }
        Ok(lockfile)
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
source = "git+https://example.com/b#abc"
[[package]]
name = "c"
version = "3.0.0"
source = "registry+https://example.com/index"
checksum = "{SUM}"
"#
        );
        let lockfile = Lockfile::parse(&text).unwrap();
        assert_eq!(lockfile.packages.len(), 1);
        assert_eq!(lockfile.packages[0].checksum.to_string(), SUM);
        let kinds: Vec<_> = lockfile
            .others
            .iter()
            .map(|other| (other.name.as_str(), other.kind))
            .collect();
        assert_eq!(kinds, [("b", OtherSource::Git), ("c", OtherSource::Registry)]);
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
        assert_eq!(Lockfile::parse(&text).unwrap().packages[0].checksum.to_string(), SUM);
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

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Lockfile::parse(&text);
        }
    }
}
