//! What tests and fuzzers of archives share, in this crate and in those that unpack with it: hostile entries, and the
//! property that nothing is written outside the directory for an archive. Not part of the interface.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use tar::{EntryType, Header};

use crate::archive::Limits;

/// The limits of a hostile archive.
pub const LIMITS: Limits = Limits {
    bytes: 64 * 1024,
    entries: 100,
};

/// The names of hostile entries, as a regular expression.
pub const NAMES: &str = "(/|\\.\\./)?(p-1.0.0|top)/(part/)?(\\.\\./){0,3}[ab./]{0,6}";

/// Where hostile links lead, as a regular expression.
pub const LINKS: &str = "(/|(\\.\\./){0,3})[ab./]{0,5}";

/// The kinds of hostile entries.
pub const KINDS: &[EntryType] = &[
    EntryType::Regular,
    EntryType::Directory,
    EntryType::Symlink,
    EntryType::Link,
    EntryType::Fifo,
    EntryType::GNULongName,
];

/// A tar file of hostile entries: name, kind, link target and content. `damage`: which byte is replaced, and by what.
pub fn hostile_archive(entries: &[(String, EntryType, String, Vec<u8>)], damage: Option<(usize, u8)>) -> Vec<u8> {
    let entries = entries.iter();
    let mut bytes: Vec<u8> = entries
        .flat_map(|(name, kind, link, content)| entry(name, *kind, link, content))
        .collect();
    if let Some((at, byte)) = damage
        && !bytes.is_empty()
    {
        let at = at % bytes.len();
        bytes[at] = byte;
    }
    bytes
}

/// Gives `unpack` a directory, and checks that everything there is below it afterwards, including link targets.
pub fn in_directory(unpack: impl FnOnce(&Utf8Path)) -> io::Result<()> {
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
            // A dangling link must be inside too once its parents are resolved.
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

/// The header of an entry that `tar` itself may refuse to write.
pub fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    let name = &name.as_bytes()[..name.len().min(99)];
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o755);
    header.set_mtime(1_000_000_000);
    header.set_cksum();
    header
}

/// An entry; `link` is its target, if it is a link.
fn entry(name: &str, kind: EntryType, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = header(name, kind, content.len() as u64);
    // A target that does not fit is left out.
    let _ = header.set_link_name_literal(link.as_bytes());
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A tar file of entries: path, kind, and content or link target.
pub fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in entries {
        bytes.extend(match *kind {
            EntryType::Symlink => entry(name, *kind, &String::from_utf8_lossy(content), b""),
            kind => entry(name, kind, "", content),
        });
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}
