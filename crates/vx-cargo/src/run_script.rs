//! The run of a build script, as Cargo would start it. Its directories are in `out_dir`.

use std::collections::BTreeMap;

use vx_model::{Root, RootedPath, Roots, Template};

use crate::command::RunScript;
use crate::compile::{Scripts, own_library_directories, package_environment};
use crate::plan::{PlannedUnit, Unit, UnitIndex, UnitKind};
use crate::script_output::{self, ScriptError, ScriptOutput};

/// The number of jobs that a build script sees. It is fixed so that the result does not depend on the machine or on
/// `-j`; scripts that support the jobserver use that.
const NUM_JOBS: &str = "4";

/// The user's variables that Cargo hides from build scripts: their content is in `CARGO_ENCODED_RUSTFLAGS`, or
/// irrelevant.
const HIDDEN: [&str; 3] = ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "RUSTFLAGS"];

impl<'a> PlannedUnit<'a> {
    /// The run of a build script; the unit must be a [`UnitKind::RunBuildScript`].
    pub fn script_run(&self) -> ScriptRun<'a> {
        ScriptRun { planned: *self }
    }
}

/// The run of a build script: how it is started, its directories, and what it printed.
#[derive(Debug, Clone, Copy)]
pub struct ScriptRun<'a> {
    pub(crate) planned: PlannedUnit<'a>,
}

impl ScriptRun<'_> {
    /// The process. `scripts` returns the outputs of the build scripts of its dependencies, which must have run.
    pub fn command(&self, scripts: &Scripts<'_>) -> RunScript {
        let script = self.compiled_script();
        let links = self.scripts_of_dependencies();
        RunScript {
            script: script.index,
            environment: self.environment(&links, scripts),
            hidden: HIDDEN.map(str::to_owned).to_vec(),
            library_path: self.library_path(scripts),
            libraries: dynamic_libraries(script),
            scripts: links.iter().map(|link| link.index).collect(),
            working_directory: self.planned.package.root.clone(),
        }
    }

    /// Reads what the script printed. `roots` are those of its run, including [`Root::Script`].
    pub fn output(&self, stdout: &[u8], roots: &Roots) -> Result<ScriptOutput, ScriptError> {
        let toolchain = &self.planned.plan.toolchain;
        let (is_nightly, bootstrap) = (toolchain.is_nightly, toolchain.bootstrap.as_deref());
        script_output::read(
            self.planned.package,
            stdout,
            self.out_dir(),
            roots,
            is_nightly,
            bootstrap,
        )
    }

    fn compiled_script(&self) -> PlannedUnit<'_> {
        let is_compilation =
            |other: &PlannedUnit<'_>| other.unit.compile_mode().is_some() && other.unit.is("custom-build");
        let found = self.planned.dependencies().find(is_compilation);
        found.expect("a plan has no run of a build script without its compilation")
    }

    /// Script runs whose metadata this one sees.
    fn scripts_of_dependencies(&self) -> Vec<PlannedUnit<'_>> {
        let dependencies = self.planned.dependencies();
        dependencies
            .filter(|other| other.unit.kind == UnitKind::RunBuildScript)
            .collect()
    }

    fn environment(&self, links: &[PlannedUnit<'_>], scripts: &Scripts<'_>) -> Vec<(String, Template)> {
        let PlannedUnit {
            plan, unit, package, ..
        } = self.planned;
        let platform = self.planned.platform();
        let profile = &unit.settings.profile;
        let mut variables = package_environment(self.planned);
        let mut set = |name: String, value: Template| _ = variables.insert(name, value);
        let texts = [
            ("NUM_JOBS", NUM_JOBS),
            ("TARGET", self.planned.triple()),
            ("HOST", &plan.toolchain.host),
            ("DEBUG", if profile.debuginfo.is_on() { "true" } else { "false" }),
            ("OPT_LEVEL", &profile.opt_level),
            ("PROFILE", if profile.is_release { "release" } else { "debug" }),
        ];
        for (name, value) in texts {
            set(name.to_owned(), value.into());
        }
        let paths = [
            ("OUT_DIR", self.out_dir()),
            ("RUSTC", plan.toolchain.rustc.clone()),
            ("RUSTDOC", plan.toolchain.rustdoc.clone()),
        ];
        for (name, path) in paths {
            set(name.to_owned(), path.into());
        }
        if let Some(linker) = &platform.linker {
            set("RUSTC_LINKER".to_owned(), linker.clone());
        }
        if let Some(links) = &package.links {
            set("CARGO_MANIFEST_LINKS".to_owned(), links.as_str().into());
        }
        for feature in &unit.features {
            set(format!("CARGO_FEATURE_{}", variable_name(feature)), "1".into());
        }
        for (name, values) in cfg_variables(unit, &platform.cfg) {
            set(format!("CARGO_CFG_{}", variable_name(&name)), values.join(",").into());
        }
        set(
            "CARGO_ENCODED_RUSTFLAGS".to_owned(),
            joined(&platform.rustflags, "\x1f"),
        );
        for (name, value) in dependency_metadata(links, scripts) {
            set(name, value);
        }
        variables.into_iter().collect()
    }

    /// The toolchain's libraries, and those built by the script's own dependencies.
    fn library_path(&self, scripts: &Scripts<'_>) -> Vec<Template> {
        let host = &self.planned.plan.toolchain.host;
        let sysroot = RootedPath::new(Root::Toolchain, format!("lib/rustlib/{host}/lib"));
        let mut path = vec![
            Template::from(RootedPath::new(Root::Exec, crate::compile::DEPENDENCIES)),
            Template::from(sysroot),
        ];
        let of_macros = self.planned.linked_scripts().of_macros.into_iter();
        path.extend(own_library_directories(of_macros, scripts));
        path
    }
}

