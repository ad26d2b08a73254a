//! fork and exec.
//!
//! Between the two, in the child of a process with many threads, nothing may allocate or take a lock: all that the
//! child needs is prepared beforehand, and it only makes system calls.

use std::ffi::{CStr, CString, NulError};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal, setsid, waitpid,
};

use super::containment::Namespaces;
use super::limits::prefer_to_kill;
use super::{Launch, LaunchError};
use crate::observe::{Filter, StopFor};

/// A program file can be busy for a moment: a forked process holds its parent's descriptors until it execs, and one of
/// them may be open for writing to this file. Then exec is tried again, as Go and Cargo do.
const BUSY_RETRIES: u32 = 100;
const BUSY_PAUSE_NS: i64 = 5_000_000;

/// A child between fork and exec, or after.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// The child writes [`Report`]s here; closed by a successful exec.
    pub(super) reports: OwnedFd,
    /// The child goes on when it reads one byte from here, a [`Go`], and tells of it if it could not listen.
    pub(super) gate: OwnedFd,
}

/// What the child does when it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Go {
    /// Run as any process.
    Unobserved = 0,
    /// Install the filter that stops it for a listener, and report the descriptor. If the kernel refuses, report that
    /// and wait again.
    Listened = 1,
    /// Install the filter that stops it for the tracer.
    Traced = 2,
}

/// A step of the child, which is reported if a system call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// Setting up its session, signals and streams.
    Setup = 1,
    /// Containing it.
    Containment = 2,
    /// Changing to the working directory.
    WorkingDirectory = 3,
    /// Installing the filter; not fatal.
    Filter = 4,
    /// Running the program.
    Exec = 5,
    /// Reported on success: the filter is installed.
    Listening = 6,
}

/// What the child reports.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) step: Step,
    /// Why the step failed.
    pub(super) error: io::Error,
    /// What to listen to: with [`Step::Listening`].
    pub(super) listener: Option<OwnedFd>,
}

/// Everything that the child needs, in the form in which the kernel takes it.
pub(super) struct Prepared {
    program: CString,
    arguments: Strings,
    environment: Strings,
    working_directory: CString,
    descriptors: Vec<RawFd>,
    namespaces: Option<Namespaces>,
    filters: Option<Filters>,
}

struct Filters {
    listened: Filter,
    traced: Filter,
}

/// Strings and the null-terminated array of pointers to them.
struct Strings {
    pointers: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl Strings {
    fn new(strings: impl Iterator<Item = impl Into<Vec<u8>>>) -> Result<Self, NulError> {
        let strings: Vec<CString> = strings.map(CString::new).collect::<Result<_, _>>()?;
        let pointers = strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([ptr::null()])
            .collect();
        Ok(Self {
            pointers,
            _strings: strings,
        })
    }
}

impl Filters {
    fn new(launch: &Launch) -> Option<Self> {
        let cookie = launch.known.as_ref().map(|known| known.cookie());
        Some(Self {
            listened: Filter::new(StopFor::Listener, cookie)?,
            traced: Filter::new(StopFor::Tracer, None)?,
        })
    }

    /// Installs the filter that `go` asks for, or the other one if the kernel refuses that.
    fn install(&self, mut go: u8, ends: &ChildEnds<'_>) {
        if go == Go::Listened as u8 {
            match self.listened.install() {
                Ok(listener) => return ends.hand_over(listener),
                Err(error) => ends.report(Step::Filter, error),
            }
            go = ends.wait_at_gate();
        }
        if go == Go::Traced as u8
            && let Err(error) = self.traced.install()
        {
            ends.report(Step::Filter, error);
        }
    }
}

impl Prepared {
    pub(super) fn new(launch: &Launch) -> Result<Self, LaunchError> {
        let variables = launch.environment.iter().map(|(name, value)| {
            let text = [name.as_bytes(), b"=", value.as_bytes()];
            text.concat()
        });
        let prepare = || -> Result<Self, NulError> {
            Ok(Self {
                program: CString::new(launch.program.as_str())?,
                arguments: Strings::new(launch.arguments.iter().cloned())?,
                environment: Strings::new(variables)?,
                working_directory: CString::new(launch.working_directory.as_str())?,
                descriptors: launch.descriptors.clone(),
                namespaces: launch.namespaces.clone(),
                filters: launch.observe.as_ref().and_then(|_| Filters::new(launch)),
            })
        };
        prepare().map_err(|error| LaunchError {
            step: "pass arguments with a null byte to",
            subject: launch.program.to_string(),
            source: error.into(),
        })
    }

