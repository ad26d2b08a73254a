//! What a result depended on. Declared inputs come from `units`; what a process reported or was seen to use becomes
//! recorded inputs here, which are also answered here.
//!
//! - `environment` decides which variables reach a process and which are known to be read; `environment_readers` and
//!   `imports` decide which proc macros can read any.
//! - `link_programs` and `processor` give facts of the host, which are declared.
//! - `observed` and `reported` turn what a process did into inputs.
//! - `answers` finds current answers to inputs; `files` remembers digests, so that unchanged files are not read
//!   twice; `evidence` tells that answers are the same without finding them again.
//! - `locator` names the paths that a process used; `noted` keeps what was there, to be compared before publishing.
//! - `path_leaks` is the only rule for whether an output leaks a path, which binds it to that directory.

mod answers;
mod environment;
mod environment_readers;
mod evidence;
mod files;
mod imports;
mod link_programs;
mod locator;
mod noted;
mod observed;
mod path_leaks;
mod processor;
mod reported;

pub(crate) use answers::{Answers, World, absolute, changed_since, parts};
pub(crate) use environment::{
    Environment, HASHED, LIBRARY_PATH, WHOLE_ENVIRONMENT, answer as environment_answer, is_read_by_linkers,
    is_read_by_rustc, library_path, of_processes, passed, without_private,
};
pub(crate) use environment_readers::EnvironmentReaders;
pub(crate) use evidence::Evidence;
pub(crate) use files::{CLOCK_TICK, FileDigests, Stamp, is_executable, now_ns, touched_since};
pub(crate) use link_programs::link_programs;
pub(crate) use locator::Locator;
pub(crate) use noted::Noted;
use observed::leads_to_a_root;
pub(crate) use observed::{Seen, interpret};
pub(crate) use path_leaks::PathLeaks;
pub(crate) use processor::identity as processor_identity;
pub(crate) use reported::{Reported, found};
