//! How the program of a unit is run when everything is built, by `cargo run` or as a test.

use vx_model::{Root, RootedPath, Template};

use crate::command::RunProgram;
use crate::compile::{Scripts, own_library_directories, package_environment, program_paths};
use crate::plan::{PlannedUnit, UnitKind};

impl PlannedUnit<'_> {
    /// How its program is run. `scripts` returns the outputs of build scripts, which must have run.
    pub fn run_program(&self, scripts: &Scripts<'_>) -> RunProgram {
        RunProgram {
            runner: self.platform().runner.clone(),
            environment: environment(*self, scripts),
            library_path: library_path(*self, scripts),
        }
    }
}

fn environment(planned: PlannedUnit<'_>, scripts: &Scripts<'_>) -> Vec<(String, Template)> {
    let mut variables = package_environment(planned);
    if planned.unit.is("test") || planned.unit.is("bench") {
        variables.extend(program_paths(planned));
    }
    for output in planned.own_scripts().into_iter().filter_map(scripts) {
        variables.insert("OUT_DIR".to_owned(), output.out_dir.clone().into());
        variables.extend(output.env.iter().cloned());
    }
    variables.into_iter().collect()
}

/// The directories of the dynamic libraries that the program may need, in order.
fn library_path(planned: PlannedUnit<'_>, scripts: &Scripts<'_>) -> Vec<Template> {
    let units = &planned.plan.units;
    let all_scripts = (0..units.len()).filter(|unit| units[*unit].kind == UnitKind::RunBuildScript);
    let mut path = own_library_directories(all_scripts, scripts);
    let own = RootedPath::new(Root::Workspace, planned.output_directory());
    let sysroot = format!("lib/rustlib/{}/lib", planned.triple());
    path.extend([
        own.into(),
        planned.dependency_directory().into(),
        RootedPath::new(Root::Toolchain, sysroot).into(),
    ]);
    path.dedup();
    path
}
