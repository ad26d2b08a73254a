//! What vx prints: lines of Cargo's kind, a progress bar, diagnostics, explanations.
//!
//! Standard error is for people; standard output holds answers that were asked for (JSON messages, explanations, status).

mod build;
mod explain;
mod progress;
mod screen;

pub(crate) use build::BuildView;
pub(crate) use explain::explanations;
pub(crate) use screen::{Screen, Verbosity};
