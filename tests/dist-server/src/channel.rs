//! A release channel: components, and the manifest that lists them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{Content, Format, Shelf};

/// The day of the release, in all paths.
const DATE: &str = "2026-04-16";

/// A channel about to be put on a shelf.
#[derive(Debug, Clone)]
pub struct Channel {
    /// `1.95.0 (59807616e 2026-04-14)`.
    version: String,
    /// What the addresses in the manifest begin with.
    addresses: String,
    components: BTreeMap<(String, String), Vec<(Format, Content)>>,
}

impl Channel {
    /// A channel without components, whose addresses begin with `addresses`.
    pub fn new(version: &str, addresses: &str) -> Self {
        Self {
            version: version.to_owned(),
            addresses: addresses.to_owned(),
            components: BTreeMap::new(),
        }
    }

    /// Adds a component in one more form. The target is `*` for one that is the same for all.
    pub fn with(mut self, package: &str, target: &str, format: Format, archive: Content) -> Self {
        let key = (package.to_owned(), target.to_owned());
        self.components.entry(key).or_default().push((format, archive));
        self
    }

    /// Puts the channel on a shelf, under all of its names (`stable`, `1.95.0`), with checksums of the manifests.
    pub fn put_on(&self, shelf: &mut Shelf, names: &[&str]) {
        let manifest = self.manifest(shelf);
        for name in names {
            shelf.put_manifest(name, manifest.as_bytes());
        }
    }

    /// The SHA-256 of the manifest, hexadecimal.
    pub fn manifest_checksum(&self) -> String {
        crate::shelf::sha256(self.manifest(&mut Shelf::default()).as_bytes())
    }

    /// The path of a component's archive on a shelf.
    pub fn path(&self, package: &str, target: &str, format: Format) -> String {
        let release = self.version.split(' ').next().unwrap_or_default();
        let target = match target {
            "*" => String::new(),
            target => format!("-{target}"),
        };
        format!("dist/{DATE}/{package}-{release}{target}.{}", format.extension())
    }

    fn manifest(&self, shelf: &mut Shelf) -> String {
        let mut text = format!("manifest-version = \"2\"\ndate = \"{DATE}\"\n");
        let mut last = None;
        for ((package, target), archives) in &self.components {
            if last.replace(package) != Some(package) {
                write!(text, "\n[pkg.{package}]\nversion = \"{}\"\n", self.version).unwrap();
            }
            write!(text, "\n[pkg.{package}.target.\"{target}\"]\navailable = true\n").unwrap();
            for (format, archive) in archives {
                let prefix = match format {
                    Format::Gz => "",
                    Format::Xz => "xz_",
                    Format::Zst => "zst_",
                };
                let path = self.path(package, target, *format);
                writeln!(text, "{prefix}url = \"{}/{path}\"", self.addresses).unwrap();
                writeln!(text, "{prefix}hash = \"{}\"", archive.sha256()).unwrap();
                shelf.put(path, archive.clone());
            }
            text += "components = []\nextensions = []\n";
        }
        text += "\n[renames.clippy]\nto = \"clippy-preview\"\n";
        text += "\n[profiles]\nminimal = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\"]\n";
        text
    }
}

impl Shelf {
    /// Replaces the manifest of a channel with anything, with its right checksum beside it.
    pub fn put_manifest(&mut self, name: &str, manifest: &[u8]) {
        let path = format!("dist/channel-rust-{name}.toml");
        let checksum = format!("{}  channel-rust-{name}.toml\n", crate::sha256(manifest));
        self.put(format!("{path}.sha256"), checksum.into());
        self.put(path, manifest.to_owned().into());
    }
}
