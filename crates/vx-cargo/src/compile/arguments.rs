//! What the command lines of rustc and rustdoc have in common.

use std::sync::Arc;

use vx_model::{RootedPath, Template};

use super::Scripts;
use super::command_line::CommandLine;
use crate::graph::LinkedScripts;
use crate::plan::{Package, PlannedUnit, UnitIndex};
use crate::script_output::{LibraryLocation, ScriptOutput};
use crate::settings::Driver;

/// The messages that Cargo asks for.
const JSON: &str = "--json=diagnostic-rendered-ansi,artifacts,future-incompat";

/// The command line of one unit, while it is made.
pub(super) struct Arguments<'a> {
    pub(super) planned: PlannedUnit<'a>,
    scripts: &'a Scripts<'a>,
    /// The directory of the crates that it is compiled against.
    dependencies: RootedPath,
    pub(super) line: CommandLine,
}

impl<'a> Arguments<'a> {
    /// Nothing yet.
    pub(super) fn new(planned: PlannedUnit<'a>, scripts: &'a Scripts<'a>, dependencies: RootedPath) -> Self {
        Self {
            planned,
            scripts,
            dependencies,
            line: CommandLine::default(),
        }
    }

    pub(super) fn crate_name(&mut self) {
        self.line.option("--crate-name", self.planned.unit.crate_name());
    }

    pub(super) fn edition(&mut self) {
        let edition = &self.planned.unit.target.edition;
        self.line.push(format!("--edition={edition}"));
    }

    pub(super) fn crate_types(&mut self) {
        for crate_type in &self.planned.unit.target.crate_types {
            self.line.option("--crate-type", crate_type.as_str());
        }
    }

    pub(super) fn source_file(&mut self) {
        let source = self.planned.unit.target.source.clone();
        match self.planned.is_in_workspace() {
            true => self.line.push(source.path),
            false => self.line.push(source),
        }
    }

    /// The form of diagnostics.
    pub(super) fn messages(&mut self) {
        self.line.push("--error-format=json");
        self.line.push(JSON);
    }

    pub(super) fn identity(&mut self) {
        let identity = &self.planned.unit.identity;
        self.line.codegen(format!("metadata={identity}"));
    }

    pub(super) fn features(&mut self) {
        let PlannedUnit { unit, package, .. } = self.planned;
        for feature in &unit.features {
            self.line.option("--cfg", format!("feature=\"{feature}\""));
        }
        let declared = package.declared_features.iter();
        let declared: Vec<String> = declared.map(|feature| format!("\"{feature}\"")).collect();
        let features = format!("cfg(feature, values({}))", declared.join(", "));
        self.line.option("--check-cfg", "cfg(docsrs,test)");
        self.line.option("--check-cfg", features);
    }

    /// The platform, and the user's linker for it.
    pub(super) fn target(&mut self) {
        self.triple();
        if let Some(linker) = &self.planned.platform().linker {
            self.line.codegen(Template::from("linker=").then(linker.clone()));
        }
    }

    pub(super) fn triple(&mut self) {
        if let Some(triple) = &self.planned.unit.platform {
            self.line.option("--target", triple.as_str());
        }
    }

    pub(super) fn lints(&mut self) {
        let PlannedUnit { plan, package, .. } = self.planned;
        if !(caps_lints(package) && omits_capped_lints(&plan.toolchain.release)) {
            self.line.extend(package.lint_flags.iter().map(String::as_str));
        }
    }

    /// The user cannot fix warnings in packages from elsewhere.
    pub(super) fn lint_cap(&mut self) {
        if caps_lints(self.planned.package) {
            self.line.option("--cap-lints", "allow");
        }
    }

    /// The user's extra args for this unit alone.
    pub(super) fn extra_args(&mut self) {
        let settings = &self.planned.unit.settings;
        if settings.driver == Driver::Rustc {
            self.line.extend(settings.extra_args.iter().map(String::as_str));
        }
    }

    /// The crates that it is compiled against.
    pub(super) fn dependencies(&mut self) {
        let PlannedUnit { plan, unit, .. } = self.planned;
        // Dependencies of the host and of the target are in one directory; their names differ.
        let directory = Template::from("dependency=").path(self.dependencies.clone());
        self.line.option("-L", directory);
        for dependency in &unit.dependencies {
            let other = plan.unit(dependency.unit);
            if !other.unit.is_linkable() {
                continue;
            }
            let name = match dependency.noprelude {
                true => format!("noprelude:{}=", dependency.extern_name),
                false => format!("{}=", dependency.extern_name),
            };
            for file in other.output_names().linkable(!unit.needs_code()) {
                let path = self.dependencies.join(&file);
                self.line.option("--extern", Template::from(name.as_str()).path(path));
            }
        }
        if unit.is("proc-macro") {
            self.line.option("--extern", "proc_macro");
        }
        if unit.dependencies.iter().any(|dependency| dependency.noprelude) {
            self.line.option("-Z", "unstable-options");
        }
    }

    /// Adds the library directories of build scripts; returns their outputs.
    pub(super) fn library_directories(&mut self, linked: &LinkedScripts) -> Vec<(UnitIndex, Arc<ScriptOutput>)> {
        let outputs = linked
            .to_link
            .iter()
            .filter_map(|script| Some((*script, (self.scripts)(*script)?)));
        let outputs: Vec<_> = outputs.collect();
        let paths = || outputs.iter().flat_map(|(_, output)| &output.library_paths);
        // What was just built comes before the system's libraries.
        for path in paths()
            .filter(|path| path.location == LibraryLocation::OutDir)
            .chain(paths().filter(|path| path.location != LibraryLocation::OutDir))
        {
            self.line.option("-L", path.value.clone());
        }
        outputs
    }

    /// What the build script of the package said about the code.
    pub(super) fn script_flags(&mut self) {
        for output in self.planned.own_scripts().into_iter().filter_map(self.scripts) {
            for cfg in &output.cfgs {
                self.line.option("--cfg", cfg.clone());
            }
            for expected in &output.check_cfgs {
                self.line.option("--check-cfg", expected.clone());
            }
        }
    }
}

fn caps_lints(package: &Package) -> bool {
    !package.source.is_path()
}

/// Whether this release of Cargo omits `[lints]` if they are capped anyway, as it does since 1.99.
fn omits_capped_lints(release: &str) -> bool {
    semver::Version::parse(release).is_ok_and(|release| (release.major, release.minor) >= (1, 99))
}

#[cfg(test)]
mod tests {
    use super::omits_capped_lints;

    #[test]
    fn lints_that_are_capped_are_left_out_since_the_release_in_which_cargo_does_so() {
        assert!(!omits_capped_lints("1.95.0"));
        assert!(!omits_capped_lints("1.98.2"));
        assert!(omits_capped_lints("1.99.0-nightly"));
        assert!(omits_capped_lints("1.99.1"));
    }
}
