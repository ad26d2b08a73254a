//! The kernel's notifications of the calls of one process tree: each call waits until it is recorded and answered.
//!
//! Unlike under ptrace, nothing else is disturbed: signals, debuggers, how processes start and end.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use libc::{
    SECCOMP_IOCTL_NOTIF_RECV, SECCOMP_IOCTL_NOTIF_SEND, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
    SECCOMP_USER_NOTIF_FLAG_CONTINUE, seccomp_notif, seccomp_notif_resp,
};
use rustix::process::Pid;
use vx_proto::Observation;

use super::caller::Syscall;
use super::known::KnownUses;
use super::log::{Reach, Scope};
use super::observer::Observer;

/// Wakes who waits on the processor that both are on, since Linux 6.6: otherwise each call wakes an idle one, which
/// takes longer than everything else.
const SYNC_WAKE_UP: u64 = 1;

/// Listens to one process tree.
#[derive(Debug)]
pub(crate) struct Listener {
    descriptor: OwnedFd,
    observer: Observer,
    /// Those whose last call was to execute something.
    executing: HashSet<Pid>,
    /// All that have made a call.
    seen: HashSet<Pid>,
}

impl Listener {
    /// `descriptor` is what a [`super::Filter`] returned to the tree's main process. Uses that need not be told again are
    /// added to `known`.
    pub(crate) fn new(descriptor: OwnedFd, scope: Scope, known: Option<Arc<KnownUses>>) -> Self {
        // SAFETY: the argument is a number.
        unsafe { libc::ioctl(descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
        Self {
            descriptor,
            observer: Observer::new(scope, known),
            executing: HashSet::new(),
            seen: HashSet::new(),
        }
    }

    /// Readable when a call waits; hung up when the tree is gone.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.descriptor
    }

    /// All processes and threads that have made a call; some may remain as zombies.
    pub(crate) fn seen(&self) -> &HashSet<Pid> {
        &self.seen
    }

    /// Records a call that waits, and lets it go on.
    pub(crate) fn answer(&mut self) {
        // SAFETY: all zeros is a valid value of this structure of numbers, and what the kernel expects.
        let mut call: seccomp_notif = unsafe { std::mem::zeroed() };
        // Fails if who made the call was killed just now.
        // SAFETY: the kernel fills the structure.
        if unsafe { libc::ioctl(self.descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) } == 0 {
            self.observe(&call);
            self.resume(call.id);
        }
    }

    /// What was seen.
    pub(crate) fn finish(self) -> (Observation, Reach) {
        self.observer.finish()
    }

    /// If the process is killed meanwhile, another one may get its number: then something is recorded that this tree did
    /// not use, which costs a miss.
    fn observe(&mut self, call: &seccomp_notif) {
        let Some(pid) = Pid::from_raw(call.pid.cast_signed()) else {
            return self.observer.set_incomplete("a process of another namespace ran");
        };
        self.seen.insert(pid);
        if self.executing.remove(&pid) {
            self.observer.observe_image(pid);
        }
        let executes = self.observer.observe_call(
            pid,
            Syscall {
                arch: call.data.arch,
                number: call.data.nr.cast_unsigned().into(),
                arguments: call.data.args,
            },
        );
        if executes {
            self.executing.insert(pid);
        }
    }

    fn resume(&mut self, id: u64) {
        let answer = seccomp_notif_resp {
            id,
            val: 0,
            error: 0,
            flags: SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the kernel reads the structure.
        let sent = unsafe { libc::ioctl(self.descriptor.as_raw_fd(), SECCOMP_IOCTL_NOTIF_SEND, &raw const answer) };
        if sent == -1 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::ENOENT) {
                self.observer
                    .set_incomplete(format!("the kernel refused an answer: {error}"));
            }
        }
    }
}
