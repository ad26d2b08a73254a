//! Final artifacts: which outputs the user sees, where, and under which names.

use std::collections::BTreeMap;

use vx_model::{Root, RootedPath, Template};

use crate::command::Uplift;
use crate::compile::{Scripts, own_library_directories};
use crate::plan::{CompileMode, Plan, Unit, UnitIndex, UnitKind};

/// The directory of examples, with tests in them or without, below that of the profile.
pub(crate) const EXAMPLES: &str = "examples";

/// What the names of dep-info, metadata and debugging information end in.
const USUAL_ENDINGS: [&str; 4] = [".d", ".rmeta", ".dwo", ".dwp"];

impl Plan {
    /// The final artifacts of `unit`: everything that was asked for, programs, and Rust's dynamic libraries, without which
    /// programs do not start.
    pub fn uplifts(&self, unit: UnitIndex) -> Vec<Uplift> {
        let is_root = self.roots.contains(&unit);
        let unit = &self.units[unit];
        match unit.compile_mode() {
            Some(CompileMode::Build) if !unit.is("custom-build") => {}
            Some(CompileMode::Test) => return self.test_program(unit).into_iter().collect(),
            _ => return Vec::new(),
        }
        let kept = unit
            .target
            .crate_types
            .iter()
            .filter(|crate_type| is_root || unit.is("bin") || *crate_type == "dylib");
        let mut uplifts = Vec::new();
        for crate_type in kept {
            let Some(uplift) = self.uplift(unit, crate_type) else {
                continue;
            };
            let debuginfo = self
                .has_debuginfo_file(unit, crate_type)
                .then(|| debuginfo_file(&uplift));
            uplifts.push(uplift);
            uplifts.extend(debuginfo);
        }
        uplifts
    }

    /// A warning for each file that two targets would be laid down as; the later one is.
    pub(crate) fn collisions(&self) -> Vec<Template> {
        let mut owners: BTreeMap<String, UnitIndex> = BTreeMap::new();
        let mut warnings = Vec::new();
        for unit in 0..self.units.len() {
            for uplift in self.uplifts(unit) {
                let Some(other) = owners.insert(uplift.destination.clone(), unit) else {
                    continue;
                };
                let [one, other] = [unit, other].map(|unit| self.description(unit));
                if one != other {
                    let path = RootedPath::new(Root::Workspace, uplift.destination);
                    let names = format!("\n  |\n  = note: {one} has the same output filename as {other}");
                    let help = "\n  = help: consider changing their names to be unique or compiling them separately";
                    warnings.push(
                        Template::from("warning: output filename collision at ")
                            .path(path)
                            .text(names)
                            .text(help),
                    );
                }
            }
        }
        warnings
    }

    /// A warning where debugging information stays in files of its own beside the objects, which nobody finds.
    pub(crate) fn lost_debuginfo(&self) -> Option<Template> {
        let mut profiles = self
            .units
            .iter()
            .map(|unit| (self.platform(unit), &unit.settings.profile));
        let unpacked = "unpacked".to_owned();
        let is_lost = profiles.any(|(platform, profile)| {
            let is_asked_for = profile.split_debuginfo.as_ref() == Some(&unpacked) && profile.debuginfo.is_on();
            is_asked_for && platform.split_debuginfo.contains(&unpacked)
        });
        is_lost.then(|| {
            "warning: debuggers will not find the debugging information of this build\n  |\n  \
             = note: `split-debuginfo = \"unpacked\"` leaves it beside the object files, which vx does not keep\n  \
             = help: use `packed` or `off` in the profile"
                .into()
        })
    }

    /// What the examples in the documentation of `unit` are compiled against: files of these units, to lie in
    /// [`Plan::dependency_directory`].
    pub fn needed_by_documentation(&self, unit: UnitIndex) -> Vec<UnitIndex> {
        match self.units[unit].kind {
            UnitKind::TestDocumentation => self.crate_inputs(unit).into_iter().map(|(other, _)| other).collect(),
            _ => Vec::new(),
        }
    }

    /// Where files lie that only other programs look at: test programs, and crates for the examples in documentation.
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

    /// The first page of the documentation of `unit`; none where it documents nothing.
    pub fn documentation(&self, unit: UnitIndex) -> Option<RootedPath> {
        let unit = &self.units[unit];
        let page = format!("{}/index.html", unit.crate_name());
        (unit.compile_mode() == Some(CompileMode::Document)).then(|| self.documentation_directory(unit).join(&page))
    }

    /// Where documentation lies, all crates beside one another.
    pub(crate) fn documentation_directory(&self, unit: &Unit) -> RootedPath {
        RootedPath::new(
            Root::Workspace,
            crate::plan::documentation_directory(unit.platform.as_deref()),
        )
    }

    fn test_program(&self, unit: &Unit) -> Option<Uplift> {
        let file = self.file_name(unit, "bin", &self.file_stem(unit))?;
        let directory = if unit.is("example") { EXAMPLES } else { "deps" };
        Some(Uplift {
            destination: format!("{}/{directory}/{file}", self.output_directory_of(unit)),
            file,
            kind: unit.target.kind.first().cloned().unwrap_or_default(),
            is_executable: true,
        })
    }

    /// Whether rustc packs debugging information into a file beside what it links.
    fn has_debuginfo_file(&self, unit: &Unit, crate_type: &str) -> bool {
        let platform = self.platform(unit);
        let triple = platform.triple.as_ref().unwrap_or(&self.toolchain.host);
        // Elsewhere it goes by other names.
        let is_dwarf = !["apple", "windows", "uefi", "wasm"]
            .iter()
            .any(|system| triple.contains(system));
        let profile = &unit.settings.profile;
        let is_packed = profile.split_debuginfo.as_deref() == Some("packed") && profile.debuginfo.is_on();
        let is_linked = matches!(crate_type, "bin" | "dylib" | "cdylib" | "proc-macro");
        is_dwarf && is_packed && is_linked
    }

    fn uplift(&self, unit: &Unit, crate_type: &str) -> Option<Uplift> {
        let file = self.file_name(unit, crate_type, &self.file_stem(unit))?;
        // A program keeps the hyphens of its name.
        let stem = if crate_type == "bin" {
            unit.target.name.clone()
        } else {
            unit.crate_name()
        };
        let name = self.file_name(unit, crate_type, &stem)?;
        let directory = self.output_directory_of(unit);
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

    /// Where the dynamic libraries lie that a program of the user's may need to run, in order. To be put before the user's
    /// value of the variable of the library search path. `scripts` gives the outputs of build scripts.
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

    /// A directory for the files of integration tests. It is there when they are compiled, and stays.
    pub fn test_directory(&self, unit: &Unit) -> RootedPath {
        RootedPath::new(Root::Workspace, crate::plan::test_directory(unit.platform.as_deref()))
    }

    pub(crate) fn output_directory_of(&self, unit: &Unit) -> String {
        crate::plan::output_directory(&self.profile_directory, unit.platform.as_deref())
    }
}

/// The packed debugging information of what is linked; debuggers find it by its name.
fn debuginfo_file(of: &Uplift) -> Uplift {
    Uplift {
        file: format!("{}.dwp", of.file),
        destination: format!("{}.dwp", of.destination),
        kind: of.kind.clone(),
        is_executable: false,
    }
}