    /// Starts the child, which waits at its gate.
    pub(super) fn fork(&self) -> io::Result<Child> {
        let stdin = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let (stdout, stdout_child) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, stderr_child) = pipe_with(PipeFlags::CLOEXEC)?;
        let (reports, reports_child) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (gate_child, gate) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut open = self.descriptors.clone();
        open.extend([reports_child.as_raw_fd(), gate_child.as_raw_fd()]);
        open.sort_unstable();
        let ends = ChildEnds {
            streams: [&stdin, &stdout_child, &stderr_child],
            reports: &reports_child,
            gate: &gate_child,
            open: &open,
            parent: getpid(),
        };
        // SAFETY: the child only makes system calls, and leaves by exec or `_exit`.
        let pid = match unsafe { self.clone() } {
            -1 => return Err(io::Error::last_os_error()),
            0 => self.run_child(&ends),
            pid => Pid::from_raw(pid).ok_or(Errno::INVAL)?,
        };
        if self.namespaces.is_some() {
            prefer_to_kill(pid);
        }
        if self.namespaces.is_some()
            && let Err(error) = Namespaces::map_users(pid)
        {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
            return Err(error);
        }
        Ok(Child {
            pid,
            stdout,
            stderr,
            reports,
            gate,
        })
    }

    /// As `fork`, into new namespaces if there are any.
    ///
    /// # Safety
    /// As for `fork`: the child may only make system calls.
    unsafe fn clone(&self) -> libc::pid_t {
        let Some(namespaces) = &self.namespaces else {
            return unsafe { libc::fork() };
        };
        // Without a stack, the child goes on with a copy of this one.
        let flags = namespaces.clone_flags() | libc::SIGCHLD;
        let none = ptr::null_mut::<libc::c_void>();
        unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_ulong, none, none, none, none) as libc::pid_t }
    }

    fn run_child(&self, ends: &ChildEnds<'_>) -> ! {
        if let Err(error) = ends.set_up(&self.descriptors, self.namespaces.is_some()) {
            ends.fail(Step::Setup, error);
        }
        let go = ends.wait_at_gate();
        if let Some(namespaces) = &self.namespaces
            && let Err(error) = namespaces.enter()
        {
            ends.fail(Step::Containment, error);
        }
        if let Err(error) = rustix::process::chdir(self.working_directory.as_c_str()) {
            ends.fail(Step::WorkingDirectory, error);
        }
        if let Some(filters) = &self.filters {
            filters.install(go, ends);
        }
        let error = self.exec();
        ends.fail(Step::Exec, error)
    }

    /// Returns only if the program cannot be run.
    fn exec(&self) -> Errno {
        for _ in 0..BUSY_RETRIES {
            let (arguments, environment) = (self.arguments.pointers.as_ptr(), self.environment.pointers.as_ptr());
            // SAFETY: both arrays end with a null pointer and point to strings that live as long as `self`.
            unsafe { libc::execve(self.program.as_ptr(), arguments, environment) };
            let error = last_errno();
            if error != Errno::TXTBSY {
                return error;
            }
            let pause = libc::timespec {
                tv_sec: 0,
                tv_nsec: BUSY_PAUSE_NS,
            };
            // SAFETY: `pause` outlives the call.
            unsafe { libc::nanosleep(&raw const pause, ptr::null_mut()) };
        }
        Errno::TXTBSY
    }
}

/// The child's ends of all pipes.
struct ChildEnds<'a> {
    streams: [&'a OwnedFd; 3],
    reports: &'a OwnedFd,
    gate: &'a OwnedFd,
    /// What the child keeps open besides its standard streams, sorted.
    open: &'a [RawFd],
    parent: Pid,
}

