//! Channel manifests, version 2: the parts needed to choose and fetch components.

use std::collections::BTreeMap;

use serde::Deserialize;
use vx_download::archive::Format;
use vx_download::{Checksum, ParseChecksumError};

use super::ManifestError;

/// The target of components that are the same for all.
pub(super) const EVERY_TARGET: &str = "*";

/// What a channel holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// `1.95.0 (59807616e 2026-04-14)`, if present.
    pub(super) version: Option<String>,
    packages: BTreeMap<String, Package>,
    /// The user's name for a package, and the manifest's.
    renames: BTreeMap<String, String>,
    pub(super) profiles: BTreeMap<String, Vec<String>>,
}

/// Archives by target, the preferred one first. A target without archives is known but not available.
type Package = BTreeMap<String, Vec<Archive>>;

/// One form of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Archive {
    pub(super) format: Format,
    /// Its address in the manifest.
    pub(super) url: String,
    pub(super) checksum: Checksum,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawManifest {
    manifest_version: String,
    #[serde(default)]
    pkg: BTreeMap<String, RawPackage>,
    #[serde(default)]
    renames: BTreeMap<String, RawRename>,
    #[serde(default)]
    profiles: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct RawPackage {
    version: Option<String>,
    #[serde(default)]
    target: BTreeMap<String, RawTarget>,
}

#[derive(Deserialize)]
struct RawTarget {
    available: bool,
    url: Option<String>,
    hash: Option<String>,
    xz_url: Option<String>,
    xz_hash: Option<String>,
    zst_url: Option<String>,
    zst_hash: Option<String>,
}

#[derive(Deserialize)]
struct RawRename {
    to: String,
}

/// Only the version, to recognize a manifest of another version.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Version {
    manifest_version: String,
}

impl Manifest {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(bytes)?;
        let raw: RawManifest = toml::from_str(text).map_err(|error| match toml::from_str::<Version>(text) {
            Ok(version) if version.manifest_version != "2" => ManifestError::Version(version.manifest_version),
            _ => ManifestError::Parse(Box::new(error)),
        })?;
        if raw.manifest_version != "2" {
            return Err(ManifestError::Version(raw.manifest_version));
        }
        let version = raw.pkg.get("rustc").and_then(|package| package.version.clone());
        let mut packages = BTreeMap::new();
        for (name, package) in raw.pkg {
            let mut targets = Package::new();
            for (target, raw) in package.target {
                let archives = raw.archives().map_err(|source| ManifestError::Checksum {
                    component: format!("{name}-{target}"),
                    source,
                })?;
                targets.insert(target, archives);
            }
            packages.insert(name, targets);
        }
        Ok(Self {
            version,
            packages,
            renames: raw
                .renames
                .into_iter()
                .map(|(name, rename)| (name, rename.to))
                .collect(),
            profiles: raw.profiles,
        })
    }

    /// The package that users call `name`.
    pub(super) fn package(&self, name: &str) -> Option<(&str, &Package)> {
        let name = self.renames.get(name).map_or(name, String::as_str);
        let (name, package) = self.packages.get_key_value(name)?;
        Some((name, package))
    }
}

impl RawTarget {
    fn archives(self) -> Result<Vec<Archive>, ParseChecksumError> {
        if !self.available {
            return Ok(Vec::new());
        }
        let mut archives = Vec::new();
        for (format, url, hash) in [
            (Format::Zst, self.zst_url, self.zst_hash),
            (Format::Xz, self.xz_url, self.xz_hash),
            (Format::Gz, self.url, self.hash),
        ] {
            if let (Some(url), Some(hash)) = (url, hash) {
                let checksum = hash.parse()?;
                archives.push(Archive { format, url, checksum });
            }
        }
        Ok(archives)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASHES: [&str; 3] = [
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0000000000000000000000000000000000000000000000000000000000000002",
        "0000000000000000000000000000000000000000000000000000000000000003",
    ];

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(text.as_bytes())
    }

    #[test]
    fn the_best_form_comes_first() {
        let [gz, xz, zst] = HASHES;
        let text = format!(
            "manifest-version = \"2\"\n[pkg.a.target.x]\navailable = true\nurl = \"u\"\nhash = \"{gz}\"\n\
             xz_url = \"ux\"\nxz_hash = \"{xz}\"\nzst_url = \"uz\"\nzst_hash = \"{zst}\"\n"
        );
        let manifest = parse(&text).unwrap();
        let (_, package) = manifest.package("a").unwrap();
        let found: Vec<_> = package["x"]
            .iter()
            .map(|archive| (archive.format, archive.url.as_str()))
            .collect();
        assert_eq!(found, [(Format::Zst, "uz"), (Format::Xz, "ux"), (Format::Gz, "u")]);
    }

    #[test]
    fn what_is_not_available_has_no_archive() {
        let manifest = parse("manifest-version = \"2\"\n[pkg.a.target.x]\navailable = false\n").unwrap();
        assert!(manifest.package("a").unwrap().1["x"].is_empty());
    }

    #[test]
    fn renamed_packages_are_found_by_both_names() {
        let text = "manifest-version = \"2\"\n[pkg.clippy-preview]\n[renames.clippy]\nto = \"clippy-preview\"\n";
        let manifest = parse(text).unwrap();
        for name in ["clippy", "clippy-preview"] {
            assert_eq!(manifest.package(name).unwrap().0, "clippy-preview");
        }
        assert!(manifest.package("rustfmt").is_none());
    }

    #[test]
    fn others_are_refused() {
        assert!(matches!(parse("<html>"), Err(ManifestError::Parse(_))));
        assert!(matches!(parse(""), Err(ManifestError::Parse(_))));
        assert!(matches!(Manifest::parse(&[0xff]), Err(ManifestError::Utf8(_))));
        for rest in ["", "[pkg]\nx = 1\n"] {
            let refused = parse(&format!("manifest-version = \"3\"\n{rest}"));
            assert!(matches!(refused, Err(ManifestError::Version(version)) if version == "3"));
        }
        let hash = "manifest-version = \"2\"\n[pkg.a.target.x]\navailable = true\nurl = \"u\"\nhash = \"short\"\n";
        assert!(matches!(parse(hash), Err(ManifestError::Checksum { .. })));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse(&text);
        }

        #[test]
        fn every_available_archive_is_found(
            packages in proptest::collection::btree_map(
                "[a-z]{1,8}(-preview)?",
                proptest::collection::btree_map("[a-z0-9_]{1,6}-[a-z]{1,6}|\\*", (any::<bool>(), 0..3_usize), 0..4),
                0..4,
            ),
        ) {
            let mut text = "manifest-version = \"2\"\n".to_owned();
            for (package, targets) in &packages {
                text += &format!("[pkg.{package}]\nversion = \"1\"\n");
                for (target, (available, hash)) in targets {
                    text += &format!("[pkg.{package}.target.\"{target}\"]\navailable = {available}\n");
                    if *available {
                        text += &format!("xz_url = \"at/{target}\"\nxz_hash = \"{}\"\n", HASHES[*hash]);
                    }
                }
            }
            let manifest = parse(&text).unwrap();
            for (package, targets) in &packages {
                let (_, found) = manifest.package(package).unwrap();
                prop_assert_eq!(found.len(), targets.len());
                for (target, (available, hash)) in targets {
                    let checksums: Vec<_> = found[target].iter().map(|archive| archive.checksum.to_string()).collect();
                    let expected: Vec<_> = available.then_some(HASHES[*hash].to_owned()).into_iter().collect();
                    prop_assert_eq!(checksums, expected);
                }
            }
        }
    }
}
