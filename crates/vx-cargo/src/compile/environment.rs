//! What Cargo adds to the environment of the processes of a unit.

use std::collections::BTreeMap;

use vx_model::{Root, RootedPath, Template};

use super::Scripts;
use crate::plan::{CompileMode, Plan, Unit, UnitIndex};
use crate::settings::{CLIPPY_ARGUMENTS, Driver, END_OF_CLIPPY_ARGUMENT};

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, Template>;

/// The variables of a run of rustc that Cargo sets.
pub(super) struct RustcEnvironment {
    /// They count for the result.
    pub(super) always: Variables,
    /// They count where they are read.
    pub(super) reported: Variables,
}

impl Plan {
    /// The variables of a run of rustc.
    pub(super) fn rustc_environment(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> RustcEnvironment {
        let planned = &self.units[unit];
        let mut always = self.package_environment(planned);
        let mut set = |name: &str, value: Template| _ = always.insert(name.to_owned(), value);
        set("CARGO_CRATE_NAME", planned.crate_name().into());
        if planned.is_program() {
            set("CARGO_BIN_NAME", planned.target.name.as_str().into());
        }
        if planned.settings.driver == Driver::Clippy {
            let extra_args = planned.settings.extra_args.iter();
            let ended: String = extra_args
                .flat_map(|argument| [argument, END_OF_CLIPPY_ARGUMENT])
                .collect();
            set(CLIPPY_ARGUMENTS, ended.into());
        }
        if planned.is("test") || planned.is("bench") {
            always.extend(self.integration_test_environment(planned));
        }
        let mut reported = Variables::new();
        if self.is_primary(planned) && planned.compile_mode() != Some(CompileMode::Document) {
            reported.insert("CARGO_PRIMARY_PACKAGE".to_owned(), "1".into());
        }
        let outputs: Vec<_> = self.own_scripts(unit).into_iter().filter_map(scripts).collect();
        if let Some(output) = outputs.first() {
            reported.insert("OUT_DIR".to_owned(), output.out_dir.clone().into());
        }
        for (name, value) in outputs.iter().flat_map(|output| &output.env) {
            reported.insert(name.clone(), value.clone());
        }
        // A script may replace what Cargo sets.
        always.retain(|name, _| !reported.contains_key(name));
        RustcEnvironment { always, reported }
    }

    /// Where an integration test finds the programs of its package, and a directory for its files.
    fn integration_test_environment(&self, unit: &Unit) -> Variables {
        let mut variables = self.program_paths(unit);
        variables.insert("CARGO_TARGET_TMPDIR".to_owned(), self.test_directory(unit).into());
        variables
    }

    /// `CARGO_BIN_EXE_*` for all programs of the package. A check does not produce them, but must compile.
    pub(crate) fn program_paths(&self, unit: &Unit) -> Variables {
        let targets = &self.packages[unit.package].targets;
        let programs = targets
            .iter()
            .filter(|target| target.kind.iter().any(|kind| kind == "bin"));
        let path_of = |name: &str| match unit.is_check() {
            true => Some(Template::from(format!("placeholder:{name}"))),
            false => {
                let file = self.file_name(unit, "bin", name)?;
                let path = format!("{}/{file}", self.output_directory_of(unit));
                Some(RootedPath::new(Root::Workspace, path).into())
            }
        };
        programs
            .filter_map(|program| Some((format!("CARGO_BIN_EXE_{}", program.name), path_of(&program.name)?)))
            .collect()
    }

    /// The variables of every process for the package of `unit`. The `[env]` table of Cargo's configuration cannot
    /// replace Cargo's own variables.
    pub(crate) fn package_environment(&self, unit: &Unit) -> Variables {
        let package = &self.packages[unit.package];
        let mut variables: Variables = self.config_environment.iter().cloned().collect();
        let of_manifest = package.environment.iter();
        variables.extend(of_manifest.map(|(name, value)| (name.clone(), Template::from(value.as_str()))));
        let paths = [
            ("CARGO", self.toolchain.cargo.clone()),
            ("CARGO_MANIFEST_DIR", package.root.clone()),
            ("CARGO_MANIFEST_PATH", package.root.join("Cargo.toml")),
        ];
        variables.extend(paths.map(|(name, path)| (name.to_owned(), Template::from(path))));
        variables
    }
}
