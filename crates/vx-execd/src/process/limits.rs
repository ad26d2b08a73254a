//! How much memory and disk a contained action may take, how much any may print, and the watch over that.
//!
//! The kernel bounds neither for an ordinary process without breaking honest ones: address space is no memory, and quotas
//! need privileges. So what a tree takes is looked at now and then, and it is killed as a whole if that is too much. What a
//! process takes between two looks is not bounded. If the machine runs out of memory first, the kernel kills contained
//! processes before all others: see [`prefer_to_kill`].

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Pid;
use tokio::sync::Notify;
use walkdir::WalkDir;

use super::Process;
use crate::reap;

/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(200);
/// Looking at directories may take this part of the time.
const PART: u32 = 50;
/// The unit in which `stat` counts blocks.
const BLOCK: u64 = 512;
/// What an action without a limit leaves free on a disk: so much, or a twentieth of a smaller one.
const RESERVE: u64 = 1 << 30;
/// How much a tree may print, in bytes. The engine reads it as a whole.
const PRINTED: u64 = 128 << 20;

/// What an action may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    memory: u64,
    disk: u64,
}

/// An action takes too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Exceeded {
    /// Of memory.
    #[error("it took more than {} of memory", ByteSize(*.0))]
    Memory(u64),
    /// Of a disk.
    #[error("it wrote more than {} to its output and temporary directories", ByteSize(*.0))]
    Disk(u64),
    /// Of the standard streams.
    #[error("it printed more than {}", ByteSize(PRINTED))]
    Printed,
}

impl Exceeded {
    /// The setting that allows more, if there is one.
    pub(crate) fn setting(self) -> Option<&'static str> {
        match self {
            Self::Memory(_) => Some("memory"),
            Self::Disk(_) => Some("disk"),
            Self::Printed => None,
        }
    }
}

/// Counts what a tree prints.
#[derive(Debug, Default)]
pub(crate) struct Printed {
    bytes: AtomicU64,
    is_too_much: Notify,
}

impl Printed {
    /// Whether so much more may be printed.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let is_allowed = before + bytes as u64 <= PRINTED;
        if !is_allowed {
            self.is_too_much.notify_one();
        }
        is_allowed
    }

    /// Waits until it is too much.
    pub(crate) async fn exceeded(&self) -> Exceeded {
        self.is_too_much.notified().await;
        Exceeded::Printed
    }
}

impl Limits {
    /// Those that were asked for. By default, an action may take most of the machine's memory, and most of what is free
    /// on the disk of `directory`.
    pub(crate) fn new(asked: &vx_proto::Limits, directory: &Utf8Path) -> Self {
        Self {
            memory: asked.memory.unwrap_or_else(|| memory_of_machine() / 8 * 7),
            disk: asked.disk.unwrap_or_else(|| free_for_one(directory)),
        }
    }

    /// Waits until the processes below `process`, or what is in `directories`, take too much. Never returns otherwise.
    pub(crate) async fn watch(self, process: &Process, directories: Vec<Utf8PathBuf>) -> Exceeded {
        let main = process.pid;
        let mut next_walk = Instant::now();
        loop {
            tokio::time::sleep(PAUSE).await;
            let directories = directories.clone();
            let look = move || {
                if memory_below(main) > self.memory {
                    return (Some(Exceeded::Memory(self.memory)), next_walk);
                }
                let started = Instant::now();
                if started < next_walk {
                    return (None, next_walk);
                }
                let exceeded = (disk_of(&directories) > self.disk).then_some(Exceeded::Disk(self.disk));
                (exceeded, started + started.elapsed() * PART)
            };
            match tokio::task::spawn_blocking(look).await {
                Ok((Some(exceeded), _)) => return exceeded,
                Ok((None, next)) => next_walk = next,
                // execd is ending, and so is the action.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

/// Lets the kernel, if it runs out of memory, kill `child` and what it starts before anything else.
pub(super) fn prefer_to_kill(child: Pid) {
    /// The highest score. Everybody may raise that of their own processes.
    const FIRST: &str = "1000";
    // Without it, the kernel decides by size alone.
    let _ = std::fs::write(format!("/proc/{child}/oom_score_adj"), FIRST);
}

/// What the processes of a tree have in memory for themselves alone, in bytes.
fn memory_below(main: Pid) -> u64 {
    let tree = reap::descendants(main, &HashSet::new());
    let pages = tree.into_iter().chain([main]).filter_map(|pid| {
        // In pages: size, resident, shared with files.
        let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let mut fields = statm.split(' ').skip(1).map(str::parse::<u64>);
        let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
        Some(resident.saturating_sub(shared))
    });
    pages.sum::<u64>() * rustix::param::page_size() as u64
}

/// What the files in `directories` take of their disk, in bytes. A file with many names counts once.
fn disk_of(directories: &[Utf8PathBuf]) -> u64 {
    let mut seen = HashSet::new();
    let entries = directories.iter().flat_map(WalkDir::new).flatten();
    let metadata = entries.filter_map(|entry| entry.metadata().ok());
    let blocks = metadata.filter_map(|metadata| {
        let is_new = metadata.nlink() == 1 || seen.insert((metadata.dev(), metadata.ino()));
        is_new.then(|| metadata.blocks())
    });
    blocks.sum::<u64>() * BLOCK
}

/// The memory of the machine, or of the control group that this process is in, and swap space besides, in bytes. Where
/// there is much of that, a process may be larger than the memory, so none is ever stopped.
fn memory_of_machine() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    // `MemTotal:       24606256 kB`
    let of = |name: &str| {
        let line = machine.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let (total, swap) = (of("MemTotal").unwrap_or(u64::MAX), of("SwapTotal").unwrap_or(0));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or_default();
    let own = Utf8Path::new("/sys/fs/cgroup").join(own);
    let limits = own.ancestors().filter_map(|group| {
        let limit = std::fs::read_to_string(group.join("memory.max")).ok()?;
        limit.trim().parse().ok()
    });
    limits.fold(total, u64::min).saturating_add(swap)
}

/// What one action may take of what is free on the disk of `directory`, in bytes.
fn free_for_one(directory: &Utf8Path) -> u64 {
    let Ok(disk) = rustix::fs::statvfs(directory.as_std_path()) else {
        return u64::MAX;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let reserve = (disk.f_blocks.saturating_mul(disk.f_frsize) / 20).min(RESERVE);
    free.saturating_sub(reserve).max(free / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_by_what_it_takes_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        let size = || disk_of(&[directory.to_owned()]);
        let before = size();
        std::fs::write(directory.join("file"), vec![1; 1 << 20]).unwrap();
        let with_file = size();
        assert!(
            (1 << 20..1 << 21).contains(&(with_file - before)),
            "{with_file} {before}"
        );
        std::fs::hard_link(directory.join("file"), directory.join("again")).unwrap();
        let sparse = std::fs::File::create(directory.join("sparse")).unwrap();
        sparse.set_len(1 << 30).unwrap();
        assert!(size() - with_file < 1 << 20);
    }

    #[test]
    fn what_a_process_has_for_itself_is_its_memory() {
        let own = rustix::process::getpid();
        let before = memory_below(own);
        let taken = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = memory_below(own);
        assert!(after - before >= 60 << 20, "{before} {after}");
        assert!(after < memory_of_machine());
        drop(taken);
    }

    #[test]
    fn a_disk_is_never_given_to_one_action() {
        let free = free_for_one(Utf8Path::new("/"));
        let disk = rustix::fs::statvfs("/").unwrap();
        assert!(free > 0 && free < disk.f_bavail * disk.f_frsize);
    }
}
