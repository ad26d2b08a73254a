//! What `cargo test` and `cargo bench` run when everything is built: test programs, and rustdoc with the examples of a
//! library's documentation. Takes data of the plan and returns `TestCommand`; the user's arguments are added elsewhere.

use vx_model::{Root, RootedPath};

use crate::command::TestCommand;
use crate::compile::{Scripts, documentation_tests};
use crate::plan::{CompileMode, Plan, PlannedUnit, UnitIndex, UnitKind};

impl Plan {
    /// The units that test something, in Cargo's order: programs first.
    pub fn tests(&self) -> Vec<UnitIndex> {
        let of_kind = |kind: UnitKind| {
            let roots = self.roots.iter().copied();
            roots.filter(move |root| self.units[*root].kind == kind)
        };
        of_kind(UnitKind::Compile(CompileMode::Test))
            .chain(of_kind(UnitKind::TestDocumentation))
            .collect()
    }
}

impl<'a> PlannedUnit<'a> {
    /// The test; the unit must be one of [`Plan::tests`].
    pub fn test(&self) -> Test<'a> {
        Test { planned: *self }
    }
}

/// A unit that tests something: how it is run, and its name.
#[derive(Debug, Clone, Copy)]
pub struct Test<'a> {
    planned: PlannedUnit<'a>,
}

impl Test<'_> {
    /// The run. `scripts` returns the outputs of build scripts, which must have run.
    pub fn command(&self, scripts: &Scripts<'_>) -> TestCommand {
        match self.planned.unit.kind {
            UnitKind::TestDocumentation => self.documentation(scripts),
            UnitKind::Compile(_) | UnitKind::RunBuildScript => self.program(scripts),
        }
    }

    /// Cargo's option that selects the target of a test: `--lib`, `--test NAME`.
    pub fn selector(&self) -> String {
        let unit = self.planned.unit;
        let kind = unit.target.kind.iter().map(String::as_str);
        let named = kind
            .clone()
            .find(|kind| matches!(*kind, "bin" | "test" | "bench" | "example"));
        match named {
            _ if unit.kind == UnitKind::TestDocumentation => "--doc".to_owned(),
            Some(kind) => format!("--{kind} {}", unit.target.name),
            None => "--lib".to_owned(),
        }
    }

    /// How Cargo announces a test: `unittests src/lib.rs`, `tests/it.rs`, the crate's name for its documentation.
    pub fn title(&self) -> String {
        let PlannedUnit { unit, package, .. } = self.planned;
        let root = &package.root;
        let source = &unit.target.source;
        let below = source
            .path
            .strip_prefix(&root.path)
            .filter(|_| source.root == root.root);
        let source = below.unwrap_or(&source.path).trim_start_matches('/');
        match unit.kind {
            UnitKind::TestDocumentation => unit.target.name.clone(),
            _ if unit.is("test") || unit.is("bench") => source.to_owned(),
            _ => format!("unittests {source}"),
        }
    }

    /// The units against which the examples in documentation are compiled. Their files must be in
    /// [`PlannedUnit::dependency_directory`].
    pub fn crates(&self) -> Vec<UnitIndex> {
        match self.planned.unit.kind {
            UnitKind::TestDocumentation => {
                let crates = self.planned.crate_inputs().into_iter();
                crates.map(|(other, _)| other).collect()
            }
            UnitKind::Compile(_) | UnitKind::RunBuildScript => Vec::new(),
        }
    }

    fn program(&self, scripts: &Scripts<'_>) -> TestCommand {
        let run = self.planned.run_program(scripts);
        let program = self.planned.uplifts().into_iter().next();
        let destination = program.map(|uplift| uplift.destination).unwrap_or_default();
        let mut arguments = run.runner;
        arguments.push(RootedPath::new(Root::Workspace, destination).into());
        TestCommand {
            arguments,
            environment: run.environment,
            library_path: run.library_path,
            working_directory: self.planned.package.root.clone(),
        }
    }

    fn documentation(&self, scripts: &Scripts<'_>) -> TestCommand {
        let mut run = self.planned.run_program(scripts);
        run.environment.retain(|(name, _)| !name.starts_with("CARGO_BIN_EXE_"));
        TestCommand {
            arguments: documentation_tests(self.planned, scripts),
            environment: run.environment,
            library_path: run.library_path,
            working_directory: self.planned.working_directory(),
        }
    }
}
