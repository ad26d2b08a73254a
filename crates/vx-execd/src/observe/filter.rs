//! The seccomp filter: stops a process for its tracer only at the calls of [`super::syscalls`].
//!
//! Written by hand, because the crates for such filters kill processes of another instruction set. Here those must run,
//! and be known to be unobserved.

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, c_ulong, sock_filter, sock_fprog};
use rustix::io::Errno;

use super::syscalls::{ARCH, FOREIGN_FROM, SYSCALLS};

/// A filter program.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    program: Vec<sock_filter>,
}

/// Offsets in the kernel's `seccomp_data`.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;

impl Filter {
    /// The filter; `None` if this machine's system calls are not known.
    pub(crate) fn new() -> Option<Self> {
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
            program.push(jump(
                BPF_JEQ,
                u32::try_from(*number).ok()?,
                u8::try_from(to_stop).ok()?,
                0,
            ));
        }
        program.push(answer(libc::SECCOMP_RET_ALLOW));
        program.push(answer(libc::SECCOMP_RET_TRACE));
        Some(Self { program })
    }

    /// Installs it in this process, permanently. Only makes system calls.
    pub(crate) fn install(&self) -> Result<(), Errno> {
        // Without this the kernel accepts filters only from the superuser, because they could confuse a set-user-id
        // program.
        rustix::thread::set_no_new_privs(true)?;
        let program = sock_fprog {
            len: self.program.len() as libc::c_ushort,
            filter: self.program.as_ptr().cast_mut(),
        };
        let mode = libc::SECCOMP_MODE_FILTER as c_ulong;
        // SAFETY: `program` describes `self.program`, which the kernel copies and does not write to.
        let answer = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
        match answer {
            -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
            _ => Ok(()),
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

    /// The filter's decision about a call, computed as the kernel does.
    fn decide(filter: &Filter, arch: u32, number: u32) -> u32 {
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
                loaded = if step.k == OFFSET_ARCH { arch } else { number };
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
        let Some(filter) = Filter::new() else { return };
        let arch = ARCH.unwrap();
        let listed: Vec<u32> = SYSCALLS
            .iter()
            .map(|(number, _)| u32::try_from(*number).unwrap())
            .collect();
        for number in 0..600 {
            let expected = if listed.contains(&number) {
                libc::SECCOMP_RET_TRACE
            } else {
                libc::SECCOMP_RET_ALLOW
            };
            assert_eq!(decide(&filter, arch, number), expected, "call {number}");
        }
        assert_eq!(decide(&filter, arch, FOREIGN_FROM + 1), libc::SECCOMP_RET_TRACE);
        assert_eq!(decide(&filter, arch ^ 1, 1), libc::SECCOMP_RET_TRACE);
    }
}
