//! What a build produces for the user: final artifacts, Cargo's messages about them, and the processes that test them.

use vx_cargo::{Package, PlannedUnit, UnitIndex, Uplift};
use vx_model::{Digest, Input, OutputFile, Root, RootedPath, Template};
use vx_proto::{
    Artifact, BuildEvent, Content, EnvVar, ErrorKind, MaterializeRequest, Outcome, Placement, TestRun, WireError,
};
use walkdir::{DirEntry, WalkDir};

use super::context::Context;
use crate::engine::inputs::{Environment, LIBRARY_PATH, World, is_executable, library_path};
use crate::engine::report::messages;

/// The outputs of one build.
#[derive(Clone, Copy)]
pub(super) struct Outputs<'a> {
    pub(super) context: &'a Context,
    /// The user's.
    pub(super) environment: &'a Environment,
    /// Whether Cargo's JSON messages are requested.
    pub(super) json: bool,
}

/// A final artifact at its path for the user.
pub(super) struct LaidDown {
    unit: UnitIndex,
    pub(super) artifact: Artifact,
}

/// A file that must be at a path for the user.
struct File {
    path: String,
    digest: Digest,
    is_executable: bool,
}

/// A failure of the machine.
fn failed(message: String, error: &dyn std::fmt::Display) -> WireError {
    WireError::new(ErrorKind::Machine, message).with_cause(error.to_string())
}

