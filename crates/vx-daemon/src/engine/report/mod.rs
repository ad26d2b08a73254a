//! The output of a build for people and programs: rustc's diagnostics, Cargo's JSON messages, reasons.

mod diagnostics;
mod explain;
pub(crate) mod messages;

pub(crate) use diagnostics::{Audience, Counts, MessageFrame, Shown};
pub(crate) use explain::{STRONG_KEY, WEAK_KEY, differences};
