//! Finds and kills what processes leave behind, through `/proc`.
//!
//! A process whose parent ends is handed to the nearest ancestor that is a subreaper. execd is one, so nothing that it
//! started escapes it while it lives.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, waitpid};

/// How long a killed process may take to end; only one that the kernel blocks (a dead network disk) takes longer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// An exec takes far less time than all of these together.
const EXEC_ATTEMPTS: u32 = 50;
const EXEC_PAUSE: Duration = Duration::from_micros(200);

/// The main processes of all actions of this process.
static MAINS: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);

/// Makes this process the one to which orphaned descendants are handed.
pub(crate) fn become_subreaper() -> io::Result<()> {
    // The argument is a flag: any process id switches it on.
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// What identifies the processes of one action.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark<'a> {
    /// The action's main process, which leads a session and a group.
    pub(crate) leader: Pid,
    /// Its `TMPDIR`, in the environment of all that do not remove it.
    pub(crate) tmpdir: &'a Utf8Path,
}

/// Works on the set of main processes. A main process is started and added within one call, so a search for leftovers
/// never mistakes a new one for a leftover.
pub(crate) fn with_mains<T>(work: impl FnOnce(&mut HashSet<Pid>) -> T) -> T {
    work(&mut MAINS.lock())
}

/// Kills and reaps what the ended process `mark.leader` left behind, and those of `doomed` that were handed to this
/// process. Returns how many there were.
///
/// Orphans are recognized by their session, their group or their environment. One that has changed all three cannot be
/// distinguished from those of other actions, so it lives until no action runs.
pub(crate) fn kill_leftovers(mark: Mark<'_>, doomed: &HashSet<Pid>) -> usize {
    kill_until_none(|| {
        with_mains(|mains| {
            let is_last = mains.iter().all(|main| *main == mark.leader);
            let belongs = |pid: &Pid| doomed.contains(pid) || mark.fits(*pid) || is_last && is_adopted(*pid);
            let orphans = children(getpid()).into_iter().filter(|pid| !mains.contains(pid));
            let mut found: HashSet<Pid> = orphans.filter(belongs).collect();
            for pid in found.clone() {
                found.extend(descendants(pid, mains));
            }
            found
        })
    })
}

/// Whether a child comes from an action: those that this process starts for itself stay in its session.
fn is_adopted(child: Pid) -> bool {
    // Zero, which is not a process id, if the session's leader is outside this process's namespace.
    let session = |pid| Stat::of(pid).map(|stat| stat.session);
    session(child).is_some_and(|of_child| session(getpid()).is_some_and(|own| of_child != own))
}

/// All descendants of `root`, without those in `except` and what is below them.
pub(crate) fn descendants(root: Pid, except: &HashSet<Pid>) -> HashSet<Pid> {
    let mut found = HashSet::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            if !except.contains(&child) && found.insert(child) {
                open.push(child);
            }
        }
    }
    found
}

impl Mark<'_> {
    fn fits(self, pid: Pid) -> bool {
        let leader = self.leader.as_raw_nonzero().get();
        let related = Stat::of(pid).is_some_and(|stat| stat.session == leader || stat.group == leader);
        related || self.is_in_environment(pid)
    }

    fn is_in_environment(self, pid: Pid) -> bool {
        environment(pid)
            .split(|byte| *byte == 0)
            .filter_map(|variable| variable.strip_prefix(b"TMPDIR="))
            .any(|value| value == self.tmpdir.as_str().as_bytes())
    }
}

/// The environment of a process. In the middle of an exec it reads as empty for a moment, so empty ones are read again.
fn environment(pid: Pid) -> Vec<u8> {
    for _ in 0..EXEC_ATTEMPTS {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if !environment.is_empty() || Stat::of(pid).is_none_or(|stat| stat.is_zombie) {
            return environment;
        }
        std::thread::sleep(EXEC_PAUSE);
    }
    Vec::new()
}

/// Kills what `find` finds, again and again, because a process can fork while it is being killed.
fn kill_until_none(find: impl Fn() -> HashSet<Pid>) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let mut killed = HashSet::new();
    loop {
        let victims = find();
        if victims.is_empty() {
            return killed.len();
        }
        for pid in &victims {
            // It may be gone already.
            let _ = kill_process(*pid, Signal::KILL);
        }
        for pid in &victims {
            reap(*pid, deadline);
        }
        killed.extend(victims);
        if Instant::now() >= deadline {
            tracing::warn!(processes = ?killed, "some of these processes did not exit after being killed");
            return killed.len();
        }
    }
}

/// Waits until a killed process is gone; if it is a child of this process, reaps it.
fn reap(pid: Pid, deadline: Instant) {
    if let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) {
        wait_for_end(&process, deadline);
    }
    // If it is not a child, its parent is among the killed, and it is handed to us when that is gone.
    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
}

fn wait_for_end(process: &OwnedFd, deadline: Instant) {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        let ended = poll(&mut [PollFd::new(process, PollFlags::IN)], timeout.as_ref());
        if ended != Err(rustix::io::Errno::INTR) {
            return;
        }
    }
}

/// The children of a process, from the kernel's own list if it keeps one.
fn children(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        match std::fs::read_to_string(thread.path().join("children")) {
            Ok(list) => found.extend(list.split_whitespace().filter_map(parse_pid)),
            // The thread has just ended, and its children are in the list of another one by now.
            Err(_) if !thread.path().exists() => {}
            Err(_) => return children_by_search(parent),
        }
    }
    found
}

/// The same for kernels without `CONFIG_PROC_CHILDREN`.
fn children_by_search(parent: Pid) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| parse_pid(entry.file_name().to_str()?))
        .filter(|pid| Stat::of(*pid).is_some_and(|stat| stat.parent == parent.as_raw_nonzero().get()))
        .collect()
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// The fields of `/proc/PID/stat` that are needed here.
struct Stat {
    is_zombie: bool,
    parent: i32,
    group: i32,
    session: i32,
}

impl Stat {
    fn of(pid: Pid) -> Option<Self> {
        let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// The second field is the program's name in parentheses, and may hold parentheses and blanks of its own.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let is_zombie = fields.next()? == "Z";
        let mut next = || fields.next()?.parse().ok();
        Some(Self {
            is_zombie,
            parent: next()?,
            group: next()?,
            session: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = Stat::parse("17 (a) b) c) S 1 2 3 4").unwrap();
        assert_eq!((stat.parent, stat.group, stat.session), (1, 2, 3));
    }

    #[test]
    fn both_ways_to_find_children_agree() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        assert!(children(getpid()).contains(&pid));
        assert!(children_by_search(getpid()).contains(&pid));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
