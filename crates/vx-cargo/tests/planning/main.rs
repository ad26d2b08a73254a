//! Plans of small projects, against the real cargo. No network: packages of the registry are made by hand.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod builds;
mod inputs;
mod refusals;
mod reproducible;
mod same_commands;
mod script_environment;
mod support;
mod uplifts;
mod workspace_roots;
