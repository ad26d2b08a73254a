//! What a process tree did with paths: the first use of each path and kind.
//!
//! A path is *owned* once the tree itself has created what is there: later uses depend on nothing outside. All methods
//! are called while the process is stopped before its system call, so the disk shows the state before.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use libc::{O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_PATH, O_RDONLY, O_TMPFILE, O_TRUNC, O_WRONLY};
use vx_proto::{Access, AccessKind, Observation};

/// Paths whose content cannot be keyed.
const UNKEYED: &[&str] = &["/proc", "/dev", "/sys"];

/// What is left out of an observation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Directories that belong to the action, absolute: its exec root and output trees. What is below them is not
    /// reported, except through symbolic links that the action created.
    pub(crate) own: Vec<Utf8PathBuf>,
    /// What lies below one of these and does not belong to the action.
    pub(crate) foreign: Vec<Utf8PathBuf>,
}

impl Scope {
    /// The innermost directory decides.
    fn holds(&self, path: &Utf8Path) -> bool {
        let innermost = |directories: &[Utf8PathBuf]| {
            let above = directories.iter().filter(|directory| path.starts_with(directory));
            above.map(|directory| directory.as_str().len()).max()
        };
        innermost(&self.own) > innermost(&self.foreign)
    }
}

#[derive(Debug)]
pub(super) struct AccessLog {
    scope: Scope,
    uses: BTreeMap<Utf8PathBuf, BTreeSet<AccessKind>>,
    /// Created by the tree outside of the scope's own directories.
    made: HashSet<Utf8PathBuf>,
    /// Whether the tree has created a symbolic link, through which an owned path may lead outside.
    has_symlinks: bool,
    connections: Connections,
    incomplete: Option<String>,
}

/// What a process tree tried to talk to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Connections {
    /// Other machines.
    pub(crate) network: bool,
    /// Other processes of this machine.
    pub(crate) services: bool,
}

impl AccessLog {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            uses: BTreeMap::new(),
            made: HashSet::new(),
            has_symlinks: false,
            connections: Connections::default(),
            incomplete: None,
        }
    }

    /// Something escaped; the first reason counts.
    pub(super) fn set_incomplete(&mut self, reason: impl Into<String>) {
        self.incomplete.get_or_insert_with(|| reason.into());
    }

    /// What the tree tried to talk to.
    pub(super) fn connections(&self) -> Connections {
        self.connections
    }

    /// A connection to another machine.
    pub(super) fn connect_to_network(&mut self) {
        self.connections.network = true;
    }

    /// A connection to the socket at a path; `None` for one that has only a name.
    pub(super) fn connect_to_socket(&mut self, path: Option<&Utf8Path>) {
        let is_foreign = path.is_none_or(|path| !self.owns(path) && path.exists());
        self.connections.services |= is_foreign;
    }

    /// Everything, sorted.
    pub(super) fn finish(self) -> Observation {
        if let Some(reason) = self.incomplete {
            return Observation::Incomplete(reason);
        }
        let accesses = self.uses.into_iter().flat_map(|(path, kinds)| {
            let access = move |kind| Access {
                path: path.to_string(),
                kind,
            };
            kinds.into_iter().map(access)
        });
        Observation::Complete(accesses.collect())
    }

    pub(super) fn open(&mut self, path: &Utf8Path, flags: i32) {
        if flags & O_PATH != 0 || flags & O_TMPFILE == O_TMPFILE {
            return self.look(path);
        }
        let access = flags & O_ACCMODE;
        let creates = flags & O_CREAT != 0;
        if access == O_RDONLY && flags & (O_CREAT | O_TRUNC) == 0 {
            let lists = flags & O_DIRECTORY != 0 || path.is_dir();
            return self.note(path, if lists { AccessKind::List } else { AccessKind::Read });
        }
        // Overwritten content is not seen; any other access may depend on what was there before.
        let keeps_content = flags & O_TRUNC == 0 && access != O_WRONLY;
        match Before::of(path) {
            Before::Absent if creates && flags & O_EXCL != 0 => self.make(path),
            Before::Absent if creates => self.write(path, Before::Absent),
            Before::Present if creates && flags & O_EXCL != 0 => self.look(path),
            Before::Present if keeps_content => self.note(path, AccessKind::Read),
            Before::Present if flags & O_TRUNC == 0 => {
                // What is not written over stays.
                self.note(path, AccessKind::Read);
                self.write(path, Before::Present);
            }
            Before::Present => self.write(path, Before::Present),
            Before::Absent | Before::Nowhere => self.look(path),
        }
    }

    pub(super) fn look(&mut self, path: &Utf8Path) {
        self.note(path, AccessKind::Probe);
    }

    pub(super) fn read(&mut self, path: &Utf8Path) {
        self.note(path, AccessKind::Read);
    }

    /// Creates something at a path, which fails if it exists.
    pub(super) fn make(&mut self, path: &Utf8Path) {
        self.look(path);
        if Before::of(path) == Before::Absent {
            self.write(path, Before::Absent);
        }
    }

    pub(super) fn make_symlink(&mut self, path: &Utf8Path) {
        self.has_symlinks = true;
        self.make(path);
    }

    /// Removes or changes what is at a path, which fails if it does not exist.
    pub(super) fn change(&mut self, path: &Utf8Path) {
        self.look(path);
        if Before::of(path) == Before::Present {
            self.write(path, Before::Present);
        }
    }

    pub(super) fn rename(&mut self, from: &Utf8Path, to: &Utf8Path) {
        if !self.owns(from) && from.is_dir() {
            // What is below `to` afterwards was not created here, although `to` was.
            self.set_incomplete(format!("a process moved the directory {from}"));
        }
        self.note(from, AccessKind::Read);
        if Before::of(from) == Before::Present {
            self.write(from, Before::Present);
        }
        self.replace(to);
    }

    pub(super) fn link(&mut self, from: &Utf8Path, to: &Utf8Path) {
        self.note(from, AccessKind::Read);
        self.make(to);
    }

    /// Puts something at a path, whether it exists or not.
    fn replace(&mut self, path: &Utf8Path) {
        match Before::of(path) {
            Before::Nowhere => self.look(path),
            before => self.write(path, before),
        }
    }

    fn write(&mut self, path: &Utf8Path, before: Before) {
        if is_unkeyed(path) || self.owns(path) {
            return;
        }
        let uses = self.uses.entry(path.to_owned()).or_default();
        let first = uses.is_empty();
        uses.insert(AccessKind::Write);
        if first || before == Before::Absent {
            self.made.insert(path.to_owned());
        }
    }

    fn note(&mut self, path: &Utf8Path, kind: AccessKind) {
        if is_unkeyed(path) {
            return;
        }
        if !self.owns(path) {
            self.uses.entry(path.to_owned()).or_default().insert(kind);
            return;
        }
        if self.has_symlinks
            && let Some(real) = real_path(path)
            && !self.owns(&real)
            && !is_unkeyed(&real)
        {
            self.uses.entry(real).or_default().insert(kind);
        }
    }

    fn owns(&self, path: &Utf8Path) -> bool {
        self.scope.holds(path) || path.ancestors().any(|ancestor| self.made.contains(ancestor))
    }
}

