//! The run of rustc or rustdoc for a unit, as Cargo would start it.

mod arguments;
mod command_line;
mod environment;
mod profile;
mod remap;
mod rustc;
mod rustdoc;
mod unreported;

use environment::RustcEnvironment;
pub(crate) use environment::{package_environment, program_paths};
pub(crate) use rustdoc::documentation_tests;

use std::sync::Arc;

use vx_model::{Root, RootedPath, Template};

use crate::command::{Compile, Needs};
use crate::graph::LinkedScripts;
use crate::plan::{CompileMode, PlannedUnit, Unit, UnitIndex};
use crate::script_output::{LibraryLocation, ScriptOutput};
use crate::settings::Driver;

/// Returns the outputs of build scripts that have run.
pub type Scripts<'a> = dyn Fn(UnitIndex) -> Option<Arc<ScriptOutput>> + 'a;

/// The directory of dependencies in the exec root.
pub(crate) const DEPENDENCIES: &str = "deps";
/// Where outputs go in the exec root.
pub(crate) const OUT: &str = "out";

impl PlannedUnit<'_> {
    /// Its run of rustc or rustdoc. All build scripts that it depends on, directly or not, must have run; `scripts`
    /// returns their outputs.
    pub fn compile(&self, scripts: &Scripts<'_>) -> Compile {
        let compilation = Compilation {
            planned: *self,
            scripts,
            linked: self.linked_scripts(),
            crates: self.crate_inputs(),
        };
        compilation.command()
    }
}

/// A crate that is compiled or documented.
struct Compilation<'a> {
    planned: PlannedUnit<'a>,
    scripts: &'a Scripts<'a>,
    /// The build scripts that influence it.
    linked: LinkedScripts,
    /// The crates that it is compiled against.
    crates: Vec<(UnitIndex, Needs)>,
}

impl Compilation<'_> {
    fn command(self) -> Compile {
        let PlannedUnit {
            plan, unit, package, ..
        } = self.planned;
        let stem = self.planned.output_names().stem();
        let is_documented = unit.compile_mode() == Some(CompileMode::Document);
        let arguments = match is_documented {
            true => rustdoc::documentation(self.planned, self.scripts),
            false => rustc::command_line(self.planned, self.scripts, &self.linked),
        };
        let environment = RustcEnvironment::of(self.planned, self.scripts);
        Compile {
            reads_unreported: unreported::reads_unreported(&arguments),
            is_for_this_processor: unreported::is_for_this_processor(&arguments),
            arguments,
            environment: environment.always.into_iter().collect(),
            reported_environment: environment.reported.into_iter().collect(),
            library_path: self.macro_library_path(),
            working_directory: self.planned.working_directory(),
            scripts: self.linked.all(),
            metadata: (!unit.needs_code() && !is_documented).then(|| format!("lib{stem}.rmeta")),
            dep_info: (!is_documented).then(|| format!("{stem}.d")),
            links: is_linked(unit),
            uses_proc_macros: self.mentions(|other| other.is("proc-macro")),
            clippy: (unit.settings.driver == Driver::Clippy).then(|| plan.toolchain.clippy.clone()),
            shows_warnings: package.source.is_path(),
            inputs: self.crates,
        }
    }

    /// Whether one of the crates that it is compiled against is like this.
    fn mentions(&self, is_it: impl Fn(&Unit) -> bool) -> bool {
        let units = &self.planned.plan.units;
        self.crates.iter().any(|(other, _)| is_it(&units[*other]))
    }

    /// The directories of the libraries that proc macros need; empty for macros in pure Rust.
    fn macro_library_path(&self) -> Vec<Template> {
        let mut path = Vec::new();
        if self.mentions(|other| other.makes("dylib")) {
            path.push(Template::from(RootedPath::new(Root::Exec, DEPENDENCIES)));
        }
        let of_macros = self.linked.of_macros.iter().copied();
        path.extend(own_library_directories(of_macros, self.scripts));
        path
    }
}

/// Whether a linker runs when `unit` is compiled.
fn is_linked(unit: &Unit) -> bool {
    let mut crate_types = unit.target.crate_types.iter();
    unit.needs_code() && (unit.is_test() || crate_types.any(|crate_type| crate_type != "staticlib"))
}

/// Directories of libraries that build scripts produced, as these scripts name them. Others belong to the system.
pub(crate) fn own_library_directories(of: impl Iterator<Item = UnitIndex>, scripts: &Scripts<'_>) -> Vec<Template> {
    let outputs = of.filter_map(scripts);
    let paths = outputs.flat_map(|output| output.library_paths.clone());
    paths
        .filter(|path| path.location != LibraryLocation::Elsewhere)
        .map(|path| path.directory())
        .collect()
}
