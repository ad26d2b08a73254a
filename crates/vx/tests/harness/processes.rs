//! The processes of one test: found by the test's directory, which each of them carries in its environment, its
//! arguments or its working directory; ended by handles that cannot mean another process.

use std::fs;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use camino::Utf8Path;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long processes may take to end after `vx kill` has returned or their parent has died.
const GRACE: Duration = Duration::from_secs(2);

/// A running process of the test, held by a handle.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Arguments, joined by blanks.
    pub(crate) command: String,
    handle: OwnedFd,
}

impl Process {
    /// All that belong to the test in `root`.
    pub(crate) fn all_of(root: &Utf8Path) -> Vec<Self> {
        let own = std::process::id();
        let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != own)
            .filter_map(|pid| Self::find(pid, root))
            .collect()
    }

    fn find(pid: u32, root: &Utf8Path) -> Option<Self> {
        // The handle first: what is read below is then about this process or about none.
        let handle = pidfd_open(Pid::from_raw(pid.try_into().ok()?)?, PidfdFlags::empty()).ok()?;
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        let is_ours = command.contains(root.as_str())
            || directory.starts_with(root)
            || String::from_utf8_lossy(&read("environ")).contains(root.as_str());
        let process = Self { pid, command, handle };
        (is_ours && !process.ends_before(Instant::now())).then_some(process)
    }

    /// Waits until the process has ended, at most until `deadline`; says whether it has.
    pub(crate) fn ends_before(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).expect("a short time");
            match poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&timeout)) {
                Ok(ended) => return ended > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("cannot wait for process {}: {error}", self.pid),
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        match pidfd_send_signal(&self.handle, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => panic!("cannot kill process {}: {error}", self.pid),
        }
    }
}

/// Gives the processes of the test in `root` a moment to end, kills those that do not, and says which these were.
pub(super) fn end_all(root: &Utf8Path) -> Vec<Process> {
    let deadline = Instant::now() + GRACE;
    let mut killed = Vec::new();
    // Again, because a process may have started another before it was killed.
    loop {
        let all = Process::all_of(root);
        if all.is_empty() {
            return killed;
        }
        let stubborn = all.into_iter().filter(|process| !process.ends_before(deadline));
        for process in stubborn.collect::<Vec<_>>() {
            process.kill();
            process.ends_before(Instant::now() + GRACE);
            killed.push(process);
        }
    }
}
