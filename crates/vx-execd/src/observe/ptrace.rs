//! The few ptrace requests that the tracer makes, typed.
//!
//! Uses `libc`, because `rustix` has no ptrace, and other wrappers cannot deliver real-time signals, which glibc sends
//! to itself. Every function may return `ESRCH`: a stopped process can be killed at any time.

use std::io;

use rustix::io::Errno;
use rustix::process::Pid;

use super::caller::Syscall;

/// Stops that are reported with an event number in the upper half of the wait status.
pub(super) const EVENT_EXEC: i32 = libc::PTRACE_EVENT_EXEC;
pub(super) const EVENT_SECCOMP: i32 = libc::PTRACE_EVENT_SECCOMP;
/// A new process's first stop, or a stop of a whole group; not in `libc`.
pub(super) const EVENT_STOP: i32 = 128;

const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL;

/// `PTRACE_GET_SYSCALL_INFO`, since Linux 5.3.
const GET_SYSCALL_INFO: libc::c_int = 0x420e;
const SYSCALL_INFO_SECCOMP: u8 = 3;

type Request = libc::c_int;

/// The kernel's `ptrace_syscall_info`, as far as it is about a process that stopped at the filter.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct SyscallInfo {
    op: u8,
    _pad: [u8; 3],
    arch: u32,
    _instruction_pointer: u64,
    _stack_pointer: u64,
    number: u64,
    arguments: [u64; 6],
    _filter_data: u32,
    _reserved: u32,
}

/// Begins to trace a running process, and all that it will start. They die with this thread.
pub(super) fn seize(pid: Pid) -> io::Result<()> {
    request(libc::PTRACE_SEIZE as Request, pid, 0, OPTIONS as usize)
}

/// Resumes a stopped process, with a signal if `signal` is not zero.
pub(super) fn resume(pid: Pid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_CONT as Request, pid, 0, signal as usize)
}

/// Leaves a process stopped with its group, until the group is continued.
pub(super) fn stay_stopped(pid: Pid) -> io::Result<()> {
    request(libc::PTRACE_LISTEN as Request, pid, 0, 0)
}

/// What a process that stopped at the filter is about to call.
pub(super) fn syscall(pid: Pid) -> io::Result<Syscall> {
    let mut info = SyscallInfo::default();
    request(
        GET_SYSCALL_INFO,
        pid,
        size_of::<SyscallInfo>(),
        (&raw mut info) as usize,
    )?;
    if info.op == SYSCALL_INFO_SECCOMP {
        Ok(Syscall {
            arch: info.arch,
            number: info.number,
            arguments: info.arguments,
        })
    } else {
        Err(Errno::PROTO.into())
    }
}

fn request(request: Request, pid: Pid, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: of the requests made here only `GET_SYSCALL_INFO` writes to our memory: to the structure whose size and
    // address it is given.
    let answer = unsafe { libc::ptrace(request as _, pid.as_raw_nonzero().get(), address, data) };
    if answer == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
