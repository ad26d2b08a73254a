//! Cargo's planning for vx: from a project to typed units, and from units to commands.
//!
//! Cargo's semantics are the contract: the unit graph comes from the selected toolchain's own cargo, the rest from the
//! manifests and configuration. Nothing here runs a compiler or a build script, touches the store, or caches.

mod command;
mod plan;
mod settings;

pub use command::{Compile, Needs, RunScript, Uplift};
pub use plan::{Dependency, Package, PackageSource, Plan, PlanContext, Target, Unit, UnitIndex, UnitKind};
pub use settings::Settings;
