//! What `cargo test` and `cargo bench` run when everything is built: test programs, and rustdoc with the examples of a
//! library's documentation. Data of the plan in, `TestCommand` out; the user's arguments join it elsewhere.

use vx_model::{Root, RootedPath};

use crate::command::TestCommand;
use crate::compile::{Arguments, Scripts};
use crate::plan::{CompileMode, Plan, UnitIndex, UnitKind};

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

    /// The run of one of [`Plan::tests`]. `scripts` gives the outputs of build scripts, which must have run.
    pub fn test_command(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> TestCommand {
        match self.units[unit].kind {
            UnitKind::TestDocumentation => self.rustdoc_test(unit, scripts),
            UnitKind::Compile(_) | UnitKind::RunBuildScript => self.test_program_run(unit, scripts),
        }
    }

    /// Cargo's option that selects the target of a test: `--lib`, `--test NAME`.
    pub fn selector(&self, unit: UnitIndex) -> String {
        let unit = &self.units[unit];
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
    pub fn test_title(&self, unit: UnitIndex) -> String {
        let unit = &self.units[unit];
        let root = &self.packages[unit.package].root;
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

    fn test_program_run(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> TestCommand {
        let program = self.uplifts(unit).into_iter().next();
        let destination = program.map(|uplift| uplift.destination).unwrap_or_default();
        let mut arguments = self.platform(&self.units[unit]).runner.clone();
        arguments.push(RootedPath::new(Root::Workspace, destination).into());
        TestCommand {
            arguments,
            environment: self.program_environment(unit, scripts),
            library_path: self.library_path(unit, scripts),
            working_directory: self.packages[self.units[unit].package].root.clone(),
        }
    }

    fn rustdoc_test(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> TestCommand {
        let planned = &self.units[unit];
        let mut environment = self.program_environment(unit, scripts);
        environment.retain(|(name, _)| !name.starts_with("CARGO_BIN_EXE_"));
        TestCommand {
            arguments: Arguments::of_documentation(self, unit, scripts).documentation_tests(&self.linked_scripts(unit)),
            environment,
            library_path: self.library_path(unit, scripts),
            working_directory: self.working_directory(planned),
        }
    }
}
