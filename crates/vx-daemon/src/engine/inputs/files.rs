//! Digests of files on disk, remembered by stamp, so that an unchanged file is never read twice.
//!
//! A digest is remembered only if the file was last touched well before it was read: within one tick of the file
//! system's clock, a second write would not change the stamp. This does not know about keys or units.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use vx_model::{Digest, DigestHasher};

/// An upper bound for the ticks of file system clocks (Linux: one jiffy, at most 10 ms).
pub(crate) const CLOCK_TICK: Duration = Duration::from_millis(10);

/// What `stat` reports about a file. Equal stamps mean equal content, except for writes within one [`CLOCK_TICK`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
    inode: (u64, u64),
}

impl Stamp {
    /// The stamp of an open or named file.
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        cfg_if::cfg_if! {
            if #[cfg(unix)] {
                use std::os::unix::fs::MetadataExt as _;
                let ns = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
                Self {
                    size: metadata.len(),
                    modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
                    changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
                    inode: (metadata.dev(), metadata.ino()),
                }
            } else {
                let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                let modified_ns = modified.map_or(0, |time| time.as_nanos() as i128);
                Self { size: metadata.len(), modified_ns, changed_ns: modified_ns, inode: (0, 0) }
            }
        }
    }

    /// When its content was last modified, in nanoseconds since the Unix epoch.
    pub(crate) fn modified_ns(&self) -> i128 {
        self.modified_ns
    }

    /// When the file was last touched, in nanoseconds since the Unix epoch.
    pub(crate) fn touched_ns(&self) -> i128 {
        self.modified_ns.max(self.changed_ns)
    }
}

/// Whether the owner may execute the file.
pub(crate) fn is_executable(metadata: &std::fs::Metadata) -> bool {
    cfg_if::cfg_if! {
        if #[cfg(unix)] {
            use std::os::unix::fs::PermissionsExt as _;
            metadata.permissions().mode() & 0o100 != 0
        } else {
            metadata.is_file()
        }
    }
}

/// Digests by path.
#[derive(Debug, Default)]
pub(crate) struct FileDigests {
    known: RwLock<HashMap<String, (Stamp, Digest)>>,
}

impl FileDigests {
    /// The digest of the file at `path`, following links; `None` if it does not exist or is not a regular file.
    pub(crate) fn digest(&self, path: &str) -> io::Result<Option<Digest>> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => return Ok(None),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stamp = Stamp::of(&metadata);
        if let Some((known, digest)) = self.known.read().get(path)
            && *known == stamp
        {
            return Ok(Some(*digest));
        }
        self.hash(path)
    }

    /// Whether the file at `path` has the content of `digest`; false if it cannot be read.
    pub(crate) fn holds(&self, path: &str, digest: Digest) -> bool {
        let has_size = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() == digest.size_bytes);
        has_size && self.digest(path).is_ok_and(|found| found == Some(digest))
    }

    fn hash(&self, path: &str) -> io::Result<Option<Digest>> {
        let now = now_ns();
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let before = Stamp::of(&file.metadata()?);
        let mut hasher = DigestHasher::default();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => hasher.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let digest = hasher.finish();
        let settled = before.touched_ns() + (CLOCK_TICK.as_nanos() as i128) < now;
        if settled && Stamp::of(&file.metadata()?) == before {
            self.known.write().insert(path.to_owned(), (before, digest));
        }
        Ok(Some(digest))
    }
}

/// Whether the file at `path` was touched at or after `since_ns`, according to its stamp.
pub(crate) fn touched_since(path: &Path, since_ns: i128) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata).touched_ns() >= since_ns)
}

/// Whether `error` means that nothing exists at the path.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The time, in nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> i128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos() as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_follows_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let text = path.to_str().unwrap();
        let files = FileDigests::default();
        assert_eq!(files.digest(text).unwrap(), None);
        for content in ["one", "two", "one"] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(files.digest(text).unwrap(), Some(Digest::of(content.as_bytes())));
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(files.digest(text).unwrap(), None);
    }

    #[test]
    fn a_digest_of_a_file_just_written_is_not_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "now").unwrap();
        let files = FileDigests::default();
        files.digest(path.to_str().unwrap()).unwrap();
        assert!(files.known.read().is_empty());
    }

    #[test]
    fn a_directory_has_no_digest() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            FileDigests::default().digest(dir.path().to_str().unwrap()).unwrap(),
            None
        );
    }
}
