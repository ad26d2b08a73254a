//! What Cargo adds to the environment of the processes of a unit.

use std::collections::BTreeMap;

use vx_model::{Root, RootedPath, Template};

use super::Scripts;
use crate::plan::{CompileMode, PlannedUnit};
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

impl RustcEnvironment {
    pub(super) fn of(planned: PlannedUnit<'_>, scripts: &Scripts<'_>) -> Self {
        let unit = planned.unit;
        let mut always = package_environment(planned);
        let mut set = |name: &str, value: Template| _ = always.insert(name.to_owned(), value);
        set("CARGO_CRATE_NAME", unit.crate_name().into());
        if unit.is_program() {
            set("CARGO_BIN_NAME", unit.target.name.as_str().into());
        }
        if unit.settings.driver == Driver::Clippy {
            let extra_args = unit.settings.extra_args.iter();
            let ended: String = extra_args
                .flat_map(|argument| [argument, END_OF_CLIPPY_ARGUMENT])
                .collect();
            set(CLIPPY_ARGUMENTS, ended.into());
        }
        if unit.is("test") || unit.is("bench") {
            always.extend(integration_test_environment(planned));
        }
        let mut reported = Variables::new();
        if planned.is_primary() && unit.compile_mode() != Some(CompileMode::Document) {
            reported.insert("CARGO_PRIMARY_PACKAGE".to_owned(), "1".into());
        }
        let outputs: Vec<_> = planned.own_scripts().into_iter().filter_map(scripts).collect();
        if let Some(output) = outputs.first() {
            reported.insert("OUT_DIR".to_owned(), output.out_dir.clone().into());
        }
        for (name, value) in outputs.iter().flat_map(|output| &output.env) {
            reported.insert(name.clone(), value.clone());
        }
        // A script may replace what Cargo sets.
        always.retain(|name, _| !reported.contains_key(name));
        Self { always, reported }
    }
}

/// Where an integration test finds the programs of its package, and a directory for its files.
fn integration_test_environment(planned: PlannedUnit<'_>) -> Variables {
    let mut variables = program_paths(planned);
    let directory = planned.platform().test_directory();
    variables.insert("CARGO_TARGET_TMPDIR".to_owned(), directory.into());
    variables
}

/// `CARGO_BIN_EXE_*` for all programs of the package. A check does not produce them, but must compile.
pub(crate) fn program_paths(planned: PlannedUnit<'_>) -> Variables {
    let targets = planned.package.targets.iter();
    let programs = targets.filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    let path_of = |name: &str| match planned.unit.is_check() {
        true => Some(Template::from(format!("placeholder:{name}"))),
        false => {
            let file = planned.platform().file_name("bin", name)?;
            let path = format!("{}/{file}", planned.output_directory());
            Some(RootedPath::new(Root::Workspace, path).into())
        }
    };
    programs
        .filter_map(|program| Some((format!("CARGO_BIN_EXE_{}", program.name), path_of(&program.name)?)))
        .collect()
}

/// The variables of every process for the package of a unit. The `[env]` table of Cargo's configuration cannot replace
/// Cargo's own variables.
pub(crate) fn package_environment(planned: PlannedUnit<'_>) -> Variables {
    let PlannedUnit { plan, package, .. } = planned;
    let mut variables: Variables = plan.config_environment.iter().cloned().collect();
    let of_manifest = package.environment.iter();
    variables.extend(of_manifest.map(|(name, value)| (name.clone(), Template::from(value.as_str()))));
    let paths = [
        ("CARGO", plan.toolchain.cargo.clone()),
        ("CARGO_MANIFEST_DIR", package.root.clone()),
        ("CARGO_MANIFEST_PATH", package.root.join("Cargo.toml")),
    ];
    variables.extend(paths.map(|(name, path)| (name.to_owned(), Template::from(path))));
    variables
}
