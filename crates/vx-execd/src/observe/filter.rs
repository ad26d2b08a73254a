//! The seccomp filter: stops a process only at the calls of [`super::syscalls`].
//!
//! Written by hand, because the crates for such filters kill processes of another instruction set. Here those must run,
//! and be known to be unobserved.

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use libc::{
    BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long, c_ulong, sock_filter, sock_fprog,
};
use rustix::io::Errno;

use super::syscalls::{ARCH, FOREIGN_FROM, SYSCALLS};

/// A filter program.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    program: Vec<sock_filter>,
    stop_for: StopFor,
}

/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`; not in `libc` for all.
const WAIT_KILLABLE_RECV: c_ulong = 1 << 5;

/// Offsets in the kernel's `seccomp_data`.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
/// The two halves of the sixth argument, the lower one first.
const OFFSET_SIXTH: [u32; 2] = [56, 60];

/// Calls that open or look, and have no sixth argument: they pass if that says that they need not be recorded.
const MAY_BE_KNOWN: [c_long; 6] = [
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_faccessat2,
];

/// Whom the filter stops a process for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopFor {
    /// A [`super::Listener`].
    Listener,
    /// A [`super::Tracer`].
    Tracer,
}

impl Filter {
    /// The filter; `None` if this machine's system calls are not known. Calls with `cookie` as their sixth argument need not
    /// stop.
    pub(crate) fn new(stop_for: StopFor, cookie: Option<u64>) -> Option<Self> {
        let arch = ARCH?;
        let calls = SYSCALLS.len();
        let mut program = vec![
            load(OFFSET_ARCH),
            // Another instruction set: skip the load of the number, its range check and all numbers, to the stop.
            jump(BPF_JEQ, arch, 0, u8::try_from(calls + 3).ok()?),
            load(OFFSET_NUMBER),
            jump(BPF_JGE, FOREIGN_FROM, u8::try_from(calls + 1).ok()?, 0),
        ];
        for (index, (number, _)) in SYSCALLS.iter().enumerate() {
            let to_stop = calls - index;
            // Behind the stop, its cookie is looked at.
            let to = match cookie {
                Some(_) if MAY_BE_KNOWN.contains(number) => to_stop + 1,
                _ => to_stop,
            };
            program.push(jump(BPF_JEQ, u32::try_from(*number).ok()?, u8::try_from(to).ok()?, 0));
        }
        program.push(answer(libc::SECCOMP_RET_ALLOW));
        program.push(answer(stop_for.answer()));
        if let Some(cookie) = cookie {
            let [lower, upper] = OFFSET_SIXTH;
            program.extend([
                load(lower),
                jump(BPF_JEQ, cookie as u32, 0, 3),
                load(upper),
                jump(BPF_JEQ, (cookie >> 32) as u32, 0, 1),
                answer(libc::SECCOMP_RET_ALLOW),
                answer(stop_for.answer()),
            ]);
        }
        Some(Self { program, stop_for })
    }

    /// Installs it in this process, permanently; returns what to listen to, if it is for a listener. Only makes system
    /// calls.
    pub(crate) fn install(&self) -> Result<Option<OwnedFd>, Errno> {
        // Without this the kernel accepts filters only from the superuser, because they could confuse a set-user-id
        // program.
        rustix::thread::set_no_new_privs(true)?;
        let program = sock_fprog {
            len: self.program.len() as libc::c_ushort,
            filter: self.program.as_ptr().cast_mut(),
        };
        let flags = match self.stop_for {
            // Signals wait until a call is answered, or it would be recorded again and again.
            StopFor::Listener => libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE_RECV,
            StopFor::Tracer => 0,
        };
        let set = |flags: c_ulong| {
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            // SAFETY: `program` describes `self.program`, which the kernel copies and does not write to.
            let answer = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
            // A descriptor is small.
            RawFd::try_from(answer)
                .ok()
                .filter(|answer| *answer >= 0)
                .ok_or_else(|| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
        };
        let answer = match set(flags) {
            // A kernel before 5.19.
            Err(Errno::INVAL) if flags & WAIT_KILLABLE_RECV != 0 => set(flags & !WAIT_KILLABLE_RECV),
            answer => answer,
        };
        // SAFETY: then the answer is a new descriptor, which nobody else has.
        let descriptor = |answer| (self.stop_for == StopFor::Listener).then(|| unsafe { OwnedFd::from_raw_fd(answer) });
        answer.map(descriptor)
    }
}

impl StopFor {
    fn answer(self) -> u32 {
        match self {
            Self::Listener => libc::SECCOMP_RET_USER_NOTIF,
            Self::Tracer => libc::SECCOMP_RET_TRACE,
        }
    }
}

fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

/// Compares the loaded value with `value` and skips that many instructions.
fn jump(how: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    instruction(BPF_JMP | how | BPF_K, value, if_true, if_false)
}

fn answer(value: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, value, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: u64 = 0x0123_4567_89ab_cdef;

    /// The filter's decision about a call, computed as the kernel does.
    fn decide(filter: &Filter, arch: u32, number: u32, sixth: u64) -> u32 {
        let mut loaded = 0;
        let mut at = 0;
        loop {
            let step = filter.program[at];
            at += 1;
            let code = u32::from(step.code);
            if code == BPF_RET | BPF_K {
                return step.k;
            }
            if code == BPF_LD | BPF_W | BPF_ABS {
                loaded = match step.k {
                    OFFSET_ARCH => arch,
                    OFFSET_NUMBER => number,
                    56 => sixth as u32,
                    60 => (sixth >> 32) as u32,
                    other => panic!("{other}"),
                };
                continue;
            }
            let holds = match code & 0xf0 {
                BPF_JEQ => loaded == step.k,
                BPF_JGE => loaded >= step.k,
                other => panic!("{other:#x}"),
            };
            at += usize::from(if holds { step.jt } else { step.jf });
        }
    }

    #[test]
    fn stops_at_the_listed_calls_and_at_foreign_ones() {
        for stop_for in [StopFor::Listener, StopFor::Tracer] {
            for cookie in [None, Some(COOKIE)] {
                let Some(filter) = Filter::new(stop_for, cookie) else {
                    return;
                };
                stops(&filter, stop_for.answer());
            }
        }
    }

    #[test]
    fn what_opens_or_looks_passes_with_the_whole_cookie() {
        let Some(filter) = Filter::new(StopFor::Listener, Some(COOKIE)) else {
            return;
        };
        let arch = ARCH.unwrap();
        let decide = |number: c_long, sixth| decide(&filter, arch, u32::try_from(number).unwrap(), sixth);
        for number in MAY_BE_KNOWN {
            assert_eq!(decide(number, COOKIE), libc::SECCOMP_RET_ALLOW, "call {number}");
            for other in [0, COOKIE + 1, COOKIE ^ 1 << 63, COOKIE >> 32] {
                assert_eq!(decide(number, other), libc::SECCOMP_RET_USER_NOTIF, "call {number}");
            }
        }
        for number in [libc::SYS_execve, libc::SYS_unlinkat, libc::SYS_connect] {
            assert_eq!(decide(number, COOKIE), libc::SECCOMP_RET_USER_NOTIF, "call {number}");
        }
    }

    fn stops(filter: &Filter, stop: u32) {
        let arch = ARCH.unwrap();
        let listed: Vec<u32> = SYSCALLS
            .iter()
            .map(|(number, _)| u32::try_from(*number).unwrap())
            .collect();
        for number in 0..600 {
            let expected = if listed.contains(&number) {
                stop
            } else {
                libc::SECCOMP_RET_ALLOW
            };
            assert_eq!(decide(filter, arch, number, 0), expected, "call {number}");
        }
        assert_eq!(decide(filter, arch, FOREIGN_FROM + 1, COOKIE), stop);
        assert_eq!(decide(filter, arch ^ 1, 1, COOKIE), stop);
    }
}
