//! Cargo's planning for vx: from a project to typed units, and from units to commands.
//!
//! Cargo's semantics are the contract: the unit graph comes from the selected toolchain's own cargo, the rest from
//! manifests and configuration. Nothing here runs a compiler or a build script, uses the store, or caches.

mod cargo;
mod command;
mod compile;
mod context;
mod dep_info;
mod describe;
mod environment;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod graph;
mod jobs;
mod out_dir;
mod output_names;
mod packages;
mod paths;
mod plan;
mod run_program;
mod run_script;
mod script_output;
mod settings;
mod sources;
mod test_command;
mod uplift;
mod workspace;

pub use cargo::source_replacement::SourceReplacement;
pub use command::{Compile, Needs, RunProgram, RunScript, TestCommand, Uplift};
pub use compile::Scripts;
pub use context::PlanContext;
pub use dep_info::DepInfo;
pub use environment::{matches_any, plan_environment};
pub use error::PlanError;
pub use jobs::Jobs;
pub use out_dir::LeftByScript;
pub use output_names::OutputNames;
pub use packages::{Status, prepare_packages};
pub use paths::{normalize, relative};
pub use plan::{
    CompileMode, Dependency, FileName, Package, PackageSource, Plan, PlanToolchain, PlannedUnit, Platform, Target,
    TargetName, Unit, UnitIndex, UnitKind,
};
pub use run_script::ScriptRun;
pub use script_output::{
    LibraryLocation, LibraryPath, LinkArgTarget, ScriptError, ScriptMessage, ScriptOutput, script_warnings,
};
pub use settings::{Debuginfo, Driver, Lto, Profile, Settings, Strip, StripLevel};
pub use test_command::Test;
pub use workspace::workspace_root;
