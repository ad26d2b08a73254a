//! Component archives in the layout of rust-installer.
//!
//! `NAME-VERSION/PART/PATH` becomes `PATH`. `NAME-VERSION/components` lists the parts, and `PART/manifest.in` the
//! content of each, without duplicates.

use std::collections::BTreeSet;
use std::io::Read;

use vx_download::archive::{ArchiveError, Destination, Layout, Limits, Rules, Unpacker};

/// The content list of a component; the documentation's is the largest, with 1.5 MiB.
const LARGEST_LIST: u64 = 16 * 1024 * 1024;

/// What is allowed to components.
pub(crate) const RULES: Rules = Rules {
    has_links: true,
    replaces: false,
    keeps_times: true,
    replaces_invalid_utf8: false,
};

/// The limits of an archive of `size` bytes. The documentation has tens of thousands of similar files.
pub(super) fn limits(size: u64) -> Limits {
    Limits {
        bytes: size.saturating_mul(100).max(512 * 1024 * 1024),
        entries: 500_000,
    }
}

/// An archive's metadata.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The directory that contains everything.
    top: Option<String>,
    /// The text of `components`.
    parts: Option<String>,
    /// The texts of all `manifest.in`, by part.
    lists: Vec<(String, String)>,
    /// Directories that should be parts.
    directories: BTreeSet<String>,
}

impl Layout for Contents {
    fn destination(
        &mut self,
        path: &[&str],
        is_file: bool,
        content: &mut dyn Read,
    ) -> Result<Destination, ArchiveError> {
        let Some((top, rest)) = path.split_first() else {
            return Ok(Destination::Outside);
        };
        if *self.top.get_or_insert_with(|| (*top).to_owned()) != **top {
            return Ok(Destination::Outside);
        }
        match rest {
            ["components"] if is_file => self.parts = Some(read_text(content)?),
            [] => {}
            [_] if is_file => {}
            [part, path @ ..] => {
                self.directories.insert((*part).to_owned());
                match path {
                    [] => {}
                    ["manifest.in"] if is_file => self.lists.push(((*part).to_owned(), read_text(content)?)),
                    path => return Ok(Destination::Path(path.iter().collect())),
                }
            }
        }
        Ok(Destination::Nowhere)
    }
}

impl Contents {
    /// Checks that everything that the archive lists is in `unpacked`. Returns its list: `file:PATH` or `dir:PATH`, one
    /// per line.
    pub(crate) fn check(self, unpacked: &Unpacker<'_>) -> Result<String, ArchiveError> {
        let Some(parts) = self.parts else {
            return Err(ArchiveError::layout("it does not list its parts"));
        };
        let parts: BTreeSet<&str> = parts.lines().collect();
        if let Some(stray) = self.directories.iter().find(|name| !parts.contains(name.as_str())) {
            return Err(ArchiveError::layout(format!("`{stray}` is not among its parts")));
        }
        let has_list = |part: &&&str| self.lists.iter().any(|(name, _)| name == **part);
        if let Some(part) = parts.iter().find(|part| !has_list(part)) {
            return Err(ArchiveError::layout(format!("its part `{part}` has no list of files")));
        }
        let list: String = self.lists.iter().map(|(_, list)| list.as_str()).collect();
        for line in list.lines() {
            let path = line.strip_prefix("file:").or_else(|| line.strip_prefix("dir:"));
            if !path.is_some_and(|path| unpacked.has(path)) {
                return Err(ArchiveError::layout(format!(
                    "it lists what it does not contain: `{line}`"
                )));
            }
        }
        Ok(list)
    }
}

