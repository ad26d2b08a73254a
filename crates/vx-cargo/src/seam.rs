//! Signatures that are being filled in.
#![expect(clippy::unimplemented, unused_variables, reason = "being filled in")]

use std::sync::Arc;

use camino::Utf8Path;
use vx_model::Template;

use crate::{Compile, Plan, PlanContext, PlanError, RunScript, ScriptOutput, SourceReplacement, UnitIndex, Uplift};

/// Downloads what the lock file of `workspace` names, making or updating the lock file where it is missing or stale.
/// `downloads` is the shared download cache; `status` tells the user (a verb, a text). Refuses by name what is not
/// supported, before anything is fetched.
pub async fn prepare_packages(
    context: &PlanContext,
    workspace: &Utf8Path,
    downloads: &Utf8Path,
    status: &(dyn Fn(&str, String) + Send + Sync),
) -> Result<SourceReplacement, PlanError> {
    unimplemented!()
}

impl Plan {
    /// Asks the toolchain's cargo what to build.
    pub async fn make(context: &PlanContext, source: &SourceReplacement) -> Result<Self, PlanError> {
        unimplemented!()
    }

    /// The run of rustc that makes `unit`. `scripts` gives the outputs of build scripts that have run; all that `unit`
    /// depends on, however indirectly, must have.
    pub fn compile(&self, unit: UnitIndex, scripts: &dyn Fn(UnitIndex) -> Option<Arc<ScriptOutput>>) -> Compile {
        unimplemented!()
    }

    /// The run of the build script that `unit` is. `scripts` as for [`Plan::compile`].
    pub fn run_script(&self, unit: UnitIndex, scripts: &dyn Fn(UnitIndex) -> Option<Arc<ScriptOutput>>) -> RunScript {
        unimplemented!()
    }

    /// The final artifacts of `unit`.
    pub fn uplifts(&self, unit: UnitIndex) -> Vec<Uplift> {
        unimplemented!()
    }

    /// The unit as a progress bar shows it.
    pub fn label(&self, unit: UnitIndex) -> vx_proto::UnitLabel {
        unimplemented!()
    }

    /// The unit as Cargo's messages name it: `` `ripgrep` (bin "rg") ``.
    pub fn description(&self, unit: UnitIndex) -> String {
        unimplemented!()
    }

    /// The profile of `unit` as Cargo's JSON messages tell it.
    pub fn profile_json(&self, unit: UnitIndex) -> serde_json::Value {
        unimplemented!()
    }

    /// What Cargo adds to the user's environment when it runs the program that `unit` makes, sorted.
    pub fn program_environment(&self, unit: UnitIndex) -> Vec<(String, Template)> {
        unimplemented!()
    }
}
