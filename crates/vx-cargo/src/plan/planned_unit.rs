//! `PlannedUnit`: a unit seen within its plan, with its package and platform. Whatever is asked of a unit begins here;
//! `compile`, `run_script` and the other modules add their questions.

use vx_model::{Root, RootedPath};

use super::directories::output_directory;
use super::types::{Package, Plan, Platform, Unit, UnitIndex};

/// A unit within its plan.
#[derive(Debug, Clone, Copy)]
pub struct PlannedUnit<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its number in the plan.
    pub index: UnitIndex,
    /// The unit.
    pub unit: &'a Unit,
    /// Its package.
    pub package: &'a Package,
}

impl Plan {
    /// The unit with this number.
    pub fn unit(&self, index: UnitIndex) -> PlannedUnit<'_> {
        let unit = &self.units[index];
        PlannedUnit {
            plan: self,
            index,
            unit,
            package: &self.packages[unit.package],
        }
    }
}

impl<'a> PlannedUnit<'a> {
    /// The units that it needs, as often as it names them.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = PlannedUnit<'a>> {
        let plan = self.plan;
        let dependencies = self.unit.dependencies.iter();
        dependencies.map(move |dependency| plan.unit(dependency.unit))
    }

    /// The platform that it is for.
    pub fn platform(&self) -> &'a Platform {
        let triple = &self.unit.platform;
        let found = self.plan.platforms.iter().find(|platform| platform.triple == *triple);
        found.unwrap_or_else(|| panic!("the plan has no platform {triple:?}, but a unit for it"))
    }

    /// The triple of its platform, the host's too.
    pub(crate) fn triple(&self) -> &'a str {
        self.unit.platform.as_ref().unwrap_or(&self.plan.toolchain.host)
    }

    /// Whether a unit of its package was requested.
    pub(crate) fn is_primary(&self) -> bool {
        let mut roots = self.plan.roots.iter();
        roots.any(|root| self.plan.units[*root].package == self.unit.package)
    }

    /// Whether it is compiled in the workspace: path packages below its root are.
    pub(crate) fn is_in_workspace(&self) -> bool {
        let source = &self.unit.target.source;
        let is_outside = source.path == ".." || source.path.starts_with("../");
        self.package.source.is_path() && source.root == Root::Workspace && !is_outside
    }

    /// Where it is compiled: what is in the workspace with relative paths, everything else in the package's directory.
    pub(crate) fn working_directory(&self) -> RootedPath {
        match self.is_in_workspace() {
            true => RootedPath::new(Root::Workspace, ""),
            false => self.package.root.clone(),
        }
    }

    /// The directory of its final outputs, below the workspace root.
    pub(crate) fn output_directory(&self) -> String {
        output_directory(&self.plan.profile_directory, self.unit.platform.as_deref())
    }

    /// The directory of files that only other programs read: test programs, and crates for the examples in
    /// documentation.
    pub fn dependency_directory(&self) -> RootedPath {
        RootedPath::new(Root::Workspace, format!("{}/deps", self.output_directory()))
    }
}
