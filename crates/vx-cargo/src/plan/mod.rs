//! Planning: what Cargo decides to build, as data, and how it is determined.
//!
//! `compile`, `run_script` and the other modules turn the units of a plan into commands.

mod compilers;
mod directories;
mod harness;
mod identity;
mod inputs;
mod lints;
mod lto;
mod make;
mod paths;
mod planned_unit;
mod platform;
mod profile;
mod types;
mod units;
mod warnings;

pub(crate) use directories::of_platform;
pub use planned_unit::PlannedUnit;
pub use types::{
    CompileMode, Dependency, FileName, Package, PackageSource, Plan, PlanToolchain, Platform, Target, TargetName, Unit,
    UnitIndex, UnitKind,
};
