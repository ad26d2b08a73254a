//! What must hold whatever a server, an archive or a project says: readers refuse or understand, and nothing is written
//! outside of the directory that an archive is for. Fuzzers and property tests call these functions; they are no part of
//! the interface.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::Lockfile;
use crate::choose::toolchain_file;
use crate::dist::{manifest, unpack as component};
use crate::packages::unpack as package;

/// What an archive may unpack to here.
const LIMIT: u64 = 64 * 1024;

/// The tar file of a package, decompressed.
pub fn package_archive(bytes: &[u8]) -> io::Result<()> {
    in_directory(|directory| {
        // Refused or not, it stays where it belongs.
        let _ = package::unpack_entries(bytes, "p-1.0.0", directory, LIMIT);
    })
}

/// The tar file of a toolchain's component, decompressed.
pub fn component_archive(bytes: &[u8]) -> io::Result<()> {
    let limits = component::Limits {
        bytes: LIMIT,
        entries: 100,
    };
    in_directory(|directory| {
        let _ = component::Unpacker::new(directory, &|| false).unpack_tar(bytes, limits);
    })
}

/// The manifest of a channel.
pub fn channel_manifest(bytes: &[u8]) {
    let _ = manifest::Manifest::parse(bytes);
}

/// A lock file.
pub fn lockfile(text: &str) {
    let _ = Lockfile::parse(text);
}

/// A `rust-toolchain` or `rust-toolchain.toml`.
pub fn toolchain_file(text: &str) {
    for may_be_bare in [false, true] {
        let _ = toolchain_file::parse(text, Utf8Path::new("/project"), may_be_bare);
    }
}

/// Gives `unpack` a directory, and sees that everything that is there afterwards is below it, links included.
fn in_directory(unpack: impl FnOnce(&Utf8Path)) -> io::Result<()> {
    let outer = tempfile::tempdir()?;
    let root = Utf8PathBuf::try_from(outer.path().canonicalize()?).map_err(io::Error::other)?;
    let inner = root.join("inner");
    std::fs::create_dir(&inner)?;
    unpack(&inner);
    let outside: Vec<_> = root.read_dir_utf8()?.collect::<Result<_, _>>()?;
    assert_eq!(outside.len(), 1, "outside of its directory: {outside:?}");
    for entry in walkdir::WalkDir::new(&inner) {
        let entry = entry?;
        if entry.path_is_symlink() {
            let target = entry
                .path()
                .parent()
                .unwrap_or(outer.path())
                .join(std::fs::read_link(entry.path())?);
            // One that leads nowhere leads nowhere else either once its parents are resolved.
            let reached = target.canonicalize().unwrap_or_else(|_| entry.path().to_owned());
            assert!(
                reached.starts_with(&inner),
                "{} leads to {}",
                entry.path().display(),
                reached.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tar::{EntryType, Header};

    /// An entry that `tar` itself may refuse to write.
    fn entry(name: &str, kind: EntryType, link: &str, content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_ustar();
        let name = &name.as_bytes()[..name.len().min(99)];
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let _ = header.set_link_name_literal(link.as_bytes());
        header.set_cksum();
        let mut bytes = [header.as_bytes(), content].concat();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn kinds() -> impl Strategy<Value = EntryType> {
        let kinds = [
            EntryType::Regular,
            EntryType::Directory,
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Fifo,
            EntryType::GNULongName,
        ];
        prop::sample::select(kinds.to_vec())
    }

    prop_compose! {
        fn entries()(name in "(/|\\.\\./)?(p-1.0.0|top)/(part/)?(\\.\\./){0,3}[ab./]{0,6}", kind in kinds(),
            link in "(/|(\\.\\./){0,3})[ab./]{0,5}", content in prop::collection::vec(any::<u8>(), 0..20)) -> Vec<u8> {
            entry(&name, kind, &link, &content)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn archives_of_strangers(entries in prop::collection::vec(entries(), 0..6), at: prop::sample::Index, byte: u8, damaged: bool) {
            let mut bytes = entries.concat();
            if damaged && !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            super::package_archive(&bytes).unwrap();
            super::component_archive(&bytes).unwrap();
        }

        #[test]
        fn texts(text in "(?s).{0,300}|(manifest-version|channel|name|source|\\[package\\]|\\[\\[package\\]\\]|=|\"|\n| ){0,40}") {
            super::channel_manifest(text.as_bytes());
            super::lockfile(&text);
            super::toolchain_file(&text);
        }

        #[test]
        fn noise(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            super::package_archive(&bytes).unwrap();
            super::component_archive(&bytes).unwrap();
            super::channel_manifest(&bytes);
        }
    }
}
