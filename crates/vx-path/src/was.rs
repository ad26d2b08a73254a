//! What was at a path when it was used, to be compared with what is there later.

use camino::Utf8Path;
use facet::Facet;

/// What `lstat` reports of a path: equal values mean that it was not touched in between, except for writes within one
/// tick of the file system's clock.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// Kind and permission bits.
    pub mode: u32,
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// Length in bytes.
    pub size: u64,
    /// When the content changed last, in nanoseconds since the Unix epoch.
    pub modified_ns: i64,
    /// When anything about it changed last, likewise.
    pub changed_ns: i64,
}

/// What was at a path, links not followed.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Was {
    /// Nothing.
    Absent,
    /// This.
    There(Stamp),
    /// Not the same at each use.
    Unsteady,
}

/// The kinds of files in a mode.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const DIRECTORY: u32 = 0o040_000;

impl Was {
    /// What is at `path` now.
    pub fn at(path: &Utf8Path) -> Self {
        std::fs::symlink_metadata(path).map_or(Self::Absent, |metadata| Self::of(&metadata))
    }

    /// What has this metadata.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        cfg_if::cfg_if! {
            if #[cfg(unix)] {
                use std::os::unix::fs::MetadataExt as _;
                let ns = |seconds: i64, part: i64| seconds.saturating_mul(1_000_000_000).saturating_add(part);
                Self::There(Stamp {
                    mode: metadata.mode(),
                    device: metadata.dev(),
                    inode: metadata.ino(),
                    size: metadata.size(),
                    modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
                    changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
                })
            } else {
                Self::There(Stamp { size: metadata.len(), ..Stamp::default() })
            }
        }
    }

    /// Whether the path was not touched before it was `later`. Entries of a directory may have come and gone, and the
    /// times of a device or a socket mean nothing.
    pub fn is_still(self, later: Self) -> bool {
        match (self, later) {
            (Self::Absent, Self::Absent) => true,
            (Self::There(before), Self::There(after)) => match before.mode & KIND {
                REGULAR | LINK => before == after,
                _ => (before.mode, before.device, before.inode) == (after.mode, after.device, after.inode),
            },
            _ => false,
        }
    }

    /// Whether it is a symbolic link.
    pub fn is_link(self) -> bool {
        self.is_of(LINK)
    }

    /// Whether it is a directory.
    pub fn is_directory(self) -> bool {
        self.is_of(DIRECTORY)
    }

    fn is_of(self, kind: u32) -> bool {
        matches!(self, Self::There(stamp) if stamp.mode & KIND == kind)
    }

    /// Whether it shows for ever if this is changed: the time of the change of a file or link cannot be put back.
    pub fn is_lasting(self) -> bool {
        self.is_of(REGULAR) || self.is_of(LINK)
    }

    /// Whether, besides, a directory has the entries that it had.
    pub fn lists_the_same(self, later: Self) -> bool {
        match (self, later) {
            (Self::There(before), Self::There(after)) if before.mode & KIND == DIRECTORY => {
                self.is_still(later) && before.modified_ns == after.modified_ns
            }
            _ => self.is_still(later),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is at `name` before and after `change`.
    fn around(name: &str, change: impl FnOnce(&Utf8Path)) -> (Was, Was) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        fs::write(root.join("file"), "1").unwrap();
        fs::create_dir(root.join("directory")).unwrap();
        std::os::unix::fs::symlink("file", root.join("link")).unwrap();
        let before = Was::at(&root.join(name));
        change(root);
        (before, Was::at(&root.join(name)))
    }

    #[test]
    fn what_is_not_touched_is_still_there() {
        for name in ["file", "directory", "link", "absent"] {
            let (before, after) = around(name, |root| fs::write(root.join("other"), "").unwrap());
            assert!(before.is_still(after), "{name}");
        }
    }

    #[test]
    fn what_is_replaced_is_not() {
        let replace = |name: &'static str| {
            move |root: &Utf8Path| {
                fs::write(root.join("new"), "1").unwrap();
                let _ = fs::remove_dir(root.join(name));
                fs::rename(root.join("new"), root.join(name)).unwrap();
            }
        };
        for name in ["file", "directory", "link", "absent"] {
            let (before, after) = around(name, replace(name));
            assert!(!before.is_still(after), "{name}");
        }
        assert!(!Was::Unsteady.is_still(Was::Unsteady));
    }

    #[test]
    fn entries_count_only_for_a_list() {
        let (before, after) = around("directory", |root| fs::write(root.join("directory/entry"), "").unwrap());
        assert!(before.is_still(after));
        // Within one tick of the clock the times may be equal; a later look at the listing itself decides then.
        let later = match after {
            Was::There(stamp) => Was::There(Stamp {
                modified_ns: stamp.modified_ns + 1,
                ..stamp
            }),
            other => other,
        };
        assert!(!before.lists_the_same(later));
    }
}
