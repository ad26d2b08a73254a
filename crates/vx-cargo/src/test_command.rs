//! What `cargo test` and `cargo bench` run when everything is built: test programs, and rustdoc with the examples of a
//! library's documentation. Takes data of the plan and returns `TestCommand`; the user's arguments are added elsewhere.

use vx_model::{Root, RootedPath};

use crate::command::TestCommand;
use crate::compile::{Arguments, Scripts};
use crate::plan::{CompileMode, Plan, Unit, UnitIndex, UnitKind};

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

    /// One of [`Plan::tests`].
    pub fn test(&self, unit: UnitIndex) -> Test<'_> {
        Test {
            plan: self,
            index: unit,
            unit: &self.units[unit],
        }
    }
}

/// A unit that tests something: how it is run, and its name.
#[derive(Debug, Clone, Copy)]
pub struct Test<'a> {
    plan: &'a Plan,
    index: UnitIndex,
    unit: &'a Unit,
}

impl Test<'_> {
    /// The run. `scripts` returns the outputs of build scripts, which must have run.
    pub fn command(&self, scripts: &Scripts<'_>) -> TestCommand {
        match self.unit.kind {
            UnitKind::TestDocumentation => self.documentation(scripts),
            UnitKind::Compile(_) | UnitKind::RunBuildScript => self.program(scripts),
        }
    }

    /// Cargo's option that selects the target of a test: `--lib`, `--test NAME`.
    pub fn selector(&self) -> String {
        let unit = self.unit;
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
        let unit = self.unit;
        let root = &self.plan.packages[unit.package].root;
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

    fn program(&self, scripts: &Scripts<'_>) -> TestCommand {
        let program = self.plan.uplifts(self.index).into_iter().next();
        let destination = program.map(|uplift| uplift.destination).unwrap_or_default();
        let mut arguments = self.plan.platform(self.unit).runner.clone();
        arguments.push(RootedPath::new(Root::Workspace, destination).into());
        TestCommand {
            arguments,
            environment: self.plan.program_environment(self.index, scripts),
            library_path: self.plan.library_path(self.index, scripts),
            working_directory: self.plan.packages[self.unit.package].root.clone(),
        }
    }

    fn documentation(&self, scripts: &Scripts<'_>) -> TestCommand {
        let mut environment = self.plan.program_environment(self.index, scripts);
        environment.retain(|(name, _)| !name.starts_with("CARGO_BIN_EXE_"));
        TestCommand {
            arguments: Arguments::of_documentation(self.plan, self.index, scripts)
                .documentation_tests(&self.plan.linked_scripts(self.index)),
            environment,
            library_path: self.plan.library_path(self.index, scripts),
            working_directory: self.plan.working_directory(self.unit),
        }
    }
}
