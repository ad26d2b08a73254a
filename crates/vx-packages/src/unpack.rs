//! Unpacking an archive that may be hostile: only plain files and directories, only below the package's own directory,
//! only so much.

use std::fs::File;
use std::io::{self, Read, Write as _};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use crate::LockedPackage;

/// An archive may always unpack to this many bytes …
const ALWAYS_ALLOWED: u64 = 512 * 1024 * 1024;
/// … and to this many times its own size.
const LARGEST_RATIO: u64 = 20;
/// No package has more entries.
const MOST_ENTRIES: u64 = 200_000;

/// An archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// An entry lies outside of the directory that the archive is for.
    #[error("the archive has an entry outside of its directory: `{entry}`")]
    Escape {
        /// Its path.
        entry: String,
    },
    /// An entry is neither a file nor a directory.
    #[error("the archive has an entry that is no plain file or directory: `{entry}`")]
    Special {
        /// Its path.
        entry: String,
    },
    /// The archive unpacks to too much.
    #[error("the archive unpacks to more than {limit} bytes or {MOST_ENTRIES} entries")]
    TooLarge {
        /// The bound, in bytes.
        limit: u64,
    },
    /// The archive is damaged, or the disk fails.
    #[error("the archive cannot be read, or its files cannot be written")]
    Io(#[from] io::Error),
}

/// Unpacks the archive of `package` into the empty directory `to`, for Cargo to read as part of a directory source.
pub(crate) fn unpack(package: &LockedPackage, archive: &Utf8Path, to: &Utf8Path) -> Result<(), UnpackError> {
    let file = File::open(archive)?;
    let limit = file.metadata()?.len().saturating_mul(LARGEST_RATIO).max(ALWAYS_ALLOWED);
    let prefix = format!("{}-{}", package.name, package.version);
    unpack_entries(GzDecoder::new(file), &prefix, to, limit)?;
    let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", package.checksum);
    write(&to.join(".cargo-checksum.json"), checksum.as_bytes(), false)?;
    Ok(())
}

pub(crate) fn unpack_entries(archive: impl Read, prefix: &str, to: &Utf8Path, limit: u64) -> Result<(), UnpackError> {
    let mut left = limit;
    // The decoder stops at the limit whatever the headers say; a little more is for the headers themselves.
    let bounded = archive.take(limit.saturating_add(MOST_ENTRIES * 1024));
    for (number, entry) in Archive::new(bounded).entries()?.enumerate() {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        left = left.checked_sub(entry.size()).ok_or(UnpackError::TooLarge { limit })?;
        if number as u64 >= MOST_ENTRIES {
            return Err(UnpackError::TooLarge { limit });
        }
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            continue;
        }
        let path = to.join(inside(&name, prefix).ok_or_else(|| UnpackError::Escape { entry: name.clone() })?);
        match kind {
            EntryType::Directory => std::fs::create_dir_all(&path)?,
            EntryType::Regular | EntryType::Continuous => {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                let is_executable = entry.header().mode()? & 0o111 != 0;
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                write(&path, &content, is_executable)?;
            }
            _ => return Err(UnpackError::Special { entry: name }),
        }
    }
    Ok(())
}

/// The path of an entry below the directory `prefix`; none where it lies elsewhere.
fn inside(name: &str, prefix: &str) -> Option<Utf8PathBuf> {
    let mut components = Utf8Path::new(name).components();
    if components.next() != Some(Utf8Component::Normal(prefix)) {
        return None;
    }
    let plain = components
        .clone()
        .all(|component| matches!(component, Utf8Component::Normal(_)));
    (plain && !name.contains(['\0', '\\'])).then(|| components.as_path().to_owned())
}

/// Writes a new file that nobody is to change: build scripts run in these directories.
fn write(path: &Utf8Path, content: &[u8], is_executable: bool) -> io::Result<()> {
    let mut file = match File::create_new(path) {
        // A later entry of the same name replaces the earlier one, as tar has it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            File::create_new(path)?
        }
        created => created?,
    };
    file.write_all(content)?;
    cfg_if::cfg_if! {
        if #[cfg(unix)] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = if is_executable { 0o555 } else { 0o444 };
            file.set_permissions(std::fs::Permissions::from_mode(mode))
        } else {
            let _ = is_executable;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive made by hand: `tar::Builder` refuses to write what is tested here.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    fn try_unpack(entries: &[(&str, EntryType, &[u8])]) -> Result<tempfile::TempDir, UnpackError> {
        let dir = tempfile::tempdir().unwrap();
        let to = Utf8Path::from_path(dir.path()).unwrap().join("to");
        std::fs::create_dir(&to).unwrap();
        unpack_entries(&archive(entries)[..], "a-1.0.0", &to, 4096)?;
        Ok(dir)
    }

    #[test]
    fn files_are_unpacked_and_cannot_be_written() {
        let dir = try_unpack(&[("a-1.0.0/src/lib.rs", EntryType::Regular, b"//")]).unwrap();
        let file = dir.path().join("to/src/lib.rs");
        assert_eq!(std::fs::read(&file).unwrap(), b"//");
        assert!(std::fs::metadata(&file).unwrap().permissions().readonly());
    }

    #[test]
    fn escapes_are_refused() {
        for name in ["../x", "/x", "a-1.0.0/../../x", "b-1.0.0/x", "a-1.0.0/../x", "x"] {
            let refused = try_unpack(&[(name, EntryType::Regular, b"")]);
            assert!(matches!(refused, Err(UnpackError::Escape { .. })), "{name}");
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo] {
            let refused = try_unpack(&[("a-1.0.0/x", kind, b"")]);
            assert!(matches!(refused, Err(UnpackError::Special { .. })), "{kind:?}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        let refused = try_unpack(&[("a-1.0.0/x", EntryType::Regular, &[0; 5000])]);
        assert!(matches!(refused, Err(UnpackError::TooLarge { limit: 4096 })));
    }

    proptest::proptest! {
        #[test]
        fn no_name_leads_outside(name in "(a-1\\.0\\.0|\\.\\.|\\.|x|/){1,3}(/(\\.\\.|\\.|x|y)){0,4}") {
            if let Some(path) = inside(&name, "a-1.0.0") {
                let plain = path.components().all(|component| matches!(component, Utf8Component::Normal(_)));
                proptest::prop_assert!(plain, "{}", path);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            let _ = unpack_entries(&bytes[..], "a-1.0.0", Utf8Path::from_path(dir.path()).unwrap(), 4096);
        }
    }
}
