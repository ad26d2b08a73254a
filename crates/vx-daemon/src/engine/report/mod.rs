//! What people and programs are told of a build: rustc's diagnostics, Cargo's JSON messages, reasons.

mod diagnostics;
mod explain;
pub(crate) mod messages;

pub(crate) use diagnostics::{Audience, Counts, MessageFrame, Shown};
pub(crate) use explain::{STRONG_KEY, WEAK_KEY, differences};