/// `DEP_LINKS_KEY`.
fn dependency_metadata(links: &[PlannedUnit<'_>], scripts: &Scripts<'_>) -> Vec<(String, Template)> {
    let mut variables = Vec::new();
    for link in links {
        let Some(name) = &link.package.links else {
            continue;
        };
        let output = scripts(link.index);
        let metadata = output.iter().flat_map(|output| &output.metadata);
        variables.extend(metadata.map(|(key, value)| {
            (
                format!("DEP_{}_{}", variable_name(name), variable_name(key)),
                value.clone(),
            )
        }));
    }
    variables
}

/// The dynamic Rust libraries that the compiled script is linked to.
fn dynamic_libraries(script: PlannedUnit<'_>) -> Vec<UnitIndex> {
    let crates = script.crate_inputs().into_iter().map(|(other, _)| other);
    crates
        .filter(|other| script.plan.units[*other].makes("dylib"))
        .collect()
}

/// `cfg` by name with all values. Without a profile, rustc always reports `debug_assertions`, so the profile decides
/// it.
fn cfg_variables(unit: &Unit, cfg: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut variables = BTreeMap::from([("feature".to_owned(), unit.features.clone())]);
    if unit.settings.profile.debug_assertions {
        variables.insert("debug_assertions".to_owned(), Vec::new());
    }
    for cfg in cfg.iter().filter(|cfg| *cfg != "debug_assertions") {
        match cfg.split_once('=') {
            Some((name, value)) => {
                let value = value.trim_matches('"').to_owned();
                variables.entry(name.to_owned()).or_default().push(value);
            }
            None => _ = variables.insert(cfg.clone(), Vec::new()),
        }
    }
    variables
}

fn joined(texts: &[Template], separator: &str) -> Template {
    let mut whole = Template::new();
    for (number, text) in texts.iter().enumerate() {
        if number > 0 {
            whole = whole.text(separator);
        }
        whole = whole.then(text.clone());
    }
    whole
}

/// As part of the name of a variable.
fn variable_name(text: &str) -> String {
    text.to_uppercase().replace('-', "_")
}
