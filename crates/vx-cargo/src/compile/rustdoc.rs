//! The command lines of rustdoc, in Cargo's order: for documentation, and for the examples in it.

use vx_model::{Root, RootedPath, Template};

use super::arguments::Arguments;
use super::command_line::CommandLine;
use super::{DEPENDENCIES, Scripts, profile};
use crate::plan::PlannedUnit;

/// For the documentation of a crate.
pub(super) fn documentation(planned: PlannedUnit<'_>, scripts: &Scripts<'_>) -> Vec<Template> {
    let PlannedUnit { plan, package, .. } = planned;
    let platform = planned.platform();
    let dependencies = RootedPath::new(Root::Exec, DEPENDENCIES);
    let mut arguments = Arguments::new(planned, scripts, dependencies);
    arguments.line.push(plan.toolchain.rustdoc.clone());
    arguments.edition();
    arguments.crate_types();
    arguments.crate_name();
    arguments.source_file();
    arguments.lint_cap();
    arguments.triple();
    arguments.line.option("-o", platform.documentation_directory());
    arguments.features();
    arguments.messages();
    arguments.lints();
    arguments.identity();
    arguments.dependencies();
    arguments.extra_args();
    arguments.line.extend(platform.rustdocflags.iter().cloned());
    arguments.line.option("--crate-version", package.version.as_str());
    arguments.script_flags();
    arguments.line.into_arguments()
}

/// For a run of the examples in the documentation of a library.
pub(crate) fn documentation_tests(planned: PlannedUnit<'_>, scripts: &Scripts<'_>) -> Vec<Template> {
    let PlannedUnit {
        plan, unit, package, ..
    } = planned;
    let platform = planned.platform();
    let mut arguments = Arguments::new(planned, scripts, planned.dependency_directory());
    arguments.line.push(plan.toolchain.rustdoc.clone());
    arguments.edition();
    arguments.crate_types();
    arguments.crate_name();
    arguments.line.push("--test");
    arguments.source_file();
    arguments.line.option("--test-run-directory", package.root.clone());
    arguments.target();
    runner(&platform.runner, &mut arguments.line);
    profile::panic(&unit.settings.profile, &mut arguments.line);
    arguments.library_directories(&planned.linked_scripts());
    arguments.dependencies();
    profile::lto(&unit.settings.lto, &mut arguments.line);
    arguments.features();
    arguments.script_flags();
    arguments.line.extend(platform.rustdocflags.iter().cloned());
    arguments.line.option("--error-format", "human");
    arguments.line.into_arguments()
}

/// How rustdoc runs the examples that it has compiled.
fn runner(runner: &[Template], line: &mut CommandLine) {
    if let Some((program, arguments)) = runner.split_first() {
        line.option("--test-runtool", program.clone());
        for argument in arguments {
            line.option("--test-runtool-arg", argument.clone());
        }
    }
}
