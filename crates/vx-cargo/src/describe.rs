//! Names of units and profiles, for people and programs.

use serde_json::{Value, json};
use vx_model::Roots;
use vx_packages::Source;
use vx_proto::UnitLabel;

use crate::plan::{CompileMode, PackageSource, PlannedUnit, Unit, UnitKind};
use crate::settings::Debuginfo;

impl PlannedUnit<'_> {
    /// The unit as a progress bar shows it.
    pub fn label(&self, roots: &Roots) -> UnitLabel {
        let PlannedUnit { unit, package, .. } = self;
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
    pub fn description(&self) -> String {
        let unit = self.unit;
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
        format!("`{}` ({target}{mode})", self.package.name)
    }
}

impl Unit {
    /// Its profile as in Cargo's JSON messages.
    pub fn profile_json(&self) -> Value {
        let profile = &self.settings.profile;
        json!({
            "opt_level": profile.opt_level,
            "debuginfo": profile.debuginfo,
            "debug_assertions": profile.debug_assertions,
            "overflow_checks": profile.overflow_checks,
            "test": self.is_test(),
        })
    }
}

impl Debuginfo {
    /// Whether there is any.
    pub fn is_on(&self) -> bool {
        *self != Self::Level(0)
    }
}