/// What was at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Present,
    /// Nothing, but its directory was there.
    Absent,
    /// Not even its directory.
    Nowhere,
}

impl Before {
    fn of(path: &Utf8Path) -> Self {
        if path.symlink_metadata().is_ok() {
            Self::Present
        } else if path.parent().is_some_and(Utf8Path::is_dir) {
            Self::Absent
        } else {
            Self::Nowhere
        }
    }
}

fn is_unkeyed(path: &Utf8Path) -> bool {
    UNKEYED.iter().any(|root| path.starts_with(root))
}

/// The path with symbolic links resolved; the last component need not exist.
fn real_path(path: &Utf8Path) -> Option<Utf8PathBuf> {
    path.canonicalize_utf8().ok().or_else(|| {
        let parent = path.parent()?.canonicalize_utf8().ok()?;
        Some(parent.join(path.file_name()?))
    })
}

/// `path` as seen from the directory `base`, without `.` and `..`. A `..` after a symbolic link leads where the kernel
/// goes: above the link's target.
pub(super) fn absolute(base: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    let mut plain = Utf8PathBuf::from("/");
    for component in base.join(path).components() {
        match component {
            Utf8Component::Normal(name) => plain.push(name),
            Utf8Component::ParentDir => {
                if plain.is_symlink()
                    && let Ok(real) = plain.canonicalize_utf8()
                {
                    plain = real;
                }
                plain.pop();
            }
            Utf8Component::RootDir | Utf8Component::CurDir | Utf8Component::Prefix(_) => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
        log: AccessLog,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let log = AccessLog::new(Scope {
                own: vec![Utf8Path::from_path(dir.path()).unwrap().join("own")],
                foreign: Vec::new(),
            });
            fs::create_dir(dir.path().join("own")).unwrap();
            Self { dir, log }
        }

        fn path(&self, name: &str) -> Utf8PathBuf {
            Utf8Path::from_path(self.dir.path()).unwrap().join(name)
        }

        /// The uses of `name`.
        fn kinds(&self, name: &str) -> Vec<AccessKind> {
            self.log
                .uses
                .get(&self.path(name))
                .into_iter()
                .flatten()
                .copied()
                .collect()
        }
    }

    #[test]
    fn what_the_tree_made_is_not_an_input() {
        let mut test = Fixture::new();
        let file = test.path("made");
        test.log.open(&file, O_CREAT | O_WRONLY | O_TRUNC);
        fs::write(&file, "").unwrap();
        test.log.open(&file, O_RDONLY);
        assert_eq!(test.kinds("made"), [AccessKind::Write]);
        let below = test.path("dir/below");
        test.log.make(&test.path("dir"));
        fs::create_dir(test.path("dir")).unwrap();
        test.log.open(&below, O_RDONLY);
        assert_eq!(test.kinds("dir"), [AccessKind::Probe, AccessKind::Write]);
        assert_eq!(test.kinds("dir/below"), []);
    }

    #[test]
    fn what_was_there_before_is_an_input_although_it_is_written_later() {
        let mut test = Fixture::new();
        let file = test.path("file");
        fs::write(&file, "old").unwrap();
        test.log.open(&file, O_RDONLY);
        test.log.open(&file, O_WRONLY | O_TRUNC);
        assert_eq!(test.kinds("file"), [AccessKind::Read, AccessKind::Write]);
        let appended = test.path("appended");
        fs::write(&appended, "old").unwrap();
        test.log.open(&appended, O_WRONLY | libc::O_APPEND);
        assert_eq!(test.kinds("appended"), [AccessKind::Read, AccessKind::Write]);
        let log = test.path("log");
        fs::write(&log, "old").unwrap();
        test.log.open(&log, libc::O_RDWR | O_CREAT);
        assert_eq!(test.kinds("log"), [AccessKind::Read]);
        let lock = test.path("lock");
        fs::write(&lock, "").unwrap();
        test.log.open(&lock, libc::O_RDWR | O_CREAT | O_EXCL);
        assert_eq!(test.kinds("lock"), [AccessKind::Probe]);
    }

    #[test]
    fn looking_before_creating_depends_on_the_absence() {
        let mut test = Fixture::new();
        let file = test.path("file");
        test.log.look(&file);
        test.log.open(&file, O_CREAT | O_WRONLY);
        fs::write(&file, "").unwrap();
        test.log.open(&file, O_RDONLY);
        assert_eq!(test.kinds("file"), [AccessKind::Probe, AccessKind::Write]);
        let fresh = test.path("fresh");
        test.log.open(&fresh, O_CREAT | O_EXCL | O_WRONLY);
        assert_eq!(test.kinds("fresh"), [AccessKind::Probe, AccessKind::Write]);
    }

    #[test]
    fn writing_anew_depends_on_nothing() {
        let mut test = Fixture::new();
        let file = test.path("file");
        fs::write(&file, "old").unwrap();
        test.log.open(&file, O_CREAT | O_WRONLY | O_TRUNC);
        test.log.open(&test.path("new"), O_CREAT | O_WRONLY | O_TRUNC);
        assert_eq!(test.kinds("file"), [AccessKind::Write]);
        assert_eq!(test.kinds("new"), [AccessKind::Write]);
    }

    #[test]
    fn a_directory_is_listed_whatever_the_flags_say() {
        let mut test = Fixture::new();
        test.log.open(&test.path(""), O_RDONLY);
        assert_eq!(test.kinds(""), [AccessKind::List]);
        test.log.open(&test.path("absent"), O_RDONLY | O_DIRECTORY);
        assert_eq!(test.kinds("absent"), [AccessKind::List]);
    }

    #[test]
    fn own_directories_do_not_count_unless_a_link_leads_out_of_them() {
        let mut test = Fixture::new();
        let outside = test.path("outside");
        fs::write(&outside, "").unwrap();
        test.log.open(&test.path("own/file"), O_RDONLY);
        assert!(test.log.uses.is_empty());
        let link = test.path("own/link");
        test.log.make_symlink(&link);
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        test.log.open(&link, O_RDONLY);
        let real = Utf8PathBuf::from_path_buf(outside.canonicalize().unwrap()).unwrap();
        assert_eq!(test.log.uses.keys().collect::<Vec<_>>(), [&real]);
    }

    #[test]
    fn moving_a_foreign_directory_cannot_be_followed() {
        let mut test = Fixture::new();
        fs::create_dir(test.path("foreign")).unwrap();
        test.log.rename(&test.path("foreign"), &test.path("moved"));
        assert!(matches!(test.log.finish(), Observation::Incomplete(_)));
    }

    #[test]
    fn paths_that_cannot_be_keyed_are_left_out() {
        let mut test = Fixture::new();
        for path in ["/proc/self/status", "/dev/null", "/sys/kernel"] {
            test.log.read(Utf8Path::new(path));
        }
        assert_eq!(test.log.finish(), Observation::Complete(Vec::new()));
    }

    #[test]
    fn dots_are_resolved_as_the_kernel_does() {
        let test = Fixture::new();
        fs::create_dir_all(test.path("deep/down")).unwrap();
        std::os::unix::fs::symlink(test.path("deep/down"), test.path("link")).unwrap();
        let real = Utf8PathBuf::from_path_buf(test.dir.path().canonicalize().unwrap()).unwrap();
        let base = Utf8Path::from_path(test.dir.path()).unwrap();
        assert_eq!(absolute(base, Utf8Path::new("a/.././b")), base.join("b"));
        assert_eq!(absolute(base, Utf8Path::new("link/../x")), real.join("deep/x"));
        assert_eq!(absolute(base, Utf8Path::new("/../x/")), "/x");
    }
}