impl ChildEnds<'_> {
    fn set_up(&self, descriptors: &[RawFd], is_contained: bool) -> Result<(), Errno> {
        setsid()?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // From inside a process namespace the parent cannot be seen; but then the gate is closed.
        if !is_contained && getppid() != Some(self.parent) {
            // The parent died before the line above: nobody is left to report to.
            exit_child();
        }
        reset_signals();
        let [stdin, stdout, stderr] = self.streams;
        rustix::stdio::dup2_stdin(stdin)?;
        rustix::stdio::dup2_stdout(stdout)?;
        rustix::stdio::dup2_stderr(stderr)?;
        close_all_but(self.open);
        descriptors.iter().try_for_each(|descriptor| inherit(*descriptor))
    }

    fn wait_at_gate(&self) -> u8 {
        let mut byte = [Go::Unobserved as u8];
        loop {
            match rustix::io::read(self.gate, &mut byte) {
                Err(Errno::INTR) => {}
                Ok(1) => return byte[0],
                // The supervisor gave up.
                _ => exit_child(),
            }
        }
    }

    fn report(&self, step: Step, error: Errno) {
        self.send(step, error.raw_os_error(), &mut SendAncillaryBuffer::default());
    }

    /// Reports that somebody can listen. From now on, listed calls wait for an answer.
    fn hand_over(&self, listener: Option<OwnedFd>) {
        let Some(listener) = listener else { return };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        let listener = [listener.as_fd()];
        // There is room for one.
        message.push(SendAncillaryMessage::ScmRights(&listener));
        self.send(Step::Listening, 0, &mut message);
    }

    fn send(&self, step: Step, number: i32, message: &mut SendAncillaryBuffer<'_, '_, '_>) {
        let [a, b, c, d] = number.to_ne_bytes();
        let report = [step as u8, a, b, c, d];
        // If the parent is gone, nobody reads it.
        let _ = sendmsg(self.reports, &[IoSlice::new(&report)], message, SendFlags::NOSIGNAL);
    }

    fn fail(&self, step: Step, error: Errno) -> ! {
        self.report(step, error);
        exit_child()
    }
}

impl Report {
    /// Reads the next report; `None` if the program was executed, or the child is gone.
    pub(super) fn read(reports: &OwnedFd) -> Option<Self> {
        let mut bytes = [0; 5];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = RecvAncillaryBuffer::new(&mut space);
        loop {
            let mut buffer = [IoSliceMut::new(&mut bytes)];
            match recvmsg(reports, &mut buffer, &mut message, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                Ok(received) if received.bytes == 5 => break,
                _ => return None,
            }
        }
        let listener = message.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let [step, number @ ..] = bytes;
        let steps = [
            Step::Setup,
            Step::Containment,
            Step::WorkingDirectory,
            Step::Filter,
            Step::Exec,
            Step::Listening,
        ];
        Some(Self {
            step: steps.into_iter().find(|known| *known as u8 == step)?,
            error: io::Error::from_raw_os_error(i32::from_ne_bytes(number)),
            listener,
        })
    }

    /// As an error about `launch`.
    pub(super) fn into_error(self, launch: &Launch) -> LaunchError {
        let (step, subject) = match self.step {
            Step::Setup | Step::Filter | Step::Listening => ("prepare a process for", &launch.program),
            Step::Containment => ("contain", &launch.program),
            Step::WorkingDirectory => ("change to the directory", &launch.working_directory),
            Step::Exec => ("run", &launch.program),
        };
        LaunchError {
            step,
            subject: subject.to_string(),
            source: self.error,
        }
    }
}

/// Handlers are reset by exec; ignored and blocked signals would stay so.
fn reset_signals() {
    for signal in [
        libc::SIGPIPE,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGHUP,
        libc::SIGTERM,
        libc::SIGCHLD,
    ] {
        // SAFETY: the default disposition is valid for all of these.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is initialized by `sigemptyset` before it is used.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
}

/// Closes all descriptors except the standard streams and `open`, which is sorted. The others must not reach the
/// program, however they were opened, nor stay open here while this child waits.
fn close_all_but(open: &[RawFd]) {
    let mut from = 3;
    for descriptor in open.iter().chain([&RawFd::MAX]) {
        if from < *descriptor {
            // SAFETY: nothing in this child uses what it closes. A kernel without this call (before 5.9) leaves what was
            // opened with `O_CLOEXEC`, as all is here, to exec.
            unsafe { libc::syscall(libc::SYS_close_range, from, *descriptor - 1, 0) };
        }
        from = from.max(descriptor.saturating_add(1));
    }
}

fn inherit(descriptor: RawFd) -> Result<(), Errno> {
    // SAFETY: the jobserver's pipe is open for as long as the action's permit lives.
    let descriptor = unsafe { BorrowedFd::borrow_raw(descriptor) };
    fcntl_setfd(descriptor, FdFlags::empty())
}

fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

fn exit_child() -> ! {
    // SAFETY: always safe.
    unsafe { libc::_exit(127) }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program: &CStr = &self.program;
        f.debug_struct("Prepared")
            .field("program", &program)
            .finish_non_exhaustive()
    }
}
