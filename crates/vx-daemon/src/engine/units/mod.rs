//! What there is to make: crates, documentation, runs of build scripts. Each sort knows the action that makes it, what a
//! stored result of it stands for, and what a run of it depended on; how actions are looked up and run is told in
//! `actions`.

mod compile;
mod dependencies;
mod diagnostics;
mod documentation;
mod leaks;
mod out_dirs;
mod script;
mod workspace_files;

pub(crate) use compile::compile;
pub(crate) use documentation::document;
pub(crate) use out_dirs::OutDirs;
pub(crate) use script::run_script;
