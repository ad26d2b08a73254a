//! The kinds of units: crates, documentation, runs of build scripts. Each has its action, what a stored result stands
//! for, and what a run depended on. `actions` looks up and runs actions.

mod compile;
mod containment;
mod dependencies;
mod diagnostics;
mod documentation;
mod leaks;
mod out_dirs;
mod script;
mod workspace_files;

pub(crate) use compile::compile;
pub(crate) use containment::agents;
pub(crate) use documentation::document;
pub(crate) use out_dirs::OutDirs;
pub(crate) use script::run_script;