impl Outputs<'_> {
    /// Writes the final artifacts to their paths for the user, and everything that tests need.
    pub(super) async fn lay_all_down(&self) -> Result<Vec<LaidDown>, WireError> {
        let mut laid_down = Vec::new();
        let mut files = Vec::new();
        for unit in 0..self.context.plan.units.len() {
            self.make_test_directory(unit)?;
            files.extend(self.needed_by_documentation(unit));
            let Some(compiled) = self.context.board.compiled(unit) else {
                continue;
            };
            laid_down.extend(self.documentation(unit));
            files.extend(self.macros(unit));
            files.extend(self.asked_for_by_flags(unit));
            for uplift in self.context.plan.unit(unit).uplifts() {
                let Some(file) = compiled.file(&uplift.file) else {
                    continue;
                };
                let path = self.absolute(&RootedPath::new(Root::Workspace, uplift.destination.clone()));
                files.push(File {
                    path: path.clone(),
                    digest: file.digest,
                    is_executable: uplift.is_executable,
                });
                let artifact = self.artifact(self.context.plan.unit(unit), &uplift, path);
                laid_down.push(LaidDown { unit, artifact });
            }
        }
        for unit in 0..self.context.plan.units.len() {
            files.extend(tokio::task::block_in_place(|| self.left_by_script(unit))?);
        }
        self.lay_down(files).await?;
        Ok(laid_down)
    }

    /// Cargo's message for every compiled unit. Only final artifacts and macros have a path for the user.
    pub(super) fn tell(&self, laid_down: &[LaidDown], tell: impl Fn(BuildEvent)) {
        for unit in (0..self.context.plan.units.len()).filter(|unit| self.context.board.compiled(*unit).is_some()) {
            let own = || {
                laid_down
                    .iter()
                    .filter(|laid_down| laid_down.unit == unit)
                    .map(|laid_down| &laid_down.artifact)
            };
            let macros = self.macros(unit);
            let macros = macros.iter().map(|file| file.path.as_str());
            let files: Vec<&str> = own().map(|artifact| artifact.path.as_str()).chain(macros).collect();
            let executable = own()
                .find(|artifact| artifact.is_executable)
                .map(|artifact| artifact.path.as_str());
            let message = |fresh| {
                BuildEvent::Json(messages::artifact(
                    self.context.plan.unit(unit),
                    &self.context.setting.roots,
                    &files,
                    executable,
                    fresh,
                ))
            };
            let ran = self.context.ledger().outcomes.get(&unit) == Some(&Outcome::Ran);
            tell(message(!ran));
            self.context.ledger().replay.push(message(true));
        }
    }

    /// The processes that test what was built, in Cargo's order.
    pub(super) fn tests(&self) -> Vec<TestRun> {
        self.context
            .plan
            .tests()
            .into_iter()
            .map(|unit| self.test(self.context.plan.unit(unit)))
            .collect()
    }

    fn test(&self, planned: PlannedUnit<'_>) -> TestRun {
        let PlannedUnit { unit, package, .. } = planned;
        let test = planned.test();
        let command = test.command(&|script| self.context.board.script(script));
        TestRun {
            package: package.name.clone(),
            package_id: self.package_id(package),
            target: unit.target.name.clone(),
            kind: unit.target.kind.first().cloned().unwrap_or_default(),
            selector: test.selector(),
            title: test.title(),
            is_doc: !unit.is_test(),
            has_harness: unit.target.harness,
            command: self.render(&command.arguments),
            working_directory: self.absolute(&command.working_directory),
            environment: self.variables(command.environment, &command.library_path),
        }
    }

    fn artifact(&self, planned: PlannedUnit<'_>, uplift: &Uplift, path: String) -> Artifact {
        let PlannedUnit { unit, package, .. } = planned;
        let (environment, runner) = match uplift.is_executable {
            true => {
                let run = planned.run_program(&|script| self.context.board.script(script));
                let environment = self.variables(run.environment, &run.library_path);
                (environment, self.render(&run.runner))
            }
            false => (Vec::new(), Vec::new()),
        };
        Artifact {
            package: package.name.clone(),
            package_id: self.package_id(package),
            target: unit.target.name.clone(),
            kind: uplift.kind.clone(),
            path,
            is_executable: uplift.is_executable,
            runner,
            environment,
        }
    }

    /// Integration tests get a directory for their files, and may expect that it exists.
    fn make_test_directory(&self, unit: UnitIndex) -> Result<(), WireError> {
        let planned = self.context.plan.unit(unit);
        let unit = planned.unit;
        let is_integration_test = unit.target.kind.iter().any(|kind| kind == "test" || kind == "bench");
        if !is_integration_test || !unit.is_test() {
            return Ok(());
        }
        let path = self.absolute(&planned.platform().test_directory());
        std::fs::create_dir_all(&path)
            .map_err(|error| failed(format!("could not create the directory `{path}`"), &error))?;
        let input = Input::Kind(RootedPath::new(Root::Host, path.trim_start_matches('/')));
        let world = World {
            roots: &self.context.setting.roots,
            files: &self.context.engine.files,
            variable: &|_| None,
            environment: &String::new,
        };
        let answer = world.answer(&input);
        self.context.ledger().answers.insert(input, answer);
        Ok(())
    }

    /// The first page of the documentation, where rustdoc has written it.
    fn documentation(&self, unit: UnitIndex) -> Option<LaidDown> {
        let planned = self.context.plan.unit(unit);
        let page = planned.documentation()?;
        let path = self.absolute(&page);
        self.context.ledger().answers.insert(
            Input::Kind(RootedPath::new(Root::Host, path.trim_start_matches('/'))),
            "file".to_owned(),
        );
        if !self.context.plan.roots.contains(&unit) {
            return None;
        }
        let artifact = Artifact {
            package: planned.package.name.clone(),
            package_id: self.package_id(planned.package),
            target: planned.unit.target.name.clone(),
            kind: "doc".to_owned(),
            path,
            is_executable: false,
            runner: Vec::new(),
            environment: Vec::new(),
        };
        Some(LaidDown { unit, artifact })
    }

    /// A proc macro, for programs such as rust-analyzer, which load what the messages name.
    fn macros(&self, unit: UnitIndex) -> Vec<File> {
        let is_macro = self.context.plan.units[unit]
            .target
            .kind
            .iter()
            .any(|kind| kind == "proc-macro");
        let compiled = self.context.board.compiled(unit).filter(|_| self.json && is_macro);
        let files = compiled.iter().flat_map(|compiled| &compiled.files);
        let is_library = |file: &&OutputFile| file.path.path.ends_with(std::env::consts::DLL_SUFFIX);
        let files = files.filter(is_library).map(|file| self.among_dependencies(unit, file));
        files.collect()
    }

    /// What rustc wrote for a requested target because of the user's flags, at Cargo's paths.
    fn asked_for_by_flags(&self, unit: UnitIndex) -> Vec<File> {
        let compiled = self
            .context
            .board
            .compiled(unit)
            .filter(|_| self.context.plan.roots.contains(&unit));
        let files = compiled.iter().flat_map(|compiled| &compiled.files);
        let names = self.context.plan.unit(unit).output_names();
        let unusual = files.filter(|file| !names.has_usual(file.path.file_name()));
        unusual.map(|file| self.among_dependencies(unit, file)).collect()
    }

    /// Files that a build script has written beside its `OUT_DIR`. Links are left out: they are not files of the store,
    /// and their targets are unknown.
    fn left_by_script(&self, unit: UnitIndex) -> Result<Vec<File>, WireError> {
        let planned = self.context.plan.unit(unit);
        if self.context.ledger().absent_out_dirs.contains(&unit) {
            return Ok(Vec::new());
        }
        let output = self.context.board.script(unit);
        let Some(left) = output.and_then(|output| planned.script_run().left_files(&output)) else {
            return Ok(Vec::new());
        };
        let unreadable = |error: &dyn std::fmt::Display| {
            let label = planned.description();
            failed(
                format!("failed to read the output of the build script of {label}"),
                error,
            )
        };
        let from = self.absolute(&left.from);
        let is_for_user = |entry: &DirEntry| entry.depth() != 1 || entry.file_name() != left.except;
        let mut files = Vec::new();
        for entry in WalkDir::new(&from).into_iter().filter_entry(is_for_user) {
            let entry = entry.map_err(|error| unreadable(&error))?;
            let path = entry.path().to_str().filter(|_| entry.file_type().is_file());
            let Some((path, below)) = path.and_then(|path| Some((path, path.strip_prefix(&from)?))) else {
                continue;
            };
            let metadata = entry.metadata().map_err(|error| unreadable(&error))?;
            let digest = self
                .context
                .engine
                .files
                .digest(path)
                .map_err(|error| unreadable(&error))?;
            files.extend(digest.map(|digest| File {
                path: self.absolute(&left.to.join(below.trim_start_matches('/'))),
                digest,
                is_executable: is_executable(&metadata),
            }));
        }
        Ok(files)
    }

    fn needed_by_documentation(&self, unit: UnitIndex) -> Vec<File> {
        let mut files = Vec::new();
        for needed in self.context.plan.unit(unit).test().crates() {
            let Some(compiled) = self.context.board.compiled(needed) else {
                continue;
            };
            for file in &compiled.files {
                files.push(self.among_dependencies(unit, file));
            }
        }
        files
    }

    /// A file of `unit` in the directory that only other programs use.
    fn among_dependencies(&self, unit: UnitIndex, file: &OutputFile) -> File {
        let directory = self.context.plan.unit(unit).dependency_directory();
        File {
            path: self.absolute(&directory.join(file.path.file_name())),
            digest: file.digest,
            is_executable: file.is_executable,
        }
    }

    async fn lay_down(&self, mut files: Vec<File>) -> Result<(), WireError> {
        files.sort_by(|one, other| one.path.cmp(&other.path));
        files.dedup_by(|one, other| one.path == other.path);
        let mut requests = Vec::new();
        for file in files {
            let input = Input::File(RootedPath::new(Root::Host, file.path.trim_start_matches('/')));
            self.context.ledger().answers.insert(input, file.digest.to_string());
            if !tokio::task::block_in_place(|| self.context.engine.files.holds(&file.path, file.digest)) {
                requests.push(MaterializeRequest {
                    path: file.path,
                    content: Content::File {
                        digest: file.digest,
                        is_executable: file.is_executable,
                    },
                    placement: Placement::Copy,
                });
            }
        }
        if requests.is_empty() {
            return Ok(());
        }
        match self.context.engine.blobs.materialize(requests).await?.first() {
            None => Ok(()),
            Some(digest) => {
                let message = format!("an artifact of this build is missing from the store ({digest})");
                Err(WireError::new(ErrorKind::Machine, message).with_help("run the command again"))
            }
        }
    }

    fn package_id(&self, package: &Package) -> String {
        package.id.render(&self.context.setting.roots)
    }

    fn absolute(&self, path: &RootedPath) -> String {
        self.context.setting.roots.absolute(path)
    }

    fn render(&self, templates: &[Template]) -> Vec<String> {
        templates
            .iter()
            .map(|template| template.render(&self.context.setting.roots))
            .collect()
    }

    /// Additions to the user's environment, sorted.
    fn variables(&self, added: Vec<(String, Template)>, directories: &[Template]) -> Vec<EnvVar> {
        let mut variables: Environment = added
            .into_iter()
            .map(|(name, value)| (name, value.render(&self.context.setting.roots)))
            .collect();
        if let Some(path) = self.environment.get(LIBRARY_PATH) {
            variables.insert(LIBRARY_PATH.to_owned(), path.clone());
        }
        let user = variables.get(LIBRARY_PATH).map(|path| Template::from(path.as_str()));
        let path = library_path(directories, user.as_ref());
        variables.extend(path.map(|path| (LIBRARY_PATH.to_owned(), path.render(&self.context.setting.roots))));
        variables
            .into_iter()
            .map(|(name, value)| EnvVar { name, value })
            .collect()
    }
}
