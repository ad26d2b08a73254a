//! Processes that tests have left behind: what runs an executable of this workspace, or was started by a test.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a service may take to end after its test, as vx promises.
const GRACE: Duration = Duration::from_secs(2);

/// Process ids of what runs an executable below `target`, or has the environment of a test; this process is none of them.
pub(crate) fn ours(target: &Utf8Path) -> Result<BTreeSet<i32>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").context("cannot list processes")? {
        let name = entry.context("cannot list processes")?.file_name();
        // Other entries of /proc are not processes.
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if pid != std::process::id().cast_signed() && (runs_below(pid, target) || has_environment_of_test(pid)) {
            found.insert(pid);
        }
    }
    Ok(found)
}

/// Those of [`ours`] that are not in `before` and do not end within two seconds, each with its command line.
pub(crate) fn since(before: &BTreeSet<i32>, target: &Utf8Path) -> Result<Vec<String>> {
    let deadline = Instant::now() + GRACE;
    let candidates: Vec<i32> = ours(target)?.difference(before).copied().collect();
    let left = candidates.into_iter().filter(|&pid| !ends_before(pid, deadline));
    Ok(left.map(|pid| format!("{pid}: {}", command_line(pid))).collect())
}

/// A process that is gone has no executable.
fn runs_below(pid: i32, directory: &Utf8Path) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|executable| executable.starts_with(directory))
}

fn has_environment_of_test(pid: i32) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment
        .split(|&byte| byte == 0)
        .any(|variable| variable.starts_with(b"NEXTEST_RUN_ID="))
}

fn ends_before(pid: i32, deadline: Instant) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return true;
    };
    // No descriptor, no process.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return true;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).ok();
    // Readable once the process has ended; anything else is a time-out.
    poll(&mut [PollFd::new(&process, PollFlags::IN)], timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

fn command_line(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned()
}
