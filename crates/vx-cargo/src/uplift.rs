//! Final artifacts: which outputs the user sees, where, and under which names.

use vx_model::RootedPath;

use crate::command::Uplift;
use crate::plan::{CompileMode, PlannedUnit};

/// The directory of examples, with or without tests, below that of the profile.
pub(crate) const EXAMPLES: &str = "examples";

impl PlannedUnit<'_> {
    /// Its final artifacts: everything requested, programs, and dynamic Rust libraries, without which programs do not
    /// start.
    pub fn uplifts(&self) -> Vec<Uplift> {
        let artifacts = FinalArtifacts {
            planned: *self,
            is_root: self.plan.roots.contains(&self.index),
        };
        artifacts.all()
    }

    /// The first page of its documentation; `None` if it documents nothing.
    pub fn documentation(&self) -> Option<RootedPath> {
        let page = format!("{}/index.html", self.unit.crate_name());
        let is_documented = self.unit.compile_mode() == Some(CompileMode::Document);
        is_documented.then(|| self.platform().documentation_directory().join(&page))
    }
}

/// The outputs of a unit that the user sees.
struct FinalArtifacts<'a> {
    planned: PlannedUnit<'a>,
    /// Whether it was asked for.
    is_root: bool,
}

impl FinalArtifacts<'_> {
    fn all(&self) -> Vec<Uplift> {
        let unit = self.planned.unit;
        match unit.compile_mode() {
            Some(CompileMode::Build) if !unit.is("custom-build") => {}
            Some(CompileMode::Test) => return self.test_program().into_iter().collect(),
            _ => return Vec::new(),
        }
        let is_kept = |crate_type: &&String| self.is_root || unit.is("bin") || *crate_type == "dylib";
        let mut uplifts = Vec::new();
        for crate_type in unit.target.crate_types.iter().filter(is_kept) {
            let Some(uplift) = self.of(crate_type) else {
                continue;
            };
            let debuginfo = self.has_debuginfo_file(crate_type).then(|| debuginfo_file(&uplift));
            uplifts.push(uplift);
            uplifts.extend(debuginfo);
        }
        uplifts
    }

    fn test_program(&self) -> Option<Uplift> {
        let unit = self.planned.unit;
        let file = self.planned.output_names().of("bin")?;
        let directory = if unit.is("example") { EXAMPLES } else { "deps" };
        Some(Uplift {
            destination: format!("{}/{directory}/{file}", self.planned.output_directory()),
            file,
            kind: unit.target.kind.first().cloned().unwrap_or_default(),
            is_executable: true,
        })
    }

    /// Whether rustc packs debugging information into a file beside the linked output.
    fn has_debuginfo_file(&self, crate_type: &str) -> bool {
        let triple = self.planned.triple();
        // Elsewhere it goes by other names.
        let is_dwarf = !["apple", "windows", "uefi", "wasm"]
            .iter()
            .any(|system| triple.contains(system));
        let profile = &self.planned.unit.settings.profile;
        let is_packed = profile.split_debuginfo.as_deref() == Some("packed") && profile.debuginfo.is_on();
        let is_linked = matches!(crate_type, "bin" | "dylib" | "cdylib" | "proc-macro");
        is_dwarf && is_packed && is_linked
    }

    fn of(&self, crate_type: &str) -> Option<Uplift> {
        let unit = self.planned.unit;
        let file = self.planned.output_names().of(crate_type)?;
        // A program keeps the hyphens of its name.
        let stem = if crate_type == "bin" {
            unit.target.name.clone()
        } else {
            unit.crate_name()
        };
        let name = self.planned.platform().file_name(crate_type, &stem)?;
        let directory = self.planned.output_directory();
        let destination = match unit.is("example") {
            true => format!("{directory}/{EXAMPLES}/{name}"),
            false => format!("{directory}/{name}"),
        };
        let kind = unit
            .target
            .kind
            .iter()
            .find(|kind| *kind == crate_type)
            .or(unit.target.kind.first());
        Some(Uplift {
            file,
            destination,
            kind: kind.cloned().unwrap_or_default(),
            is_executable: unit.is_executable(),
        })
    }
}

/// The packed debugging information of a linked output; debuggers find it by its name.
fn debuginfo_file(of: &Uplift) -> Uplift {
    Uplift {
        file: format!("{}.dwp", of.file),
        destination: format!("{}.dwp", of.destination),
        kind: of.kind.clone(),
        is_executable: false,
    }
}
