//! Processes of a world: found by what only they carry, ended by handles that cannot mean another process.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// In the environment of what a step starts.
const OF_STEP: &str = "STARTED_BY=step";

/// Marks what a command starts as started by a step.
pub(crate) fn mark(command: &mut Command) {
    let (name, value) = OF_STEP.split_once('=').expect("it is a variable");
    command.env(name, value);
}

/// A running process, held by a handle.
#[derive(Debug)]
pub(crate) struct Process {
    /// Arguments, joined by blanks.
    pub(crate) command: String,
    /// Whether a step of the attack itself started it.
    pub(crate) is_of_step: bool,
    handle: OwnedFd,
}

impl Process {
    /// The process with this id, if it is there.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let handle = pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::empty()).ok()?;
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&words).replace('\0', " ").trim_end().to_owned();
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        Some(Self {
            command,
            is_of_step: variables.any(|variable| variable == OF_STEP.as_bytes()),
            handle,
        })
    }

    /// Waits until the process has ended, at most for so long; says whether it has.
    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("a short time");
            match poll(&mut [PollFd::new(&self.handle.as_fd(), PollFlags::IN)], Some(&timeout)) {
                Ok(ended) => return ended > 0,
                Err(Errno::INTR) => {}
                // It cannot be waited for, so nothing is known to be left.
                Err(_) => return true,
            }
        }
    }

    /// `kill -9`; a process that is gone already is as good.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.handle, Signal::KILL);
    }
}

/// The processes whose command line is exactly this.
pub(crate) fn with_command(command: &str) -> Vec<Process> {
    let all = pids().into_iter().filter_map(Process::of);
    all.filter(|process| process.command == command).collect()
}

/// The processes that carry one of the marks in their command line, environment or working directory, and those that
/// they started.
pub(crate) fn marked(marks: &[&str]) -> Vec<Process> {
    let carries = |pid: u32| {
        let text = |name: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let texts = [
            text("cmdline"),
            text("environ"),
            directory.to_string_lossy().into_owned(),
        ];
        marks.iter().any(|mark| texts.iter().any(|text| text.contains(mark)))
    };
    let all = pids();
    let mut found: Vec<u32> = all.iter().copied().filter(|pid| carries(*pid)).collect();
    let parents: Vec<(u32, u32)> = all.iter().filter_map(|pid| Some((*pid, parent(*pid)?))).collect();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        for (child, _) in parents.iter().filter(|(_, parent)| *parent == pid) {
            if !found.contains(child) {
                found.push(*child);
            }
        }
        next += 1;
    }
    // One that has ended and was not waited for is no longer of interest.
    let processes = found.into_iter().filter_map(Process::of);
    processes
        .filter(|process| !process.ends_within(Duration::ZERO))
        .collect()
}

fn pids() -> Vec<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != own).collect()
}

/// In `stat`, it stands behind the name (in parentheses) and the state.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
