//! What a process tree did with paths: the first use of each path and kind.
//!
//! A path is *owned* once the tree itself has created what is there: later uses depend on nothing outside. All methods
//! are called while the process is stopped before its system call, so the disk shows the state before.

use std::collections::{BTreeSet, HashMap, HashSet};

use camino::{Utf8Path, Utf8PathBuf};
use libc::{O_ACCMODE, O_CREAT, O_DIRECTORY, O_EXCL, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY};
use vx_model::Digest;
use vx_path::{Resolved, Was, is_below, is_special};
use vx_proto::{Access, AccessKind, Observation};

use super::special::{is_harmless, process_of, without_process};
use super::view::{Meaning, View};

/// A file that is opened to be read and written is compared with itself afterwards, up to this length. Times of files
/// do not show every write through a mapping.
const MAX_COMPARED: u64 = 4 << 20;

/// What is left out of an observation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Directories that belong to the action, absolute, with and without symbolic links: its exec root and output trees.
    /// What is below them is not reported.
    pub(crate) own: Vec<Utf8PathBuf>,
    /// What lies below one of these and does not belong to the action.
    pub(crate) foreign: Vec<Utf8PathBuf>,
    /// What is seen at other paths.
    pub(crate) view: View,
}

impl Scope {
    /// The innermost directory decides.
    fn holds(&self, path: &Utf8Path) -> bool {
        let innermost = |directories: &[Utf8PathBuf]| {
            let above = directories
                .iter()
                .filter(|directory| is_below(path.as_str(), directory.as_str()));
            above.map(|directory| directory.as_str().len()).max()
        };
        let own = innermost(&self.own);
        own.is_some() && own > innermost(&self.foreign)
    }
}

#[derive(Debug)]
pub(super) struct AccessLog {
    scope: Scope,
    /// By path. Texts are compared, because comparing components takes most of the time otherwise.
    uses: HashMap<String, Use>,
    /// Created by the tree outside of the scope's own directories.
    made: HashSet<String>,
    /// What was looked for above the view.
    searched: BTreeSet<Utf8PathBuf>,
    reach: Reach,
    incomplete: Option<String>,
    has_changed_something: bool,
}

/// What a process tree tried to reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Other machines.
    pub(crate) network: bool,
    /// Other processes of this machine.
    pub(crate) services: bool,
    /// What it does not find in its view as it would without.
    pub(crate) left_view: bool,
}

/// All uses of one path.
#[derive(Debug)]
struct Use {
    kinds: BTreeSet<AccessKind>,
    was: Was,
    /// The directory that a `..` left, if every use went through one.
    climbed_from: Option<Utf8PathBuf>,
    /// If it was opened to be read and written: its content before that.
    content: Option<Content>,
}

/// The content of a file that a process may change without a further call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Known(Digest),
    /// It is too large, or cannot be read.
    Unknown,
}

