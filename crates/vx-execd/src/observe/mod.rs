//! Observation: every path that a process tree opens, looks for, lists or executes.
//!
//! A seccomp filter stops a process only at the system calls that take paths; a tracer thread records the path and
//! resumes it. New processes and threads are traced from their first instruction.
//!
//! A path is resolved as the kernel does it, so what is recorded has no links, and each link on the way is recorded by
//! itself. With it goes what was there, so that a change during the run is found afterwards.
//!
//! What cannot be seen: reads of the own environment, the clock, the network, and the answers of daemons. Of `/proc`, `/dev` and
//! `/sys`, what decides nothing that is built is left out (see [`special`]). A process that uses what the tracer does not understand (another
//! instruction set, `io_uring`, another root directory or mount namespace) makes the observation incomplete; so does a
//! kernel that refuses.

mod affinity;
mod filter;
mod log;
mod place;
mod ptrace;
mod special;
mod syscalls;
#[cfg(test)]
mod tests;
mod tracer;
mod view;

pub(crate) use filter::Filter;
pub(crate) use log::{Reach, Scope};
pub(crate) use tracer::Tracer;
pub(crate) use view::{SeenAt, View};
