//! Observation: every path that a process tree opens, looks for, lists or executes.
//!
//! A seccomp filter stops a process only at the system calls that take paths. The thread that supervises it is notified,
//! records the path, and lets the process go on. Where the kernel has no notifications, it traces the process instead.
//! New processes and threads are observed from their first instruction.
//!
//! A stop costs more than all the rest, and programs use the same paths again and again. So calls that are recorded
//! already need not stop: see [`known`].
//!
//! A path is resolved as the kernel does it, so what is recorded has no links, and each link on the way is recorded by
//! itself. With it goes what was there, so that a change during the run is found afterwards.
//!
//! What cannot be seen: reads of the own environment, the clock, the network, and the answers of daemons. Of `/proc`,
//! `/dev` and `/sys`, what decides nothing that is built is left out (see [`special`]). A process that does what is not
//! understood here (another instruction set, `io_uring`, another root directory or mount namespace) makes the observation
//! incomplete; so does a kernel that refuses.

mod caller;
mod filter;
mod known;
#[cfg(test)]
mod known_tests;
mod listener;
mod log;
mod observer;
mod place;
mod programs;
mod ptrace;
mod repeats;
mod special;
mod syscalls;
#[cfg(test)]
mod tests;
mod tracer;
mod view;

pub(crate) use filter::{Filter, StopFor};
pub(crate) use known::{DIRECTORY as KNOWN_DIRECTORY, ETC as KNOWN_ETC, KnownUses};
pub(crate) use listener::Listener;
pub(crate) use log::{Reach, Scope};
pub(crate) use tracer::Tracer;
pub(crate) use view::{SeenAt, View};
