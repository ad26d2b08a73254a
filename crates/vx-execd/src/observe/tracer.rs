//! The loop that runs a traced tree, records what it does, and kills what is left when its main process has ended.

use std::collections::HashSet;
use std::io;
use std::time::Instant;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use vx_proto::Observation;

use super::log::{Reach, Scope};
use super::observer::Observer;
use super::ptrace::{self, EVENT_EXEC, EVENT_SECCOMP, EVENT_STOP};
use super::syscalls::ARCH;

/// Traces one process tree. Must be used on the thread that started the tree's main process.
#[derive(Debug)]
pub(crate) struct Tracer {
    main: Pid,
    /// Processes and threads that are alive.
    tracees: HashSet<Pid>,
    observer: Observer,
    /// Whether the filter has stopped the main process.
    has_stopped: bool,
    trace: Ended,
}

/// The result once the tree is gone.
#[derive(Debug)]
pub(crate) struct Trace {
    /// How the main process ended.
    pub(crate) status: Option<WaitStatus>,
    /// When.
    pub(crate) main_ended: Instant,
    /// How many processes and threads outlived it and were killed.
    pub(crate) leftovers: usize,
    /// All that ever belonged to the tree; some may remain as zombies.
    pub(crate) seen: HashSet<Pid>,
    /// What was seen.
    pub(crate) observation: Observation,
    /// What it tried to reach.
    pub(crate) reach: Reach,
}

#[derive(Debug, Default)]
struct Ended {
    main: Option<(WaitStatus, Instant)>,
    leftovers: usize,
    seen: HashSet<Pid>,
}

impl Tracer {
    /// Begins to trace a process that waits at its gate.
    pub(crate) fn seize(main: Pid, scope: Scope) -> io::Result<Self> {
        if ARCH.is_none() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        ptrace::seize(main)?;
        Ok(Self {
            main,
            tracees: HashSet::from([main]),
            observer: Observer::new(scope, None),
            has_stopped: false,
            trace: Ended::default(),
        })
    }

    /// Runs the tree until none of it is left. Calls `on_exec` when the main process executes its program; its result
    /// is a reason why nothing can be observed.
    pub(crate) fn run(mut self, on_exec: impl FnOnce() -> Option<String>) -> Trace {
        let mut on_exec = Some(on_exec);
        // Every thread of the process has tracees of its own and must not see those of others.
        let options = WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD).cast_unsigned());
        loop {
            match wait(options) {
                Ok(Some((pid, status))) if status.stopped() => self.stopped(pid, status, &mut on_exec),
                Ok(Some((pid, status))) => self.ended(pid, status),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_no_child_is_left) => break,
            }
        }
        let (status, main_ended) = self.trace.main.unzip();
        let (observation, reach) = self.observer.finish();
        Trace {
            status,
            main_ended: main_ended.unwrap_or_else(Instant::now),
            leftovers: self.trace.leftovers,
            seen: self.trace.seen,
            observation,
            reach,
        }
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        self.tracees.remove(&pid);
        if pid != self.main {
            return;
        }
        self.trace.main = Some((status, Instant::now()));
        self.trace.leftovers = self.tracees.len();
        for pid in &self.tracees {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(*pid, Signal::KILL);
        }
    }

    fn stopped(&mut self, pid: Pid, status: WaitStatus, on_exec: &mut Option<impl FnOnce() -> Option<String>>) {
        self.trace.seen.insert(pid);
        if self.tracees.insert(pid) && self.trace.main.is_some() {
            self.trace.leftovers += 1;
            let _ = kill_process(pid, Signal::KILL);
        }
        let signal = status.stopping_signal().unwrap_or(0);
        let resumed = match status.as_raw() >> 16 {
            // A signal on its way, to be delivered.
            0 => ptrace::resume(pid, signal),
            EVENT_STOP if stops_group(signal) => ptrace::stay_stopped(pid),
            EVENT_SECCOMP => {
                self.observe_call(pid);
                ptrace::resume(pid, 0)
            }
            EVENT_EXEC => {
                if pid == self.main
                    && let Some(refusal) = on_exec.take().and_then(|on_exec| on_exec())
                {
                    self.observer.set_incomplete(refusal);
                }
                if !self.has_stopped {
                    // Another filter answers first: vx runs in a process that vx observes.
                    self.observer.set_incomplete("another program observes it");
                }
                self.observer.observe_image(pid);
                ptrace::resume(pid, 0)
            }
            // A new process or thread, or one that begins to be traced.
            _ => ptrace::resume(pid, 0),
        };
        if let Err(error) = resumed
            && error.raw_os_error() != Some(libc::ESRCH)
        {
            // It would stand still for ever.
            tracing::warn!(%error, %pid, "cannot resume a traced process; it is killed");
            self.observer.set_incomplete(format!("the tracer failed: {error}"));
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    fn observe_call(&mut self, pid: Pid) {
        match ptrace::syscall(pid) {
            Ok(call) => {
                self.has_stopped |= pid == self.main;
                self.observer.observe_call(pid, call);
            }
            // Killed just now.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => self
                .observer
                .set_incomplete(format!("the kernel did not report a system call: {error}")),
        }
    }
}

fn stops_group(signal: i32) -> bool {
    matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
}
