//! Names processes so that a reused process id is never mistaken for an earlier process.

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        mod linux;
        pub(crate) mod stat;
        pub use linux::ProcessHandle;
        use linux as system;
    } else {
        mod other;
        pub use other::ProcessHandle;
        use other as system;
    }
}

use std::io;

use serde::{Deserialize, Serialize};

/// A process of this machine, since it booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The kernel's number, which is reused later.
    pub pid: u32,
    /// When it started, in clock ticks since boot: distinguishes it from other processes with the number.
    pub started: u64,
}

impl ProcessId {
    /// The calling process.
    pub fn own() -> io::Result<Self> {
        let pid = std::process::id();
        let started = system::started(pid)?;
        Ok(Self { pid, started })
    }

    /// A hold on the process; `None` if it has ended.
    pub fn open(self) -> io::Result<Option<ProcessHandle>> {
        ProcessHandle::open(self)
    }
}
