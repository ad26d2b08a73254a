//! Namespaces for a contained process: what is mounted where, and the system calls that do it.
//!
//! The parent decides everything beforehand, as a list of [`Step`]s; the child, which may neither allocate nor lock,
//! only takes them. It sees the machine's own paths, but all file systems are read-only except those of the action;
//! `/tmp`, `/dev`, `/run` and `/proc` are its own; and it is the first process of a process namespace, so everything
//! that it starts ends with it. Unprivileged: it needs a user namespace, and Linux 5.12 for `mount_setattr`.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, NulError};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change, move_mount, open_tree,
};
use rustix::process::{Pid, Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use vx_proto::{Containment, Mount};

use crate::observe::{KNOWN_DIRECTORY, KNOWN_ETC, SeenAt, View};

/// Directories that belong to every user of the machine: a contained process gets its temporary directory there.
const SHARED_TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];
/// Where services put their sockets.
const SERVICES: &str = "/run";
/// The settings of the machine.
const SETTINGS: &str = "/etc";
/// What is found in [`SERVICES`] although it belongs to no service: links to the system's programs and drivers.
const SYSTEM_IN_SERVICES: [&str; 4] = [
    "/run/current-system",
    "/run/booted-system",
    "/run/opengl-driver",
    "/run/wrappers",
];
/// Devices that are no more than files.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// The usual links in `/dev`.
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// What `/proc` has besides processes, and can be written to.
const KERNEL: [&str; 6] = [
    "/proc/sys",
    "/proc/sysrq-trigger",
    "/proc/irq",
    "/proc/bus",
    "/proc/fs",
    "/proc/scsi",
];
/// How much a contained process can put into file systems in memory.
const MEMORY_FILES: &CStr = c"size=64m,mode=1777";
/// How many processes and threads a contained action may have at once.
const PROCESSES: u64 = 8192;
/// The same for the superuser, whom no resource limit binds: a setting of the process namespace since [`OWN_PID_MAX`].
const PID_MAX: (&CStr, &[u8]) = (c"/proc/sys/kernel/pid_max", b"8192");
/// The first release of Linux in which that setting is not the whole machine's.
const OWN_PID_MAX: (u32, u32) = (6, 14);
/// The name of the machine.
const HOST_NAME: &[u8] = b"vx";
/// The most paths that can be exposed: their descriptors are kept on the stack.
const MAX_EXPOSED: usize = 256;

/// What the superuser's programs need to work on files of others; everything else is given up.
const KEPT_BY_SUPERUSER: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::KILL);

/// One change of the file systems, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Makes what is at `from`, as it was before the first step, appear at `at`.
    Expose {
        from: CString,
        at: CString,
        is_writable: bool,
    },
    /// Lets what is at `at` be changed, but only for this process. Where the kernel cannot, it stays read-only.
    Overlay { options: CString, at: CString },
    /// An empty file system in memory.
    Memory(CString),
    /// What shows the processes of the namespace.
    Processes(CString),
    /// Limits the processes of the namespace.
    LimitProcesses,
    /// Makes the file system at a path read-only.
    Seal(CString),
    /// Creates a directory that may exist.
    Directory(CString),
    /// Creates an empty file that may exist.
    File(CString),
    /// Creates a symbolic link that may exist.
    Link { target: CString, at: CString },
}

/// Everything that the child needs, and what it finds.
#[derive(Debug, Clone)]
pub(crate) struct Namespaces {
    /// Directories that it finds empty, or with what it has put there.
    pub(crate) masked: Vec<Utf8PathBuf>,
    /// What it finds in these from outside.
    pub(crate) kept: BTreeSet<Utf8PathBuf>,
    /// What it finds at other paths.
    pub(crate) view: View,
    steps: Vec<Step>,
    network: bool,
    is_superuser: bool,
}