impl AccessLog {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            uses: HashMap::new(),
            made: HashSet::new(),
            searched: BTreeSet::new(),
            reach: Reach::default(),
            incomplete: None,
            has_changed_something: false,
        }
    }

    /// Something escaped; the first reason counts.
    pub(super) fn set_incomplete(&mut self, reason: impl Into<String>) {
        self.incomplete.get_or_insert_with(|| reason.into());
    }

    /// What the tree tried to reach.
    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// What is seen at other paths.
    pub(super) fn view(&self) -> &View {
        &self.scope.view
    }

    /// Looks for something that is not there: see [`Meaning::Search`].
    pub(super) fn search(&mut self, path: Utf8PathBuf) {
        self.searched.insert(path);
    }

    /// Uses something that is not found as it would be without the view.
    pub(super) fn leave_view(&mut self) {
        self.reach.left_view = true;
    }

    /// A connection to another machine.
    pub(super) fn connect_to_network(&mut self) {
        self.reach.network = true;
    }

    /// A connection to the socket at a path; `None` for one that has only a name.
    pub(super) fn connect_to_socket(&mut self, path: Option<&Utf8Path>) {
        let is_foreign = path.is_none_or(|path| !self.owns(path) && path.exists());
        self.reach.services |= is_foreign;
    }

    /// Everything, sorted. The tree must be gone.
    pub(super) fn finish(self) -> Observation {
        if let Some(reason) = self.incomplete {
            return Observation::Incomplete(reason);
        }
        let mut accesses = Vec::new();
        for (path, mut used) in self.uses {
            if used
                .content
                .is_some_and(|before| before == Content::Unknown || before != Content::of(path.as_str().into()))
            {
                used.kinds.insert(AccessKind::Write);
            }
            accesses.extend(used.kinds.iter().map(|kind| Access {
                path: path.clone(),
                kind: *kind,
                was: used.was,
                climbed_from: used.climbed_from.as_ref().map(ToString::to_string),
            }));
        }
        accesses.extend(self.searched.into_iter().map(|path| Access {
            path: path.into_string(),
            kind: AccessKind::Search,
            was: Was::Absent,
            climbed_from: self.scope.view.directories().next().map(ToString::to_string),
        }));
        accesses.sort();
        Observation::Complete(accesses)
    }

    /// Whether a use of `place` is recorded, and leads there as it did then. What belongs to the tree itself is not
    /// recorded, so a way through it never counts: the tree may point a link elsewhere.
    pub(super) fn has(&self, place: &Resolved) -> bool {
        place.passed.iter().chain([&place.path]).all(|path| self.has_at(path))
    }

    /// A file or link that is changed later shows that for ever, so it need not be looked at before the end.
    fn has_at(&self, path: &Utf8Path) -> bool {
        self.uses.get(path.as_str()).is_some_and(|used| {
            let is_still = used.was.is_lasting() || used.was.is_still(Was::at(path));
            is_still && !used.kinds.contains(&AccessKind::Write)
        })
    }

    /// Whether a use of `place` is recorded, and will lead there until the tree changes something: what others change
    /// shows at the end. Where people work, something may come and go before that.
    pub(super) fn is_settled(&self, place: &Resolved) -> bool {
        let is_settled = |path: &Utf8PathBuf| {
            let is_worked_on = || {
                let mut directories = self.scope.view.directories();
                // Without a view, nobody knows where.
                self.view().is_empty() || directories.any(|directory| is_below(path.as_str(), directory.as_str()))
            };
            let used = self.uses.get(path.as_str());
            used.is_some_and(|used| used.was.is_lasting() || !is_worked_on())
        };
        self.has(place) && place.passed.iter().chain([&place.path]).all(is_settled)
    }

    /// Whether the tree has changed something that is not its own.
    pub(super) fn has_changed_something(&self) -> bool {
        self.has_changed_something
    }

    pub(super) fn open(&mut self, place: &Resolved, flags: i32) {
        let path = &place.path;
        if self.owns(path) {
            return self.note_way(place);
        }
        let now = Was::at(path);
        if flags & O_PATH != 0 || flags & O_TMPFILE == O_TMPFILE || now.is_link() {
            return self.note_now(place, AccessKind::Probe, now);
        }
        let access = flags & O_ACCMODE;
        let creates = flags & O_CREAT != 0;
        if access == O_RDONLY && flags & (O_CREAT | O_TRUNC) == 0 {
            // A directory may be opened to be listed, to name what is in it, or to be synchronized.
            let is_directory = flags & O_DIRECTORY != 0 || now.is_directory();
            let kind = if is_directory {
                AccessKind::Probe
            } else {
                AccessKind::Read
            };
            return self.note_now(place, kind, now);
        }
        // Overwritten content is not seen; any other access may depend on what was there before.
        let keeps_content = flags & O_TRUNC == 0 && access != O_WRONLY;
        match Before::of(path) {
            Before::Absent if creates && flags & O_EXCL != 0 => self.make(place),
            Before::Absent if creates => self.write(place, Before::Absent),
            Before::Present if creates && flags & O_EXCL != 0 => self.look(place),
            Before::Present if keeps_content => {
                self.note(place, AccessKind::Read);
                if access == O_RDWR {
                    self.compare_afterwards(path);
                }
            }
            Before::Present if flags & O_TRUNC == 0 => {
                // What is not written over stays.
                self.note(place, AccessKind::Read);
                self.write(place, Before::Present);
            }
            Before::Present => self.write(place, Before::Present),
            Before::Absent | Before::Nowhere => self.look(place),
        }
    }

    pub(super) fn look(&mut self, place: &Resolved) {
        self.note(place, AccessKind::Probe);
    }

    pub(super) fn read(&mut self, place: &Resolved) {
        self.note(place, AccessKind::Read);
    }

    /// Lists a directory that is open, and was noted when it was opened.
    pub(super) fn list(&mut self, directory: &Utf8Path) {
        let Meaning::Path(directory) = self.scope.view.meaning(directory) else {
            return self.leave_view();
        };
        let opened = self.uses.get(directory.as_str());
        let climbed_from = opened.and_then(|used| used.climbed_from.clone());
        self.note_at(&directory, climbed_from.as_deref(), AccessKind::List);
    }

    /// Goes through a directory, or reads a link.
    pub(super) fn pass(&mut self, place: &Resolved) {
        self.note(place, AccessKind::Pass);
    }

    /// Executes the program at a path, its own or not: what it may read is decided by what it is.
    pub(super) fn execute(&mut self, path: &Utf8Path) {
        self.used(path.to_owned(), None).kinds.insert(AccessKind::Execute);
    }

    /// Creates something at a path, which fails if it exists.
    pub(super) fn make(&mut self, place: &Resolved) {
        self.look(place);
        if !self.owns(&place.path) && Before::of(&place.path) == Before::Absent {
            self.write(place, Before::Absent);
        }
    }

    /// Removes or changes what is at a path, which fails if it does not exist.
    pub(super) fn change(&mut self, place: &Resolved) {
        self.look(place);
        if !self.owns(&place.path) && Before::of(&place.path) == Before::Present {
            self.write(place, Before::Present);
        }
    }

    pub(super) fn rename(&mut self, from: &Resolved, to: &Resolved) {
        if !self.owns(&from.path) && from.path.is_dir() {
            // What is below `to` afterwards was not created here, although `to` was.
            self.set_incomplete(format!("a process moved the directory {}", from.path));
        }
        self.note(from, AccessKind::Read);
        if Before::of(&from.path) == Before::Present {
            self.write(from, Before::Present);
        }
        self.replace(to);
    }

    /// Puts something at a path, whether it exists or not.
    fn replace(&mut self, place: &Resolved) {
        match Before::of(&place.path) {
            Before::Nowhere => self.look(place),
            before => self.write(place, before),
        }
    }

    fn write(&mut self, place: &Resolved, before: Before) {
        self.note_way(place);
        let Some(path) = self.counted(&place.path, AccessKind::Write) else {
            return;
        };
        self.has_changed_something = true;
        let used = self.used(path.clone(), place.climbed_from.as_deref());
        let first = used.kinds.is_empty();
        used.kinds.insert(AccessKind::Write);
        if first || before == Before::Absent {
            self.made.insert(path.into_string());
        }
    }

    fn note(&mut self, place: &Resolved, kind: AccessKind) {
        self.note_way(place);
        self.note_at(&place.path, place.climbed_from.as_deref(), kind);
    }

    /// The same, of what is there `now`.
    fn note_now(&mut self, place: &Resolved, kind: AccessKind, now: Was) {
        self.note_way(place);
        if let Some(path) = self.counted(&place.path, kind) {
            let climbed_from = place.climbed_from.as_deref();
            self.used_now(path, climbed_from, now).kinds.insert(kind);
        }
    }

    /// Records what decided where a path leads.
    fn note_way(&mut self, place: &Resolved) {
        let mut climbed_from = None;
        for passed in &place.passed {
            self.note_at(passed, climbed_from, AccessKind::Pass);
            if place.climbed_from.as_ref() == Some(passed) {
                climbed_from = place.climbed_from.as_deref();
            }
        }
    }

    fn note_at(&mut self, path: &Utf8Path, climbed_from: Option<&Utf8Path>, kind: AccessKind) {
        if let Some(path) = self.counted(path, kind) {
            self.used(path, climbed_from).kinds.insert(kind);
        }
    }

    /// The path by which a use is recorded; `None` if it is not.
    fn counted(&self, path: &Utf8Path, kind: AccessKind) -> Option<Utf8PathBuf> {
        if !is_special(path) {
            return (!self.owns(path)).then(|| path.to_owned());
        }
        let decides = match kind {
            AccessKind::Pass => false,
            // That there is such a file is true of every process.
            AccessKind::Probe | AccessKind::Search => process_of(path).is_none(),
            AccessKind::Read | AccessKind::List | AccessKind::Execute | AccessKind::Write => true,
        };
        (decides && !is_harmless(path)).then(|| without_process(path))
    }

    /// The uses of a path so far. What is there is compared with what was there at the first of them.
    fn used(&mut self, path: Utf8PathBuf, climbed_from: Option<&Utf8Path>) -> &mut Use {
        let now = Was::at(&path);
        self.used_now(path, climbed_from, now)
    }

    fn used_now(&mut self, path: Utf8PathBuf, climbed_from: Option<&Utf8Path>, now: Was) -> &mut Use {
        let now = match is_special(&path) {
            // Its stamp means nothing.
            true => Was::Absent,
            false => now,
        };
        let used = self.uses.entry(path.into_string()).or_insert_with(|| Use {
            kinds: BTreeSet::new(),
            was: now,
            climbed_from: climbed_from.map(ToOwned::to_owned),
            content: None,
        });
        if climbed_from.is_none() {
            used.climbed_from = None;
        }
        if !used.kinds.contains(&AccessKind::Write) && !used.was.is_still(now) {
            used.was = Was::Unsteady;
        }
        used
    }

    fn compare_afterwards(&mut self, path: &Utf8Path) {
        if let Some(used) = self.uses.get_mut(path.as_str())
            && !used.kinds.contains(&AccessKind::Write)
            && path.is_file()
        {
            used.content.get_or_insert_with(|| Content::of(path));
        }
    }

    fn owns(&self, path: &Utf8Path) -> bool {
        let is_made = || path.ancestors().any(|ancestor| self.made.contains(ancestor.as_str()));
        self.scope.holds(path) || (!self.made.is_empty() && is_made())
    }
}

