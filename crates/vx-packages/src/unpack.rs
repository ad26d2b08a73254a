//! Unpacks the archive of a package: only plain files and directories, only below the package's own directory.

use std::fs::File;
use std::io::Read;

use camino::Utf8Path;
use vx_download::archive::{ArchiveError, Destination, Format, Layout, Limits, Rules, Unpacker};

use crate::LockedPackage;

/// An archive may always contain this many bytes …
const ALWAYS_ALLOWED: u64 = 512 * 1024 * 1024;
/// … and to this many times its own size.
const LARGEST_RATIO: u64 = 20;
/// No package has more entries.
pub(crate) const MOST_ENTRIES: u64 = 200_000;

/// What is allowed to packages.
pub(crate) const RULES: Rules = Rules {
    has_links: false,
    replaces: true,
    keeps_times: false,
    replaces_invalid_utf8: true,
};

/// Unpacks the archive of `package` into the empty directory `to`, for Cargo to read as part of a directory source.
pub(crate) fn unpack(package: &LockedPackage, archive: &Utf8Path, to: &Utf8Path) -> Result<(), ArchiveError> {
    let file = File::open(archive)?;
    let limits = Limits {
        bytes: file.metadata()?.len().saturating_mul(LARGEST_RATIO).max(ALWAYS_ALLOWED),
        entries: MOST_ENTRIES,
    };
    let mut unpacker = Unpacker::new(to, RULES, &|| false);
    let mut layout = Below(format!("{}-{}", package.name, package.version));
    unpacker.unpack(file, Format::Gz, limits, &mut layout)?;
    let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", package.checksum);
    Ok(unpacker.add(".cargo-checksum.json".into(), checksum.as_bytes())?)
}

/// Everything is in a directory of this name, which is left out.
pub(crate) struct Below(pub(crate) String);

impl Layout for Below {
    fn destination(&mut self, path: &[&str], _: bool, _: &mut dyn Read) -> Result<Destination, ArchiveError> {
        Ok(match path {
            [top, path @ ..] if *top == self.0 => Destination::Path(path.iter().collect()),
            _ => Destination::Outside,
        })
    }
}

#[cfg(test)]
mod tests {
    use tar::EntryType;
    use vx_download::fuzzing::archive;

    use super::*;

    fn try_unpack(entries: &[(&str, EntryType, &[u8])]) -> Result<tempfile::TempDir, ArchiveError> {
        let dir = tempfile::tempdir().unwrap();
        let to = Utf8Path::from_path(dir.path()).unwrap().join("to");
        std::fs::create_dir(&to).unwrap();
        unpack_tar(&archive(entries), &to)?;
        Ok(dir)
    }

    fn unpack_tar(archive: &[u8], to: &Utf8Path) -> Result<(), ArchiveError> {
        let limits = Limits {
            bytes: 4096,
            entries: MOST_ENTRIES,
        };
        let mut layout = Below("a-1.0.0".to_owned());
        Unpacker::new(to, RULES, &|| false).unpack_tar(archive, limits, &mut layout)
    }

    /// An archive with one file of this name, whose header `change` changes.
    fn archive_of(name: &[u8], change: impl Fn(&mut tar::Header)) -> Vec<u8> {
        let mut header = vx_download::fuzzing::header("", EntryType::Regular, 2);
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        change(&mut header);
        header.set_cksum();
        let mut archive = header.as_bytes().to_vec();
        archive.extend_from_slice(b"//");
        archive.resize(512 * 4, 0);
        archive
    }

    /// As in `filetime` 0.1.15, which was packed when Cargo was young.
    #[test]
    fn an_old_package_without_a_readable_time_is_unpacked() {
        let archive = archive_of(b"a-1.0.0/src/lib.rs", |header| {
            header.as_mut_bytes()[136..148].fill(b' ')
        });
        let dir = tempfile::tempdir().unwrap();
        let to = Utf8Path::from_path(dir.path()).unwrap();
        unpack_tar(&archive, to).unwrap();
        assert_eq!(std::fs::read(to.join("src/lib.rs")).unwrap(), b"//");
    }

    #[test]
    fn a_name_that_is_not_utf_8_does_not_keep_a_package_from_being_unpacked() {
        let archive = archive_of(b"a-1.0.0/tests/\xe9.txt", |_| ());
        let dir = tempfile::tempdir().unwrap();
        let to = Utf8Path::from_path(dir.path()).unwrap();
        unpack_tar(&archive, to).unwrap();
        assert_eq!(std::fs::read_dir(to.join("tests")).unwrap().count(), 1);
    }

    #[test]
    fn files_are_unpacked_and_cannot_be_written() {
        let dir = try_unpack(&[("a-1.0.0/src/lib.rs", EntryType::Regular, b"//")]).unwrap();
        let file = dir.path().join("to/src/lib.rs");
        assert_eq!(std::fs::read(&file).unwrap(), b"//");
        assert!(std::fs::metadata(&file).unwrap().permissions().readonly());
    }

    #[test]
    fn a_later_file_replaces_an_earlier_one() {
        let versions: [&[u8]; 2] = [b"1", b"2"];
        let dir = try_unpack(&versions.map(|content| ("a-1.0.0/x", EntryType::Regular, content))).unwrap();
        assert_eq!(std::fs::read(dir.path().join("to/x")).unwrap(), b"2");
    }

    #[test]
    fn escapes_are_refused() {
        for name in ["../x", "/x", "a-1.0.0/../../x", "b-1.0.0/x", "a-1.0.0/../x", "x"] {
            let refused = try_unpack(&[(name, EntryType::Regular, b"")]);
            assert!(matches!(refused, Err(ArchiveError::Escape { .. })), "{name}");
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo] {
            let refused = try_unpack(&[("a-1.0.0/x", kind, b"")]);
            assert!(matches!(refused, Err(ArchiveError::Special { .. })), "{kind:?}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let refused = try_unpack(&[("a-1.0.0/x", EntryType::Regular, &[0; 5000])]);
        assert!(matches!(refused, Err(ArchiveError::TooLarge { bytes: 4096, .. })));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            let _ = unpack_tar(&bytes, Utf8Path::from_path(dir.path()).unwrap());
        }
    }
}