impl Namespaces {
    /// The namespaces for `containment`. `own` are the directories of the action, which it may change; `tmpdir` is one
    /// of them. `changes` is where forgotten changes go, in the exec root; `known` the directory of its [`KnownUses`], if it
    /// has any.
    ///
    /// [`KnownUses`]: crate::observe::KnownUses
    pub(crate) fn new(
        containment: &Containment,
        own: &[Utf8PathBuf],
        tmpdir: &Utf8Path,
        changes: &Utf8Path,
        known: Option<&Utf8Path>,
    ) -> io::Result<Self> {
        let mut list = List::default();
        list.mask(containment, own, tmpdir)?;
        if let Some(known) = known {
            list.preload(known)?;
        }
        list.show(&containment.view)?;
        for path in containment.hidden.iter().map(Utf8Path::new) {
            list.hide(path)?;
        }
        let writable = containment.writable.iter().map(Utf8Path::new);
        let mut changeable: Vec<(&Utf8Path, bool)> = writable.map(|path| (path, true)).collect();
        changeable.extend(containment.read_only.iter().map(|path| (Utf8Path::new(path), false)));
        changeable.extend(own.iter().map(|path| (path.as_path(), true)));
        if !containment.scratch.is_empty() {
            std::fs::create_dir_all(changes)?;
            changeable.push((changes, true));
        }
        // Outer ones first: an inner one would be covered.
        changeable.sort_by_key(|(path, _)| path.as_str().len());
        for (path, is_writable) in changeable {
            list.expose(path, is_writable)?;
        }
        for (index, path) in containment.scratch.iter().enumerate() {
            list.overlay(Utf8Path::new(path), &changes.join(index.to_string()))?;
        }
        if let Some(top) = list.view.top() {
            let at = text(top.as_str())?;
            list.step(Step::Seal(at));
        }
        if list.exposed() > MAX_EXPOSED {
            return Err(io::Error::other("too many directories to mount"));
        }
        Ok(Self {
            masked: list.masked,
            kept: list.kept,
            view: list.view,
            steps: list.steps,
            network: containment.network,
            is_superuser: rustix::process::geteuid().is_root(),
        })
    }

    /// What `clone` is asked for.
    pub(super) fn clone_flags(&self) -> libc::c_int {
        let network = if self.network { 0 } else { libc::CLONE_NEWNET };
        libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | network
    }

    /// Gives the users of this process to `child`, which was cloned into a new user namespace and waits.
    pub(super) fn map_users(child: Pid) -> io::Result<()> {
        let file = |name: &str| format!("/proc/{}/{name}", child.as_raw_nonzero());
        let own =
            |name: &str| -> io::Result<String> { identity(&std::fs::read_to_string(format!("/proc/self/{name}"))?) };
        // All users, if this process may: then files of others can be worked on as without a namespace.
        let all = own("uid_map").and_then(|map| std::fs::write(file("uid_map"), map));
        if all.is_ok() {
            return std::fs::write(file("gid_map"), own("gid_map")?);
        }
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        std::fs::write(file("uid_map"), format!("{uid} {uid} 1"))?;
        std::fs::write(file("setgroups"), "deny")?;
        std::fs::write(file("gid_map"), format!("{gid} {gid} 1"))
    }

    /// Sets everything up, in the child. Only makes system calls.
    pub(super) fn enter(&self) -> Result<(), Errno> {
        let mut exposed: [RawFd; MAX_EXPOSED] = [-1; MAX_EXPOSED];
        let sources = self.steps.iter().filter_map(|step| match step {
            Step::Expose { from, .. } => Some(from),
            _ => None,
        });
        for (slot, from) in exposed.iter_mut().zip(sources) {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
            *slot = open_tree(CWD, from.as_c_str(), flags)?.into_raw_fd();
        }
        mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        set_read_only(CWD, c"/", true)?;
        let mut exposed = exposed.iter().copied();
        for step in &self.steps {
            let source = match step {
                Step::Expose { .. } => exposed.next(),
                _ => None,
            };
            step.take(source)?;
        }
        rustix::system::sethostname(HOST_NAME)?;
        self.give_up_privileges()
    }

    fn give_up_privileges(&self) -> Result<(), Errno> {
        let limit = Rlimit {
            current: Some(PROCESSES),
            maximum: Some(PROCESSES),
        };
        // A lower limit of the user's stays.
        let _ = setrlimit(Resource::Nproc, limit);
        // A memory image is no output.
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        let _ = setrlimit(Resource::Core, none);
        rustix::thread::set_no_new_privs(true)?;
        let kept = match self.is_superuser {
            true => KEPT_BY_SUPERUSER,
            false => CapabilitySet::empty(),
        };
        for number in 0..63 {
            let capability = CapabilitySet::from_bits_retain(1 << number);
            if kept.contains(capability) {
                continue;
            }
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                Ok(()) => {}
                // The kernel knows no more.
                Err(Errno::INVAL) => break,
                Err(error) => return Err(error),
            }
        }
        let sets = CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, sets)
    }
}