impl Content {
    fn of(path: &Utf8Path) -> Self {
        let is_small = path
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_COMPARED);
        let content = is_small.then(|| std::fs::read(path).ok()).flatten();
        content.map_or(Self::Unknown, |content| Self::Known(Digest::of(&content)))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use vx_path::{LastLink, resolve};

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
                ..Scope::default()
            });
            fs::create_dir(dir.path().join("own")).unwrap();
            Self { dir, log }
        }

        fn path(&self, name: &str) -> Utf8PathBuf {
            let real = self.dir.path().canonicalize().unwrap();
            let real = Utf8PathBuf::from_path_buf(real).unwrap();
            if name.is_empty() { real } else { real.join(name) }
        }

        fn place(&self, name: &str) -> Resolved {
            resolve(&self.path(""), name.into(), LastLink::Follow)
        }

        /// The uses of `name`.
        fn kinds(&self, name: &str) -> Vec<AccessKind> {
            let used = self.log.uses.get(self.path(name).as_str());
            used.iter().flat_map(|used| &used.kinds).copied().collect()
        }
    }

    #[test]
    fn what_the_tree_made_is_not_an_input() {
        let mut test = Fixture::new();
        let (file, place) = (test.path("made"), test.place("made"));
        test.log.open(&place, O_CREAT | O_WRONLY | O_TRUNC);
        fs::write(&file, "").unwrap();
        test.log.open(&place, O_RDONLY);
        assert_eq!(test.kinds("made"), [AccessKind::Write]);
        test.log.make(&test.place("dir"));
        fs::create_dir(test.path("dir")).unwrap();
        test.log.open(&test.place("dir/below"), O_RDONLY);
        assert_eq!(test.kinds("dir"), [AccessKind::Probe, AccessKind::Write]);
        assert_eq!(test.kinds("dir/below"), []);
    }

    #[test]
    fn what_was_there_before_is_an_input_although_it_is_written_later() {
        let mut test = Fixture::new();
        let (file, place) = (test.path("file"), test.place("file"));
        fs::write(&file, "old").unwrap();
        test.log.open(&place, O_RDONLY);
        test.log.open(&place, O_WRONLY | O_TRUNC);
        assert_eq!(test.kinds("file"), [AccessKind::Read, AccessKind::Write]);
        let appended = test.path("appended");
        fs::write(&appended, "old").unwrap();
        test.log.open(&test.place("appended"), O_WRONLY | libc::O_APPEND);
        assert_eq!(test.kinds("appended"), [AccessKind::Read, AccessKind::Write]);
        let log = test.path("log");
        fs::write(&log, "old").unwrap();
        test.log.open(&test.place("log"), O_RDWR | O_CREAT);
        assert_eq!(test.kinds("log"), [AccessKind::Read]);
        let lock = test.path("lock");
        fs::write(&lock, "").unwrap();
        test.log.open(&test.place("lock"), O_RDWR | O_CREAT | O_EXCL);
        assert_eq!(test.kinds("lock"), [AccessKind::Probe]);
    }

    #[test]
    fn looking_before_creating_depends_on_the_absence() {
        let mut test = Fixture::new();
        let (file, place) = (test.path("file"), test.place("file"));
        test.log.look(&place);
        test.log.open(&place, O_CREAT | O_WRONLY);
        fs::write(&file, "").unwrap();
        test.log.open(&place, O_RDONLY);
        assert_eq!(test.kinds("file"), [AccessKind::Probe, AccessKind::Write]);
        test.log.open(&test.place("fresh"), O_CREAT | O_EXCL | O_WRONLY);
        assert_eq!(test.kinds("fresh"), [AccessKind::Probe, AccessKind::Write]);
    }

    #[test]
    fn writing_anew_depends_on_nothing() {
        let mut test = Fixture::new();
        let (file, place) = (test.path("file"), test.place("file"));
        fs::write(&file, "old").unwrap();
        test.log.open(&place, O_CREAT | O_WRONLY | O_TRUNC);
        test.log.open(&test.place("new"), O_CREAT | O_WRONLY | O_TRUNC);
        assert_eq!(test.kinds("file"), [AccessKind::Write]);
        assert_eq!(test.kinds("new"), [AccessKind::Write]);
    }

    #[test]
    fn a_directory_counts_with_its_entries_only_if_it_is_listed() {
        let mut test = Fixture::new();
        test.log.open(&test.place(""), O_RDONLY);
        assert_eq!(test.kinds(""), [AccessKind::Probe]);
        test.log.list(&test.path(""));
        assert_eq!(test.kinds(""), [AccessKind::Probe, AccessKind::List]);
        test.log.open(&test.place("absent"), O_RDONLY | O_DIRECTORY);
        assert_eq!(test.kinds("absent"), [AccessKind::Probe]);
    }

    #[test]
    fn own_directories_do_not_count_unless_a_link_leads_out_of_them() {
        let mut test = Fixture::new();
        fs::write(test.path("outside"), "").unwrap();
        test.log.open(&test.place("own/file"), O_RDONLY);
        assert!(test.log.uses.is_empty());
        std::os::unix::fs::symlink(test.path("outside"), test.path("own/link")).unwrap();
        test.log.open(&test.place("own/link"), O_RDONLY);
        assert_eq!(
            test.log.uses.keys().collect::<Vec<_>>(),
            [test.path("outside").as_str()]
        );
    }

    #[test]
    fn links_on_the_way_and_directories_that_are_left_are_recorded() {
        let mut test = Fixture::new();
        fs::create_dir_all(test.path("deep/down")).unwrap();
        fs::write(test.path("deep/file"), "").unwrap();
        std::os::unix::fs::symlink("deep/down", test.path("link")).unwrap();
        test.log.open(&test.place("link/../file"), O_RDONLY);
        assert_eq!(test.kinds("link"), [AccessKind::Pass]);
        assert_eq!(test.kinds("deep/down"), [AccessKind::Pass]);
        assert_eq!(test.kinds("deep/file"), [AccessKind::Read]);
        let climbed_from = |test: &Fixture, name: &str| test.log.uses[test.path(name).as_str()].climbed_from.clone();
        assert_eq!(climbed_from(&test, "deep/down"), None);
        assert_eq!(climbed_from(&test, "deep/file"), Some(test.path("deep/down")));
        test.log.look(&test.place("deep/file"));
        assert_eq!(climbed_from(&test, "deep/file"), None);
    }

    #[test]
    fn what_another_process_changes_between_two_uses_is_unsteady() {
        let mut test = Fixture::new();
        fs::write(test.path("file"), "1").unwrap();
        for name in ["file", "absent"] {
            test.log.look(&test.place(name));
            fs::write(test.path(name), "longer").unwrap();
            test.log.look(&test.place(name));
            assert_eq!(test.log.uses[test.path(name).as_str()].was, Was::Unsteady, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_opened_to_be_changed_counts_as_written_if_it_was() {
        let mut test = Fixture::new();
        for name in ["lock", "mapped"] {
            fs::write(test.path(name), "old").unwrap();
            test.log.open(&test.place(name), O_RDWR | O_CREAT);
        }
        fs::write(test.path("mapped"), "new").unwrap();
        let (lock, mapped) = (test.path("lock"), test.path("mapped"));
        let Observation::Complete(accesses) = test.log.finish() else {
            panic!("it is complete")
        };
        let kinds = |path: &Utf8Path| -> Vec<AccessKind> {
            let of_path = accesses.iter().filter(|access| access.path == path.as_str());
            of_path.map(|access| access.kind).collect()
        };
        assert_eq!(kinds(&lock), [AccessKind::Read]);
        assert_eq!(kinds(&mapped), [AccessKind::Read, AccessKind::Write]);
    }

    #[test]
    fn moving_a_foreign_directory_cannot_be_followed() {
        let mut test = Fixture::new();
        fs::create_dir(test.path("foreign")).unwrap();
        test.log.rename(&test.place("foreign"), &test.place("moved"));
        assert!(matches!(test.log.finish(), Observation::Incomplete(_)));
    }

    #[test]
    fn of_what_the_kernel_makes_up_only_what_decides_something_counts() {
        let mut test = Fixture::new();
        let at = |path: &str| Resolved {
            path: path.into(),
            ..Resolved::default()
        };
        for path in ["/proc/1/status", "/dev/null", "/sys/fs/cgroup/cpu.max"] {
            test.log.read(&at(path));
        }
        test.log.look(&at("/proc/1/environ"));
        assert!(test.log.uses.is_empty());
        test.log.read(&at("/proc/1/environ"));
        test.log.look(&at("/dev/kvm"));
        let used: BTreeSet<&str> = test.log.uses.keys().map(String::as_str).collect();
        assert_eq!(used, BTreeSet::from(["/dev/kvm", "/proc/self/environ"]));
    }
}
