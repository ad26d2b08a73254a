//! The run of rustc for a unit, as Cargo would start it. Takes data of the plan and returns `Compile`.

mod arguments;
mod environment;
mod remap;
mod unreported;

pub(crate) use arguments::Arguments;

use std::sync::Arc;

use vx_model::{Root, RootedPath, Template};

use crate::command::{Compile, Needs};
use crate::plan::{CompileMode, Plan, Unit, UnitIndex};
use crate::script_output::{LibraryLocation, ScriptOutput};
use crate::settings::Driver;

/// Returns the outputs of build scripts that have run.
pub type Scripts<'a> = dyn Fn(UnitIndex) -> Option<Arc<ScriptOutput>> + 'a;

/// The directory of dependencies in the exec root.
pub(crate) const DEPENDENCIES: &str = "deps";
/// Where outputs go in the exec root.
pub(crate) const OUT: &str = "out";

impl Plan {
    /// The run of rustc for `unit`. All build scripts that it depends on, directly or not, must have run:
    /// [`Plan::scripts_of`] names them.
    pub fn compile(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> Compile {
        let planned = &self.units[unit];
        let linked = self.linked_scripts(unit);
        let crates = self.crate_inputs(unit);
        let stem = self.file_stem(planned);
        let is_documented = planned.compile_mode() == Some(CompileMode::Document);
        let arguments = match is_documented {
            true => Arguments::of_rustdoc(self, unit, scripts).documentation(),
            false => Arguments::new(self, unit, scripts).all(&linked),
        };
        let environment = self.rustc_environment(unit, scripts);
        Compile {
            reads_unreported: unreported::reads_unreported(&arguments),
            is_for_this_processor: unreported::is_for_this_processor(&arguments),
            arguments,
            environment: environment.always.into_iter().collect(),
            reported_environment: environment.reported.into_iter().collect(),
            library_path: self.macro_library_path(&crates, &linked, scripts),
            working_directory: self.working_directory(planned),
            scripts: self.scripts_of(unit),
            metadata: (!planned.needs_code() && !is_documented).then(|| format!("lib{stem}.rmeta")),
            dep_info: (!is_documented).then(|| format!("{stem}.d")),
            links: planned.needs_code()
                && (planned.is_test()
                    || planned
                        .target
                        .crate_types
                        .iter()
                        .any(|crate_type| crate_type != "staticlib")),
            uses_proc_macros: crates.iter().any(|(other, _)| self.units[*other].is("proc-macro")),
            clippy: (planned.settings.driver == Driver::Clippy).then(|| self.toolchain.clippy.clone()),
            shows_warnings: self.is_local(planned),
            inputs: crates,
        }
    }

    /// The common part of the names of all outputs of `unit`.
    pub(crate) fn file_stem(&self, unit: &Unit) -> String {
        match self.has_plain_name(unit) {
            true => unit.crate_name(),
            false => format!("{}-{}", unit.crate_name(), unit.identity),
        }
    }

    /// Whether the names of its outputs hold only the crate's name. If they are written into other files, for example
    /// into a program that is linked to a dynamic library, the user must find them under the same names.
    fn has_plain_name(&self, unit: &Unit) -> bool {
        let triple = unit.platform.as_ref().unwrap_or(&self.toolchain.host);
        let is_dynamic = unit.is("dylib") || unit.is("cdylib");
        let is_named_in_others = unit.is_program() && (triple.contains("msvc") || triple.contains("emscripten"));
        let is_plain = unit.compile_mode() == Some(CompileMode::Build);
        is_plain && self.is_local(unit) && (is_dynamic || is_named_in_others)
    }

    /// Whether the package is the user's, who wants to see warnings about it.
    pub(crate) fn is_local(&self, unit: &Unit) -> bool {
        self.packages[unit.package].source.is_path()
    }

    /// Path packages below the workspace root are compiled there, with relative paths; all others in their own
    /// directory.
    pub(crate) fn working_directory(&self, unit: &Unit) -> RootedPath {
        match self.is_in_workspace(unit) {
            true => RootedPath::new(Root::Workspace, ""),
            false => self.packages[unit.package].root.clone(),
        }
    }

    fn is_in_workspace(&self, unit: &Unit) -> bool {
        let source = &unit.target.source;
        let is_outside = source.path == ".." || source.path.starts_with("../");
        self.is_local(unit) && source.root == Root::Workspace && !is_outside
    }

    /// The directories of the libraries that proc macros need; empty for macros in pure Rust.
    fn macro_library_path(
        &self,
        crates: &[(UnitIndex, Needs)],
        linked: &crate::graph::LinkedScripts,
        scripts: &Scripts<'_>,
    ) -> Vec<Template> {
        let mut path = Vec::new();
        if crates.iter().any(|(other, _)| self.units[*other].makes("dylib")) {
            path.push(Template::from(RootedPath::new(Root::Exec, DEPENDENCIES)));
        }
        path.extend(own_library_directories(linked.of_macros.iter().copied(), scripts));
        path
    }
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