impl Step {
    /// `source` is the tree of an exposed path.
    fn take(&self, source: Option<RawFd>) -> Result<(), Errno> {
        let secure = MountFlags::NOSUID | MountFlags::NODEV;
        match self {
            Self::Expose { at, is_writable, .. } => {
                // SAFETY: it was opened by `enter` and is used once.
                let tree = unsafe { OwnedFd::from_raw_fd(source.unwrap_or(-1)) };
                if !is_writable {
                    set_read_only(tree.as_fd(), c"", true)?;
                }
                move_mount(
                    tree.as_fd(),
                    c"",
                    CWD,
                    at.as_c_str(),
                    MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
                )
            }
            Self::Overlay { options, at } => {
                let _ = mount(c"overlay", at.as_c_str(), c"overlay", secure, options.as_c_str());
                Ok(())
            }
            Self::Memory(at) => mount(c"vx", at.as_c_str(), c"tmpfs", secure, MEMORY_FILES),
            Self::Processes(at) => mount(c"proc", at.as_c_str(), c"proc", secure | MountFlags::NOEXEC, c""),
            Self::LimitProcesses => {
                let (path, limit) = PID_MAX;
                // Some kernels refuse that in containers.
                if let Ok(setting) = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
                    let _ = rustix::io::write(setting, limit);
                }
                Ok(())
            }
            Self::Seal(at) => set_read_only(CWD, at, false),
            Self::Directory(at) => or_exists(rustix::fs::mkdir(at.as_c_str(), Mode::from_raw_mode(0o755))),
            Self::File(at) => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
                rustix::fs::open(at.as_c_str(), flags, Mode::from_raw_mode(0o644)).map(drop)
            }
            Self::Link { target, at } => or_exists(rustix::fs::symlink(target.as_c_str(), at.as_c_str())),
        }
    }
}

