//! What was at the paths that a run used, so that a change during the run is found before its result is published.
//!
//! Of an observed process it is known what was at each path when it was used. rustc only reports which files it read:
//! of these, times tell whether something was put in the way since the run started.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use vx_path::Was;

use super::files::Stamp;

/// What a run found, by absolute path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// What was seen to be at a path, and whether it was listed.
    pub(super) seen: Vec<(Utf8PathBuf, Was, bool)>,
    /// Links on the way to reported files, and other spellings of modules.
    pub(super) untouched: BTreeSet<Utf8PathBuf>,
    /// Directories on the way to reported files.
    pub(super) directories: BTreeSet<Utf8PathBuf>,
}

impl Noted {
    /// Both together.
    pub(crate) fn extend(&mut self, other: Self) {
        self.seen.extend(other.seen);
        self.untouched.extend(other.untouched);
        self.directories.extend(other.directories);
    }

    /// A path that is no longer what it was when the run used it; the run started at `since_ns`.
    pub(crate) fn changed(&self, since_ns: i128) -> Option<&Utf8Path> {
        let seen = self.seen.iter().filter(|(path, was, is_listed)| {
            let now = Was::at(path);
            match is_listed {
                true => !was.lists_the_same(now),
                false => !was.is_still(now),
            }
        });
        let untouched = self.untouched.iter().filter(|path| touched(path, since_ns));
        let directories = self.directories.iter().filter(|path| replaced(path, since_ns));
        let seen = seen.map(|(path, _, _)| path);
        seen.chain(untouched)
            .chain(directories)
            .next()
            .map(Utf8PathBuf::as_path)
    }
}

/// Whether what is at `path`, a link not followed, was touched or put there.
fn touched(path: &Utf8Path, since_ns: i128) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| Stamp::of(&metadata).touched_ns() >= since_ns)
}

/// Whether another directory may have been put at `path`.
///
/// A directory that is moved is touched, but not modified. If an entry of it was made too, both times are new; then the
/// directory above, which a move modifies, decides. An editor that saves a file modifies one directory only.
fn replaced(path: &Utf8Path, since_ns: i128) -> bool {
    let is_modified = |path: &Utf8Path| {
        path.symlink_metadata()
            .is_ok_and(|metadata| Stamp::of(&metadata).modified_ns() >= since_ns)
    };
    touched(path, since_ns) && (!is_modified(path) || path.parent().is_some_and(is_modified))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::inputs::{CLOCK_TICK, now_ns};

    struct Fixture {
        _dir: tempfile::TempDir,
        root: Utf8PathBuf,
        since_ns: i128,
    }

    impl Fixture {
        /// `work/src/a.rs`, `work/new/a.rs` and a link to `work/src`, all older than the start.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
            for name in ["src", "new"] {
                fs::create_dir_all(root.join("work").join(name)).unwrap();
                fs::write(root.join("work").join(name).join("a.rs"), name).unwrap();
            }
            std::os::unix::fs::symlink("src", root.join("work/link")).unwrap();
            std::os::unix::fs::symlink("new", root.join("work/other")).unwrap();
            std::thread::sleep(2 * CLOCK_TICK);
            let since_ns = now_ns() - CLOCK_TICK.as_nanos() as i128;
            Self {
                _dir: dir,
                root,
                since_ns,
            }
        }

        fn changed(&self, noted: &Noted) -> bool {
            noted.changed(self.since_ns).is_some()
        }

        fn reported(&self) -> Noted {
            Noted {
                untouched: ["work/link", "work/src/a/mod.rs"]
                    .map(|path| self.root.join(path))
                    .into(),
                directories: BTreeSet::from([self.root.join("work/src")]),
                ..Noted::default()
            }
        }
    }

    #[test]
    fn what_is_seen_must_still_be_there() {
        let test = Fixture::new();
        let see = |name: &str, is_listed| {
            let path = test.root.join(name);
            let was = Was::at(&path);
            Noted {
                seen: vec![(path, was, is_listed)],
                ..Noted::default()
            }
        };
        let (file, absent) = (see("work/src/a.rs", false), see("work/absent", false));
        let (directory, listed) = (see("work/src", false), see("work/src", true));
        for noted in [&file, &absent, &directory, &listed] {
            assert!(!test.changed(noted));
        }
        fs::write(test.root.join("work/src/b.rs"), "").unwrap();
        assert!(!test.changed(&directory) && test.changed(&listed));
        fs::write(test.root.join("work/src/a.rs"), "other").unwrap();
        fs::write(test.root.join("work/absent"), "").unwrap();
        assert!(test.changed(&file) && test.changed(&absent));
    }

    #[test]
    fn an_editor_that_saves_a_file_replaces_no_directory() {
        let test = Fixture::new();
        fs::write(test.root.join("work/src/.b.rs.swp"), "").unwrap();
        assert!(!test.changed(&test.reported()));
    }

    #[test]
    fn a_directory_that_is_swapped_is_found() {
        let test = Fixture::new();
        fs::rename(test.root.join("work/src"), test.root.join("work/old")).unwrap();
        fs::rename(test.root.join("work/new"), test.root.join("work/src")).unwrap();
        assert!(test.changed(&test.reported()));
        fs::write(test.root.join("work/src/b.rs"), "").unwrap();
        assert!(test.changed(&test.reported()));
    }

    #[test]
    fn a_link_that_is_retargeted_is_found() {
        let test = Fixture::new();
        fs::rename(test.root.join("work/other"), test.root.join("work/link")).unwrap();
        assert!(test.changed(&test.reported()));
    }

    #[test]
    fn another_spelling_that_appears_is_found() {
        let test = Fixture::new();
        fs::create_dir(test.root.join("work/src/a")).unwrap();
        fs::write(test.root.join("work/src/a/mod.rs"), "").unwrap();
        assert!(test.changed(&test.reported()));
    }
}
