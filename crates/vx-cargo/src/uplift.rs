//! Final artifacts: which outputs the user sees, where, and under which names.

use vx_model::{Root, RootedPath, Template};

use crate::command::Uplift;
use crate::compile::{Scripts, own_library_directories};
use crate::plan::{CompileMode, Plan, Unit, UnitIndex, UnitKind};

/// The directory of examples, with or without tests, below that of the profile.
pub(crate) const EXAMPLES: &str = "examples";

/// The suffixes of dep-info, metadata and debugging information.
const USUAL_ENDINGS: [&str; 4] = [".d", ".rmeta", ".dwo", ".dwp"];

impl Plan {
    /// The final artifacts of `unit`: everything requested, programs, and dynamic Rust libraries, without which
    /// programs do not start.
    pub fn uplifts(&self, unit: UnitIndex) -> Vec<Uplift> {
        let artifacts = FinalArtifacts {
            plan: self,
            unit: &self.units[unit],
            is_root: self.roots.contains(&unit),
        };
        artifacts.all()
    }

    /// The units against which the examples in the documentation of `unit` are compiled. Their files must be in
    /// [`Plan::dependency_directory`].
    pub fn needed_by_documentation(&self, unit: UnitIndex) -> Vec<UnitIndex> {
        match self.units[unit].kind {
            UnitKind::TestDocumentation => self.crate_inputs(unit).into_iter().map(|(other, _)| other).collect(),
            _ => Vec::new(),
        }
    }

    /// The directory of files that only other programs read: test programs, and crates for the examples in
    /// documentation.
    pub fn dependency_directory(&self, unit: UnitIndex) -> RootedPath {
        RootedPath::new(
            Root::Workspace,
            format!("{}/deps", self.output_directory_of(&self.units[unit])),
        )
    }

    /// Whether rustc writes `file` for `unit` in every build, and not because a flag asks for it (`--emit=asm`).
    pub fn is_usual_output(&self, unit: UnitIndex, file: &str) -> bool {
        let unit = &self.units[unit];
        let stem = self.file_stem(unit);
        let made = unit.target.crate_types.iter().map(String::as_str).chain(["bin"]);
        let mut made = made.filter_map(|crate_type| self.file_name(unit, crate_type, &stem));
        made.any(|name| name == file) || USUAL_ENDINGS.iter().any(|ending| file.ends_with(ending))
    }

    /// The first page of the documentation of `unit`; `None` if it documents nothing.
    pub fn documentation(&self, unit: UnitIndex) -> Option<RootedPath> {
        let unit = &self.units[unit];
        let page = format!("{}/index.html", unit.crate_name());
        (unit.compile_mode() == Some(CompileMode::Document)).then(|| self.documentation_directory(unit).join(&page))
    }

    /// The directory of documentation, with all crates side by side.
    pub(crate) fn documentation_directory(&self, unit: &Unit) -> RootedPath {
        RootedPath::new(
            Root::Workspace,
            crate::plan::documentation_directory(unit.platform.as_deref()),
        )
    }

    /// The directories of the dynamic libraries that a program may need, in order, to put in front of the user's
    /// library search path. `scripts` returns the outputs of build scripts.
    pub fn library_path(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> Vec<Template> {
        let all_scripts = (0..self.units.len()).filter(|unit| self.units[*unit].kind == UnitKind::RunBuildScript);
        let unit = &self.units[unit];
        let triple = unit.platform.as_ref().unwrap_or(&self.toolchain.host);
        let own = self.output_directory_of(unit);
        let mut path = own_library_directories(all_scripts, scripts);
        for directory in [own.clone(), format!("{own}/deps")] {
            path.push(RootedPath::new(Root::Workspace, directory).into());
        }
        path.push(RootedPath::new(Root::Toolchain, format!("lib/rustlib/{triple}/lib")).into());
        path.dedup();
        path
    }

    /// A directory for the files of integration tests. It exists when they are compiled, and stays.
    pub fn test_directory(&self, unit: &Unit) -> RootedPath {
        RootedPath::new(Root::Workspace, crate::plan::test_directory(unit.platform.as_deref()))
    }

    pub(crate) fn output_directory_of(&self, unit: &Unit) -> String {
        crate::plan::output_directory(&self.profile_directory, unit.platform.as_deref())
    }
}

/// The outputs of a unit that the user sees.
struct FinalArtifacts<'a> {
    plan: &'a Plan,
    unit: &'a Unit,
    /// Whether it was asked for.
    is_root: bool,
}

impl FinalArtifacts<'_> {
    fn all(&self) -> Vec<Uplift> {
        let unit = self.unit;
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
        let (plan, unit) = (self.plan, self.unit);
        let file = plan.file_name(unit, "bin", &plan.file_stem(unit))?;
        let directory = if unit.is("example") { EXAMPLES } else { "deps" };
        Some(Uplift {
            destination: format!("{}/{directory}/{file}", plan.output_directory_of(unit)),
            file,
            kind: unit.target.kind.first().cloned().unwrap_or_default(),
            is_executable: true,
        })
    }

    /// Whether rustc packs debugging information into a file beside the linked output.
    fn has_debuginfo_file(&self, crate_type: &str) -> bool {
        let platform = self.plan.platform(self.unit);
        let triple = platform.triple.as_ref().unwrap_or(&self.plan.toolchain.host);
        // Elsewhere it goes by other names.
        let is_dwarf = !["apple", "windows", "uefi", "wasm"]
            .iter()
            .any(|system| triple.contains(system));
        let profile = &self.unit.settings.profile;
        let is_packed = profile.split_debuginfo.as_deref() == Some("packed") && profile.debuginfo.is_on();
        let is_linked = matches!(crate_type, "bin" | "dylib" | "cdylib" | "proc-macro");
        is_dwarf && is_packed && is_linked
    }

    fn of(&self, crate_type: &str) -> Option<Uplift> {
        let (plan, unit) = (self.plan, self.unit);
        let file = plan.file_name(unit, crate_type, &plan.file_stem(unit))?;
        // A program keeps the hyphens of its name.
        let stem = if crate_type == "bin" {
            unit.target.name.clone()
        } else {
            unit.crate_name()
        };
        let name = plan.file_name(unit, crate_type, &stem)?;
        let directory = plan.output_directory_of(unit);
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
