//! Names of units and profiles, for people and programs.

use serde_json::{Value, json};
use vx_model::{Roots, Template};
use vx_packages::Source;
use vx_proto::UnitLabel;

use crate::plan::{CompileMode, PackageSource, Plan, Platform, Unit, UnitIndex, UnitKind};
use crate::settings::Debuginfo;

impl Plan {
    /// The unit as a progress bar shows it.
    pub fn label(&self, unit: UnitIndex, roots: &Roots) -> UnitLabel {
        let unit = &self.units[unit];
        let package = &self.packages[unit.package];
        let kind = unit.target.kind.first().map_or("", String::as_str);
        let target = match (unit.kind, kind) {
            (UnitKind::RunBuildScript, _) => format!("{}(build)", package.name),
            (UnitKind::TestDocumentation, _) => format!("{}(doc)", package.name),
            (UnitKind::Compile(CompileMode::Document), _) => format!("{}(doc)", unit.target.name),
            (_, kind @ ("test" | "bench")) => format!("{}({kind})", unit.target.name),
            (_, kind @ ("bin" | "example")) if unit.is_test() => format!("{}({kind} test)", unit.target.name),
            _ if unit.is_test() => format!("{}(test)", unit.target.name),
            (_, "custom-build") => format!("{}(build.rs)", package.name),
            (_, kind @ ("bin" | "example")) => format!("{}({kind})", unit.target.name),
            _ => package.name.clone(),
        };
        let directory = match &package.source {
            PackageSource::Path { .. } => Some(roots.absolute(&package.root)),
            PackageSource::Git { source, .. } => match source.parse() {
                Ok(Source::Git(git)) => Some(git.to_string()),
                _ => None,
            },
            PackageSource::Registry { .. } => None,
        };
        UnitLabel {
            package: package.name.clone(),
            version: package.version.clone(),
            directory,
            target,
        }
    }

    /// The unit as Cargo's messages name it: `` `ripgrep` (bin "rg") ``.
    pub fn description(&self, unit: UnitIndex) -> String {
        let unit = &self.units[unit];
        let target = match unit.target.kind.first().map(String::as_str) {
            Some("custom-build") => "build script".to_owned(),
            Some(kind @ ("bin" | "example" | "test" | "bench")) => format!("{kind} \"{}\"", unit.target.name),
            _ => "lib".to_owned(),
        };
        let mode = match unit.kind {
            UnitKind::TestDocumentation => " doctest",
            UnitKind::Compile(CompileMode::Document) => " doc",
            _ if unit.is_test() && !unit.is("test") && !unit.is("bench") => " test",
            _ => "",
        };
        format!("`{}` ({target}{mode})", self.packages[unit.package].name)
    }

    /// The profile of `unit` as in Cargo's JSON messages.
    pub fn profile_json(&self, unit: UnitIndex) -> Value {
        let profile = &self.units[unit].settings.profile;
        json!({
            "opt_level": profile.opt_level,
            "debuginfo": profile.debuginfo,
            "debug_assertions": profile.debug_assertions,
            "overflow_checks": profile.overflow_checks,
            "test": self.units[unit].is_test(),
        })
    }

    /// What Cargo adds to the user's environment when it runs the program of `unit`, sorted. `scripts` returns the
    /// outputs of build scripts. The library search path is not among them: see [`Plan::library_path`].
    pub fn program_environment(&self, unit: UnitIndex, scripts: &crate::Scripts<'_>) -> Vec<(String, Template)> {
        let planned = &self.units[unit];
        let mut variables = self.package_environment(planned);
        if planned.is("test") || planned.is("bench") {
            variables.extend(self.program_paths(planned));
        }
        for script in self.own_scripts(unit) {
            if let Some(output) = scripts(script) {
                variables.insert("OUT_DIR".to_owned(), output.out_dir.clone().into());
                variables.extend(output.env.iter().cloned());
            }
        }
        variables.into_iter().collect()
    }

    /// The platform that `unit` is for.
    pub fn platform(&self, unit: &Unit) -> &Platform {
        let found = self.platforms.iter().find(|platform| platform.triple == unit.platform);
        found.unwrap_or_else(|| panic!("the plan has no platform {:?}, but a unit for it", unit.platform))
    }
}

impl Debuginfo {
    /// Whether there is any.
    pub fn is_on(&self) -> bool {
        *self != Self::Level(0)
    }
}
