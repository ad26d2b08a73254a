//! Observation: every path that a process tree opens, looks for, lists or executes.
//!
//! A seccomp filter stops a process only at the system calls that take paths; a tracer thread records the path and
//! resumes it. New processes and threads are traced from their first instruction.
//!
//! What cannot be seen: the environment, the clock, the network, and the answers of daemons. `/proc`, `/dev` and `/sys`
//! are left out because nothing can be keyed by them. A process that uses what the tracer does not understand (another
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
pub(crate) use log::{Connections, Scope};
pub(crate) use tracer::Tracer;