fn or_exists(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

/// Makes the mount at `path`, or what `tree` refers to if it is empty, read-only.
fn set_read_only(tree: BorrowedFd<'_>, path: &CStr, is_recursive: bool) -> Result<(), Errno> {
    use std::os::fd::AsRawFd as _;

    /// The kernel's `struct mount_attr`.
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    const READ_ONLY: u64 = 1;
    const RECURSIVE: libc::c_int = 0x8000;
    let attributes = Attributes {
        set: READ_ONLY,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let empty = if path.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
    let recursive = if is_recursive { RECURSIVE } else { 0 };
    // SAFETY: the kernel reads the attributes and the path, which outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            path.as_ptr(),
            empty | recursive,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    match answer {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

/// A map of users that leaves every user as it is, for the users of `map`: lines of first inside, first outside, number.
fn identity(map: &str) -> io::Result<String> {
    let mut lines = String::new();
    for line in map.lines() {
        let mut fields = line.split_whitespace();
        let (Some(first), Some(_), Some(count)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        lines += &format!("{first} {first} {count}\n");
    }
    Ok(lines)
}

/// The release of Linux that runs: its first two numbers.
fn release() -> Option<(u32, u32)> {
    let system = rustix::system::uname();
    let mut numbers = system.release().to_str().ok()?.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn text(path: &str) -> Result<CString, NulError> {
    CString::new(path)
}

/// The steps so far.
#[derive(Debug, Default)]
struct List {
    steps: Vec<Step>,
    /// Directories whose content is the action's own.
    masked: Vec<Utf8PathBuf>,
    /// What was exposed in these.
    kept: BTreeSet<Utf8PathBuf>,
    view: View,
}

impl List {
    fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    fn exposed(&self) -> usize {
        let is_exposed = |step: &&Step| matches!(step, Step::Expose { .. });
        self.steps.iter().filter(is_exposed).count()
    }

    /// Everything but what the action may change and what is hidden.
    fn mask(&mut self, containment: &Containment, own: &[Utf8PathBuf], tmpdir: &Utf8Path) -> io::Result<()> {
        self.temporary(tmpdir)?;
        if !containment.network {
            self.services()?;
        }
        self.devices()?;
        self.step(Step::Processes(text("/proc")?));
        self.kernel()?;
        let kept = containment.kept.iter().map(Utf8Path::new);
        self.keep(kept.chain(own.iter().map(Utf8PathBuf::as_path)))
    }

    /// The kernel's settings, which the superuser can change in any namespace.
    fn kernel(&mut self) -> io::Result<()> {
        if release().is_some_and(|release| release >= OWN_PID_MAX) {
            self.step(Step::LimitProcesses);
        }
        self.keep_mounted(KERNEL.map(Utf8Path::new).into_iter())
    }

    /// Shows, read-only, what was at these paths before, where they still exist: what has been mounted since hides it.
    fn keep_mounted<'a>(&mut self, paths: impl Iterator<Item = &'a Utf8Path>) -> io::Result<()> {
        for path in paths.filter(|path| path.exists()) {
            let at = text(path.as_str())?;
            self.step(Step::Expose {
                from: at.clone(),
                at,
                is_writable: false,
            });
        }
        Ok(())
    }

    fn temporary(&mut self, tmpdir: &Utf8Path) -> io::Result<()> {
        for directory in SHARED_TEMPORARY.map(Utf8Path::new) {
            if let Ok(real) = directory.canonicalize_utf8()
                && real.is_dir()
                && !self.masked.contains(&real)
            {
                self.step(Step::Expose {
                    from: text(tmpdir.as_str())?,
                    at: text(real.as_str())?,
                    is_writable: true,
                });
                self.masked.push(real);
            }
        }
        Ok(())
    }

    fn services(&mut self) -> io::Result<()> {
        let Ok(real) = Utf8Path::new(SERVICES).canonicalize_utf8() else {
            return Ok(());
        };
        self.step(Step::Memory(text(real.as_str())?));
        self.masked.push(real);
        self.keep(SYSTEM_IN_SERVICES.iter().map(Utf8Path::new))
    }

    fn devices(&mut self) -> io::Result<()> {
        self.step(Step::Memory(text("/dev")?));
        self.masked.push("/dev".into());
        for name in DEVICES {
            let path = format!("/dev/{name}");
            if !Utf8Path::new(&path).exists() {
                continue;
            }
            self.step(Step::File(text(&path)?));
            // Writable: opening a device for writing fails on a read-only file system.
            self.step(Step::Expose {
                from: text(&path)?,
                at: text(&path)?,
                is_writable: true,
            });
        }
        for (name, target) in DEVICE_LINKS {
            self.step(Step::Link {
                target: text(target)?,
                at: text(&format!("/dev/{name}"))?,
            });
        }
        self.step(Step::Directory(text("/dev/shm")?));
        self.step(Step::Memory(text("/dev/shm")?));
        self.masked.push("/dev/shm".into());
        Ok(())
    }

    /// Lets the dynamic linker find the library that knows which uses are recorded. No variable shows it. If the kernel
    /// refuses, nothing is known.
    fn preload(&mut self, known: &Utf8Path) -> io::Result<()> {
        let at = text(KNOWN_DIRECTORY)?;
        self.step(Step::Directory(at.clone()));
        self.step(Step::Expose {
            from: text(known.as_str())?,
            at,
            is_writable: false,
        });
        if Utf8Path::new(SETTINGS).canonicalize_utf8()? != SETTINGS {
            return Ok(());
        }
        let options = format!("lowerdir={KNOWN_DIRECTORY}/{KNOWN_ETC}:{SETTINGS},userxattr");
        self.step(Step::Overlay {
            options: text(&options)?,
            at: text(SETTINGS)?,
        });
        // What is mounted there, as in many containers, would be covered.
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let points = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4).map(Utf8Path::new));
        self.keep_mounted(points.filter(|point| point.starts_with(SETTINGS) && *point != SETTINGS))
    }

    /// Shows, read-only, what lies below a directory of the action's own: the entry there that holds the path, so that
    /// what is beside the path can be seen too.
    fn keep<'a>(&mut self, paths: impl Iterator<Item = &'a Utf8Path>) -> io::Result<()> {
        for path in paths {
            let Ok(real) = path.canonicalize_utf8() else {
                continue;
            };
            // The innermost.
            let masked = self.masked.iter().filter(|masked| real.starts_with(masked));
            let Some(masked) = masked.max_by_key(|masked| masked.as_str().len()) else {
                continue;
            };
            let Some(first) = real.strip_prefix(masked).ok().and_then(|rest| rest.components().next()) else {
                continue;
            };
            let entry = masked.join(first.as_str());
            if !self.kept.insert(entry.clone()) {
                continue;
            }
            let at = text(entry.as_str())?;
            self.step(match entry.is_dir() {
                true => Step::Directory(at),
                false => Step::File(at),
            });
            self.keep_mounted([&*entry].into_iter())?;
        }
        Ok(())
    }

    /// Shows directories at other paths, read-only, below a directory of their own.
    fn show(&mut self, mounts: &[Mount]) -> io::Result<()> {
        let seen = mounts.iter().map(|mount| {
            let from = Utf8Path::new(&mount.from).canonicalize_utf8()?;
            let at = Utf8PathBuf::from(&mount.at);
            Ok(SeenAt { from, at })
        });
        let seen: Vec<SeenAt> = seen.collect::<io::Result<_>>()?;
        self.view = View::new(seen.clone());
        if let Some(top) = self.view.top().map(ToOwned::to_owned) {
            let at = text(top.as_str())?;
            self.step(Step::Directory(at.clone()));
            self.step(Step::Memory(at));
        }
        for SeenAt { from, at } in seen {
            let mut above: Vec<&Utf8Path> = at
                .ancestors()
                .take_while(|path| Some(*path) != self.view.top())
                .collect();
            above.reverse();
            for directory in above {
                let directory = text(directory.as_str())?;
                self.steps.push(Step::Directory(directory));
            }
            self.step(Step::Expose {
                from: text(from.as_str())?,
                at: text(at.as_str())?,
                is_writable: false,
            });
        }
        Ok(())
    }

    /// Puts the changes to what is at `path` into `changes`, which is on a writable mount.
    fn overlay(&mut self, path: &Utf8Path, changes: &Utf8Path) -> io::Result<()> {
        // These separate the options.
        let is_plain = |path: &Utf8Path| !path.as_str().contains([':', ',', '\\']);
        let Some(real) = self.found(path).filter(|real| is_plain(real) && is_plain(changes)) else {
            return Ok(());
        };
        let [upper, work] = ["upper", "work"].map(|name| changes.join(name));
        for directory in [&upper, &work] {
            std::fs::create_dir_all(directory)?;
        }
        // Volatile: what is forgotten need not reach the disk, for which the end of the process would wait.
        let options = format!("lowerdir={real},upperdir={upper},workdir={work},userxattr,volatile");
        self.step(Step::Overlay {
            options: text(&options)?,
            at: text(real.as_str())?,
        });
        Ok(())
    }

    fn hide(&mut self, path: &Utf8Path) -> io::Result<()> {
        let Some(real) = self.found(path) else {
            return Ok(());
        };
        let at = text(real.as_str())?;
        if real.is_dir() {
            self.step(Step::Memory(at.clone()));
            self.step(Step::Seal(at));
        } else {
            self.step(Step::Expose {
                from: text("/dev/null")?,
                at,
                is_writable: false,
            });
        }
        Ok(())
    }

    fn expose(&mut self, path: &Utf8Path, is_writable: bool) -> io::Result<()> {
        let Some(real) = self.found(&self.view.real(path)) else {
            return Ok(());
        };
        let at = self.view.seen(&real).unwrap_or_else(|| real.clone());
        self.step(Step::Expose {
            from: text(real.as_str())?,
            at: text(at.as_str())?,
            is_writable,
        });
        Ok(())
    }

    /// Where a path leads; `None` if nothing is there, or if it lies below a directory of the action's own and was not
    /// kept.
    fn found(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let real = path.canonicalize_utf8().ok()?;
        let is_masked = self
            .masked
            .iter()
            .any(|masked| real.starts_with(masked) && real != *masked);
        let is_kept = || {
            self.kept
                .iter()
                .chain(self.view.directories())
                .any(|kept| real.starts_with(kept))
        };
        (!is_masked || is_kept()).then_some(real)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use vx_proto::AccessKind;

    use super::*;
    use crate::observe::Scope;
    use crate::process::tests::{Shell, run};

    #[tokio::test]
    async fn a_contained_process_writes_to_its_own_directories_alone() {
        let mut shell = Shell::new();
        let dir = shell.dir.path();
        fs::create_dir_all(dir.join("package/member")).unwrap();
        shell.containment.writable = vec![dir.join("package").into_string()];
        shell.containment.read_only = vec![dir.join("package/member").into_string()];
        let tried = "for path in own/a tmp/b package/c package/member/d e /usr/f; do \
                     (: > $path) 2>/dev/null && echo $path; done; true";
        assert_eq!(shell.prints(tried).await, "own/a\ntmp/b\npackage/c\n");
        assert!(dir.join("own/a").exists() && dir.join("package/c").exists());
        assert!(!dir.join("package/member/d").exists() && !dir.join("e").exists());
    }

    #[tokio::test]
    async fn what_is_hidden_is_empty_and_what_is_shared_is_its_own() {
        let mut shell = Shell::new();
        let dir = shell.dir.path();
        fs::create_dir(dir.join("store")).unwrap();
        fs::write(dir.join("store/blob"), "blob").unwrap();
        let secret = shell.dir.write("secret", "secret");
        shell.containment.hidden = vec![dir.join("store").into_string(), secret.into_string()];
        assert_eq!(shell.prints("ls store; cat secret; ls /run; ls /dev/shm").await, "");
        assert_eq!(shell.prints("echo x > /tmp/x; cat tmp/x; hostname").await, "x\nvx\n");
        // Of what others have in `/tmp`, only what is kept is there.
        let listed = shell.prints("ls -A /tmp").await;
        assert_eq!(listed.lines().collect::<Vec<_>>(), [dir.file_name().unwrap(), "x"]);
    }

    #[tokio::test]
    async fn a_directory_can_be_found_at_another_path() {
        let mut shell = Shell::new();
        let dir = shell.dir.path();
        fs::create_dir_all(dir.join("deep/app/member")).unwrap();
        fs::create_dir_all(dir.join("deep/lib")).unwrap();
        fs::write(dir.join("deep/app/file"), "text").unwrap();
        let mount = |name: &str, at: &str| Mount {
            from: dir.join(name).into_string(),
            at: at.to_owned(),
        };
        shell.containment.view = vec![
            mount("deep/app", "/run/vx/build/workspace"),
            mount("deep/lib", "/run/vx/build/lib"),
        ];
        shell.containment.writable = vec!["/run/vx/build/workspace/member".to_owned()];
        let mut launch = shell.launch(
            "pwd -P; cat file; ls ..; for path in x member/x ../x ../lib/x; do \
             (: > $path) 2>/dev/null && echo $path; done; true",
        );
        launch.working_directory = "/run/vx/build/workspace".into();
        let done = run(launch).await;
        assert_eq!(
            done.stdout, "/run/vx/build/workspace\ntextlib\nworkspace\nmember/x\n",
            "{}",
            done.stderr
        );
        assert!(dir.join("deep/app/member/x").exists());
    }

    /// What is observed of `script` in a directory that it finds at another path.
    async fn seen_in_view(script: &str) -> (Vec<(String, AccessKind)>, bool) {
        let mut shell = Shell::new();
        let dir = shell.dir.path();
        fs::create_dir_all(dir.join("deep/app/src")).unwrap();
        fs::write(dir.join("deep/app/src/file"), "text").unwrap();
        std::os::unix::fs::symlink("src/file", dir.join("deep/app/link")).unwrap();
        fs::write(dir.join("deep/beside"), "text").unwrap();
        shell.containment.view = vec![Mount {
            from: dir.join("deep/app").into_string(),
            at: "/run/vx/build/workspace".to_owned(),
        }];
        let mut launch = shell.dir.observed(shell.launch(script));
        let namespaces = launch.namespaces.as_ref().unwrap();
        launch.observe = Some(Scope {
            own: namespaces.masked.clone(),
            foreign: namespaces.view.directories().cloned().collect(),
            view: namespaces.view.clone(),
        });
        launch.working_directory = "/run/vx/build/workspace/src".into();
        let done = run(launch).await;
        let vx_proto::Observation::Complete(accesses) = done.ended.observation else {
            panic!("{:?}", done.ended.observation);
        };
        let below = |access: vx_proto::Access| {
            let name = access.path.strip_prefix(dir.as_str())?.to_owned();
            Some((name, access.kind))
        };
        (
            accesses.into_iter().filter_map(below).collect(),
            done.ended.reach.left_view,
        )
    }

    #[tokio::test]
    async fn changes_to_a_scratch_directory_are_forgotten() {
        let mut shell = Shell::new();
        let package = shell.dir.path().join("package");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("file"), "before").unwrap();
        shell.containment.scratch = vec![package.to_string()];
        let mut launch = shell.launch("mkdir made && rmdir made && echo after > file && cat file");
        launch.working_directory = package.clone();
        let done = run(launch).await;
        assert_eq!(done.stdout, "after\n", "{}", done.stderr);
        assert_eq!(fs::read_to_string(package.join("file")).unwrap(), "before");
    }

    #[tokio::test]
    async fn what_is_used_at_another_path_is_observed_where_it_is() {
        let (seen, left) = seen_in_view("cat file ../link /run/vx/build/workspace/src/absent").await;
        assert!(!left);
        for (name, kind) in [
            ("/deep/app/src/file", AccessKind::Read),
            ("/deep/app/link", AccessKind::Pass),
            ("/deep/app/src/absent", AccessKind::Read),
        ] {
            assert!(seen.contains(&(name.to_owned(), kind)), "{name}: {seen:?}");
        }
    }

    #[tokio::test]
    async fn what_is_around_the_view_is_a_search_only_if_it_is_not_there() {
        let (seen, left) = seen_in_view("cat ../../.git/HEAD").await;
        assert!(!left);
        assert_eq!(
            seen.last().unwrap(),
            &("/deep/.git/HEAD".to_owned(), AccessKind::Search)
        );
        for script in ["cat ../../beside", "ls /run/vx/build", "cd ../..; ls"] {
            assert!(seen_in_view(script).await.1, "{script}");
        }
    }

    #[tokio::test]
    async fn nothing_outside_is_reached() {
        let shell = Shell::new();
        let socket = shell.dir.path().join("socket");
        let _service = UnixListener::bind(&socket).unwrap();
        assert_eq!(shell.prints("cd /proc; echo [0-9]*").await, "1\n");
        assert_eq!(shell.prints("cat /proc/net/dev | grep -c :").await, "1\n");
        let setting = "(: >> /proc/sys/kernel/core_pattern) 2> /dev/null && echo opened; true";
        assert_eq!(shell.prints(setting).await, "");
        let mount = shell
            .run("mount -t tmpfs none own || mount -o remount,rw / || umount /tmp")
            .await;
        assert_ne!(mount.ended.exit_code, Some(0));
    }

    #[tokio::test]
    async fn what_it_leaves_running_ends_with_it() {
        let shell = Shell::new();
        let done = shell.run("setsid sleep 1000 > /dev/null 2>&1 & exit 3").await;
        assert_eq!(done.ended.exit_code, Some(3));
    }

    #[tokio::test]
    async fn a_contained_process_can_be_observed() {
        let shell = Shell::new();
        let input = shell.dir.write("input", "text");
        let launch = shell
            .dir
            .observed(shell.launch("cat input > own/out; echo > /tmp/scratch"));
        let done = run(launch).await;
        let vx_proto::Observation::Complete(accesses) = done.ended.observation else {
            panic!("{:?}", done.ended.observation);
        };
        let paths: Vec<&str> = accesses.iter().map(|access| access.path.as_str()).collect();
        assert!(paths.contains(&input.as_str()), "{paths:?}");
    }

    #[tokio::test]
    async fn the_end_of_a_contained_process_is_told() {
        let shell = Shell::new();
        let done = shell.run("kill -KILL $$; sh -c 'kill -SEGV $$'; exit 9").await;
        assert_eq!(done.ended.exit_code, Some(9));
    }

    #[test]
    fn users_keep_their_numbers() {
        assert_eq!(
            identity("         0          0 4294967295\n").unwrap(),
            "0 0 4294967295\n"
        );
        assert_eq!(
            identity("0 100000 65536\n65536 7 1").unwrap(),
            "0 0 65536\n65536 65536 1\n"
        );
        assert!(identity("0 1").is_err());
    }
}
