//! The command line of rustc, in Cargo's order: if a flag is given twice, the later one wins.

use vx_home::WorkspaceLayout;
use vx_model::{Root, RootedPath, Template};

use super::arguments::Arguments;
use super::{DEPENDENCIES, OUT, Scripts, profile, remap};
use crate::graph::LinkedScripts;
use crate::plan::{PlannedUnit, Unit};
use crate::script_output::LinkArgTarget;
use crate::settings::{Driver, StripLevel};

/// rustc, with Clippy before it if that is what runs, and its arguments.
pub(super) fn command_line(planned: PlannedUnit<'_>, scripts: &Scripts<'_>, linked: &LinkedScripts) -> Vec<Template> {
    let PlannedUnit { plan, unit, .. } = planned;
    let dependencies = RootedPath::new(Root::Exec, DEPENDENCIES);
    let mut arguments = Arguments::new(planned, scripts, dependencies);
    if unit.settings.driver == Driver::Clippy {
        // As Cargo starts a wrapper.
        arguments.line.push(plan.toolchain.clippy.clone());
    }
    arguments.line.push(plan.toolchain.rustc.clone());
    arguments.crate_name();
    arguments.edition();
    arguments.source_file();
    arguments.messages();
    outputs(&mut arguments);
    profile::code(planned, &mut arguments.line);
    arguments.lints();
    let profile = &unit.settings.profile;
    arguments.line.extend(profile.rustflags.iter().map(String::as_str));
    profile::checks(profile, &mut arguments.line);
    tests(&mut arguments);
    names(&mut arguments);
    linking(&mut arguments);
    arguments.dependencies();
    arguments.lint_cap();
    arguments.extra_args();
    arguments.line.extend(remap::arguments(planned));
    arguments.line.extend(planned.platform().rustflags.iter().cloned());
    native_libraries(&mut arguments, linked);
    arguments.script_flags();
    arguments.line.into_arguments()
}

fn outputs(arguments: &mut Arguments<'_>) {
    let unit = arguments.planned.unit;
    // A test program is a program, whatever the target.
    if !unit.is_test() {
        arguments.crate_types();
    }
    arguments.line.push(match unit.needs_code() {
        _ if unit.is_check() => "--emit=dep-info,metadata",
        true => "--emit=dep-info,link",
        false => "--emit=dep-info,metadata,link",
    });
}

fn tests(arguments: &mut Arguments<'_>) {
    let unit = arguments.planned.unit;
    match (unit.is_test(), unit.target.harness) {
        (true, true) => arguments.line.push("--test"),
        (true, false) => arguments.line.option("--cfg", "test"),
        (false, _) => {}
    }
}

fn names(arguments: &mut Arguments<'_>) {
    arguments.features();
    arguments.identity();
    let PlannedUnit { unit, .. } = arguments.planned;
    if !arguments.planned.output_names().are_plain() {
        arguments.line.codegen(format!("extra-filename=-{}", unit.identity));
    }
}

fn linking(arguments: &mut Arguments<'_>) {
    let PlannedUnit { plan, unit, .. } = arguments.planned;
    let profile = &unit.settings.profile;
    if profile.rpath {
        arguments.line.codegen("rpath");
    }
    arguments.line.option("--out-dir", RootedPath::new(Root::Exec, OUT));
    arguments.target();
    if profile.incremental {
        let directory = RootedPath::new(Root::Workspace, WorkspaceLayout::relative().incremental());
        let directory = directory.join(&plan.profile_directory);
        arguments.line.codegen(Template::from("incremental=").path(directory));
    }
    if let StripLevel::Named(level) = profile.strip.level() {
        arguments.line.codegen(format!("strip={level}"));
    }
}

/// What build scripts said about libraries.
fn native_libraries(arguments: &mut Arguments<'_>, linked: &LinkedScripts) {
    let PlannedUnit {
        plan, unit, package, ..
    } = arguments.planned;
    let outputs = arguments.library_directories(linked);
    // A program finds the libraries of its package in the package's library.
    let is_linked_here = unit.is_library() || package.library().is_none();
    for (script, output) in &outputs {
        let is_own = plan.units[*script].package == unit.package;
        if is_own && is_linked_here {
            for library in &output.library_links {
                arguments.line.option("-l", library.clone());
            }
        }
        for (target, argument) in &output.link_args {
            let may_apply = is_own || *target == LinkArgTarget::Cdylib;
            if may_apply && target.applies_to(unit) {
                arguments
                    .line
                    .codegen(Template::from("link-arg=").then(argument.clone()));
            }
        }
    }
}

impl LinkArgTarget {
    fn applies_to(&self, unit: &Unit) -> bool {
        match self {
            Self::All => true,
            Self::Cdylib => unit.is("cdylib"),
            Self::Bins => unit.is("bin"),
            Self::Bin(name) => unit.is("bin") && unit.target.name == *name,
            Self::Tests => unit.is("test"),
            Self::Benches => unit.is("bench"),
            Self::Examples => unit.is("example") && unit.makes("bin"),
        }
    }
}
