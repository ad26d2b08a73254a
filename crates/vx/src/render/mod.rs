//! What vx prints: status lines as Cargo's, a progress bar, diagnostics, explanations.
//!
//! Standard error is for people; standard output is for requested output (JSON messages, explanations, status).

mod build;
mod explain;
mod progress;
mod screen;
mod transfers;

pub(crate) use build::BuildView;
pub(crate) use explain::{explanations, unit_keys};
pub(crate) use screen::{Screen, Verbosity};
pub(crate) use transfers::Transfers;

/// `0.42s`, `1m 05s`, as Cargo writes it.
fn seconds(elapsed: std::time::Duration) -> String {
    match elapsed.as_secs() {
        total @ 60.. => format!("{}m {:02}s", total / 60, total % 60),
        total => format!("{total}.{:02}s", elapsed.subsec_millis() / 10),
    }
}