fn read_text(content: &mut dyn Read) -> Result<String, ArchiveError> {
    let mut text = String::new();
    content.take(LARGEST_LIST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_LIST {
        return Err(ArchiveError::layout("a list in it is too large"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use camino::{Utf8Path, Utf8PathBuf};
    use tar::EntryType;
    use vx_download::fuzzing::archive;

    use super::*;

    const FILE: EntryType = EntryType::Regular;
    const LINK: EntryType = EntryType::Symlink;

    const LIMITS: Limits = Limits {
        bytes: 64 * 1024,
        entries: 20,
    };

    struct Directory(tempfile::TempDir);

    impl Directory {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn to(&self) -> &Utf8Path {
            Utf8Path::from_path(self.0.path()).unwrap()
        }

        fn unpack(&self, archive: &[u8]) -> Result<String, ArchiveError> {
            let mut unpacker = Unpacker::new(self.to(), RULES, &|| false);
            let mut contents = Contents::default();
            unpacker.unpack_tar(archive, LIMITS, &mut contents)?;
            contents.check(&unpacker)
        }
    }

    #[test]
    fn files_lose_what_the_archive_puts_before_them() {
        let list = b"file:bin/rustc\nfile:lib/libx.so\ndir:lib\n";
        let archive = archive(&[
            ("t/", EntryType::Directory, b""),
            ("t/components", FILE, b"c\n"),
            ("t/install.sh", FILE, b"#!/bin/sh"),
            ("t/c/bin/rustc", FILE, b"program"),
            ("t/c/lib/libx.so", FILE, b"library"),
            ("t/c/lib/libx.so.1", LINK, b"libx.so"),
            ("t/c/bin/up", LINK, b"../lib/libx.so"),
            ("t/c/manifest.in", FILE, list),
        ]);
        let directory = Directory::new();
        assert_eq!(directory.unpack(&archive).unwrap().as_bytes(), list);
        let read = |path: &str| std::fs::read(directory.to().join(path)).unwrap();
        assert_eq!(read("bin/rustc"), b"program");
        assert_eq!(read("lib/libx.so.1"), b"library");
        assert_eq!(read("bin/up"), b"library");
        assert!(!directory.to().join("install.sh").exists());
    }

    #[test]
    fn everything_lies_in_one_directory() {
        let two = archive(&[("t/components", FILE, b"c\n"), ("u/c/x", FILE, b"")]);
        assert!(matches!(
            Directory::new().unpack(&two),
            Err(ArchiveError::Escape { .. })
        ));
    }

    #[test]
    fn an_archive_of_another_layout_is_refused() {
        let list: (&str, EntryType, &[u8]) = ("t/c/manifest.in", FILE, b"");
        let parts: (&str, EntryType, &[u8]) = ("t/components", FILE, b"c\n");
        for entries in [
            vec![list, ("t/c/a", FILE, b"")],
            vec![parts, ("t/c/a", FILE, b"")],
            vec![parts, ("t/c/manifest.in", FILE, b"file:a\n")],
            vec![parts, ("t/c/manifest.in", FILE, b"../x\n")],
            vec![parts, list, ("t/d/a", FILE, b"")],
        ] {
            let refused = Directory::new().unpack(&archive(&entries));
            assert!(matches!(refused, Err(ArchiveError::Layout { .. })), "{entries:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Directory::new().unpack(&bytes);
        }

        #[test]
        fn damaged_archives_are_refused_or_complete(position in 0..4096_usize, byte: u8) {
            let mut archive = archive(&[
                ("t/components", FILE, b"c\n"),
                ("t/c/manifest.in", FILE, b"file:d/a\n"),
                ("t/c/d/a", FILE, b"content"),
                ("t/c/d/l", LINK, b"a"),
            ]);
            let position = position % archive.len();
            archive[position] = byte;
            let directory = Directory::new();
            if let Ok(list) = directory.unpack(&archive) {
                let paths = list.lines().filter_map(|line| line.strip_prefix("file:"));
                let missing: Vec<Utf8PathBuf> = paths
                    .map(|path| directory.to().join(path))
                    .filter(|path| path.symlink_metadata().is_err())
                    .collect();
                proptest::prop_assert!(missing.is_empty(), "{missing:?}");
            }
        }
    }
}
