//! The run of a build script, as Cargo would start it.

use std::collections::BTreeMap;

use vx_model::{Root, RootedPath, Template};

use crate::command::RunScript;
use crate::compile::{Scripts, own_library_directories};
use crate::plan::{Plan, Unit, UnitIndex, UnitKind};

/// The number of jobs that a build script sees. It is fixed so that the result does not depend on the machine or on
/// `-j`; scripts that support the jobserver use that.
const NUM_JOBS: &str = "4";

/// The user's variables that Cargo hides from build scripts: their content is in `CARGO_ENCODED_RUSTFLAGS`, or
/// irrelevant.
const HIDDEN: [&str; 3] = ["RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "RUSTFLAGS"];

impl Plan {
    /// The build script run of `unit`. The scripts of its dependencies must have run.
    pub fn run_script(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> RunScript {
        let planned = &self.units[unit];
        let script = self.compiled_script(planned);
        let links = self.scripts_of_dependencies(planned);
        RunScript {
            script,
            environment: self.script_environment(planned, &links, scripts),
            hidden: HIDDEN.map(str::to_owned).to_vec(),
            library_path: self.script_library_path(unit, scripts),
            libraries: self.dynamic_libraries(script),
            scripts: links,
            working_directory: self.packages[planned.package].root.clone(),
        }
    }

    fn compiled_script(&self, unit: &Unit) -> UnitIndex {
        let mut dependencies = unit.dependencies.iter().map(|dependency| dependency.unit);
        let found = dependencies
            .find(|other| self.units[*other].compile_mode().is_some() && self.units[*other].is("custom-build"));
        found.expect("a plan has no run of a build script without its compilation")
    }

    /// Script runs whose metadata this one sees.
    fn scripts_of_dependencies(&self, unit: &Unit) -> Vec<UnitIndex> {
        let dependencies = unit.dependencies.iter().map(|dependency| dependency.unit);
        dependencies
            .filter(|other| self.units[*other].kind == UnitKind::RunBuildScript)
            .collect()
    }

    fn script_environment(&self, unit: &Unit, links: &[UnitIndex], scripts: &Scripts<'_>) -> Vec<(String, Template)> {
        let package = &self.packages[unit.package];
        let platform = self.platform(unit);
        let profile = &unit.settings.profile;
        let mut variables = self.package_environment(unit);
        let mut set = |name: String, value: Template| _ = variables.insert(name, value);
        let texts = [
            ("NUM_JOBS", NUM_JOBS),
            ("TARGET", platform.triple.as_deref().unwrap_or(&self.toolchain.host)),
            ("HOST", &self.toolchain.host),
            ("DEBUG", if profile.debuginfo.is_on() { "true" } else { "false" }),
            ("OPT_LEVEL", &profile.opt_level),
            ("PROFILE", if profile.is_release { "release" } else { "debug" }),
        ];
        for (name, value) in texts {
            set(name.to_owned(), value.into());
        }
        let paths = [
            ("OUT_DIR", self.out_dir(unit)),
            ("RUSTC", self.toolchain.rustc.clone()),
            ("RUSTDOC", self.toolchain.rustdoc.clone()),
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
        for (name, value) in self.dependency_metadata(links, scripts) {
            set(name, value);
        }
        variables.into_iter().collect()
    }

    /// `DEP_LINKS_KEY`.
    fn dependency_metadata(&self, links: &[UnitIndex], scripts: &Scripts<'_>) -> Vec<(String, Template)> {
        let mut variables = Vec::new();
        for script in links {
            let Some(name) = &self.packages[self.units[*script].package].links else {
                continue;
            };
            let output = scripts(*script);
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

    /// The toolchain's libraries, and those built by the script's own dependencies.
    fn script_library_path(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> Vec<Template> {
        let host = &self.toolchain.host;
        let sysroot = RootedPath::new(Root::Toolchain, format!("lib/rustlib/{host}/lib"));
        let mut path = vec![
            Template::from(RootedPath::new(Root::Exec, crate::compile::DEPENDENCIES)),
            Template::from(sysroot),
        ];
        path.extend(own_library_directories(
            self.linked_scripts(unit).of_macros.into_iter(),
            scripts,
        ));
        path
    }

    /// The dynamic Rust libraries that the script is linked to.
    fn dynamic_libraries(&self, script: UnitIndex) -> Vec<UnitIndex> {
        let crates = self.crate_inputs(script).into_iter().map(|(other, _)| other);
        crates.filter(|other| self.units[*other].makes("dylib")).collect()
    }
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
