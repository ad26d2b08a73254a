//! Observation: every path that a process tree opens, looks for, lists or executes.
//!
//! A seccomp filter stops a process at the system calls that take paths, and at no others; a tracer thread notes the
//! path and lets it go on. New processes and threads are traced from their first instruction.
//!
//! What cannot be seen: the environment, the clock, the network, the answers of daemons, and `/proc`, `/dev` and `/sys`,
//! which are left out because nothing can be keyed by them. A process that leaves what the tracer understands (another
//! instruction set, `io_uring`, another root directory or mount namespace) makes the observation incomplete; so does a
//! kernel that refuses.

mod affinity;
mod filter;
mod log;
mod ptrace;
mod syscalls;
#[cfg(test)]
mod tests;
mod tracer;

pub(crate) use filter::Filter;
pub(crate) use log::Scope;
pub(crate) use tracer::Tracer;
