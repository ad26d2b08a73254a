//! What a result depended on. Declared inputs come from `units`; what a process reported or was seen to use becomes
//! recorded inputs here, which are also answered here.
//!
//! - `environment` decides which variables reach a process, and `program_names` which of them an opaque program
//!   could read. `link_programs` and `processor` give facts of the host. All of these are declared.
//! - `observed` and `reported` turn what a process did into inputs.
//! - `answers` finds current answers to inputs; `files` remembers digests, so that unchanged files are not read
//!   twice.
//! - `locator` names the paths that a process used.
//! - `path_leaks` is the only rule for whether an output leaks a path, which binds it to that directory.

mod answers;
mod environment;
mod files;
mod link_programs;
mod locator;
mod observed;
mod path_leaks;
mod processor;
mod program_names;
mod reported;

pub(crate) use answers::{Answers, World, absolute, changed_since, describe};
pub(crate) use environment::{
    Environment, LIBRARY_PATH, is_read_by_rustc, library_path, passed, reaches_every_script, templates,
};
pub(crate) use files::{CLOCK_TICK, FileDigests, Stamp, is_executable, now_ns, touched_since};
pub(crate) use link_programs::link_programs;
pub(crate) use locator::Locator;
pub(crate) use observed::{Seen, interpret, is_below};
pub(crate) use path_leaks::PathLeaks;
pub(crate) use processor::identity as processor_identity;
pub(crate) use program_names::ProgramNames;
pub(crate) use reported::{Reported, absolute_path};
