//! A run of rustc: what it needs, what decides it, what it leaves.

use std::sync::Arc;

use camino::Utf8Path;
use vx_cargo::{Compile, DepInfo, Needs, UnitIndex, UnitKind};
use vx_model::{ActionResult, Digest, Input, InputSet, Key, OutputFile, Root, RootedPath, Roots, Template};
use vx_proto::{
    BuildEvent, EnvVar, ErrorKind, ExecuteEvent, ExecuteRequest, ExecuteResult, InputFile, Outcome, WireError,
};

use super::Run;
use super::action::{Action, Done};
use super::traces::Traces;
use crate::engine::diagnostics::Counts;
use crate::engine::environment::{Environment, add_library_path, is_read_by_rustc};
use crate::engine::keys::{CompileFacts, compile_key};
use crate::engine::processor;
use crate::engine::progress::{Compiled, Progress, Stop, file_name};

/// Programs that a link may start; where they are found on `PATH` decides it.
const LINK_PROGRAMS: &[&str] = &[
    "cc", "gcc", "clang", "ld", "ld.bfd", "ld.gold", "ld.lld", "ld.mold", "as", "ar",
];

/// Table of the documentation in workspaces: the key of its result by the path of its first page.
const DOCUMENTATION: &str = "documentation";

/// The dependencies of a compile unit, gathered.
#[derive(Default)]
struct Dependencies {
    inputs: Vec<InputFile>,
    facts: CompileFacts,
    macros: Vec<Digest>,
    /// Whether a macro may ask for a variable that tells where the workspace lies.
    asks_for_place: bool,
}

impl Run {
    /// Makes a compile unit, from the store or by running rustc.
    pub(super) async fn compile(self: &Arc<Self>, unit: UnitIndex) -> Result<(), Stop> {
        for dependency in &self.plan.units[unit].dependencies {
            let needs = match self.plan.units[dependency.unit].kind {
                UnitKind::Compile(_) => Needs::Metadata,
                UnitKind::RunBuildScript | UnitKind::TestDocumentation => Needs::Everything,
            };
            self.board.wait(dependency.unit, needs).await?;
        }
        let compile = self.plan.compile(unit, &|script| self.board.script(script));
        let mut dependencies = self.gather(&compile).await?;
        let environment = self.compile_environment(&compile);
        let mut unreported = match compile.dep_info {
            Some(_) => self.unreported(&compile, &environment, &dependencies.macros).await?,
            // rustdoc does not tell what `env!` asked for.
            None => environment.clone().into_iter().collect(),
        };
        let known = unreported.len();
        unreported.retain(|(name, _)| !compile.place_variables().any(|(place, _)| place == name));
        dependencies.asks_for_place = unreported.len() < known;
        dependencies.facts.environment = unreported;
        if compile.links {
            dependencies.facts.programs = programs(&environment);
        }
        dependencies.facts.processor = compile.is_for_this_processor.then(processor::identity);
        let package = &self.plan.packages[self.plan.units[unit].package];
        let facts = std::mem::take(&mut dependencies.facts);
        let weak = compile_key(&self.setting.toolchain, package, &compile, facts);
        let action = Action {
            unit,
            weak,
            environment,
        };
        let _flight = self.engine.flights.enter(action.weak.key()).await;
        match self.look_up(&action).await? {
            Some((key, result)) if self.is_laid_down(unit, key).await? => {
                self.compiled_before(unit, &compile, result).await
            }
            _ => self.run_rustc(&action, &compile, dependencies).await,
        }
    }

    /// Whether all that a result stands for is in the store, or lies where it was made: documentation is written into one
    /// directory of each workspace, of which no part can be kept elsewhere.
    async fn is_laid_down(&self, unit: UnitIndex, key: Key) -> Result<bool, Stop> {
        let Some(page) = self.plan.documentation(unit) else {
            return Ok(true);
        };
        let page = self.setting.roots.absolute(&page);
        let record = self.engine.store.get_record(DOCUMENTATION, &page).await?;
        Ok(record.as_deref() == Some(key.hex().as_bytes()) && Utf8Path::new(&page).is_file())
    }

    /// Waits for what the command needs in `deps`.
    async fn gather(&self, compile: &Compile) -> Result<Dependencies, Stop> {
        let mut gathered = Dependencies::default();
        for (unit, needs) in &compile.inputs {
            let files = match self.board.wait(*unit, *needs).await? {
                Progress::Metadata(file) => vec![file],
                Progress::Compiled(compiled) => needed(&compiled.files, *needs),
                Progress::Ran(_) | Progress::Waiting | Progress::Failed => Vec::new(),
            };
            let dependency = &self.plan.units[*unit];
            if dependency.target.kind.iter().any(|kind| kind == "proc-macro") {
                gathered.macros.extend(files.iter().map(|file| file.digest));
            }
            let package = &self.plan.packages[dependency.package].name;
            for file in files {
                let name = file_name(&file).to_owned();
                gathered
                    .facts
                    .dependencies
                    .push((package.clone(), name.clone(), file.digest));
                gathered.inputs.push(in_deps(&file));
            }
        }
        Ok(gathered)
    }

    /// The user's environment with what Cargo sets in it.
    fn compile_environment(&self, compile: &Compile) -> Environment {
        let mut environment = self.setting.environment.clone();
        for (name, value) in &compile.environment {
            environment.insert(name.clone(), value.render(&self.setting.roots));
        }
        environment
    }

    /// Variables that decide the result without rustc telling: what it reads by itself, what a macro may ask for.
    async fn unreported(
        &self,
        compile: &Compile,
        environment: &Environment,
        macros: &[Digest],
    ) -> Result<Vec<(String, String)>, Stop> {
        let mut names: Vec<String> = environment
            .keys()
            .filter(|name| is_read_by_rustc(name))
            .cloned()
            .collect();
        if compile.clippy.is_some() {
            names.extend(Compile::READ_BY_CLIPPY.iter().map(|name| (*name).to_owned()));
        }
        for dylib in macros {
            names.extend(
                self.engine
                    .names_in(*dylib, environment.keys())
                    .await?
                    .ok_or(Stop::Hole)?,
            );
        }
        names.sort();
        names.dedup();
        let value = |name: String| environment.get(&name).cloned().map(|value| (name, value));
        Ok(names.into_iter().filter_map(value).collect())
    }

    async fn compiled_before(&self, unit: UnitIndex, compile: &Compile, result: ActionResult) -> Result<(), Stop> {
        let diagnostics = match result.stderr {
            Some(digest) if digest.size_bytes > 0 => self.engine.store.get_blob(digest).await?.ok_or(Stop::Hole)?,
            _ => Vec::new(),
        };
        self.board
            .set(unit, Progress::Compiled(Arc::new(Compiled { files: result.files })));
        let mut counts = Counts::default();
        for line in diagnostics.split(|byte| *byte == b'\n') {
            self.show(unit, line, &mut counts, true);
        }
        self.sum_up(unit, compile, counts);
        self.finished(unit, Outcome::Cached);
        Ok(())
    }

    async fn run_rustc(&self, action: &Action, compile: &Compile, dependencies: Dependencies) -> Result<(), Stop> {
        let unit = action.unit;
        let planned = &self.plan.units[unit];
        let exec_root = match planned.settings.profile.incremental {
            true => {
                let workspace = self.setting.roots.dir(Root::Workspace);
                self.engine.exec_roots.usual(workspace, &planned.identity)
            }
            false => self.engine.exec_roots.fresh(),
        };
        let roots = self.roots_with(&exec_root);
        let mut environment = action.environment.clone();
        add_library_path(&mut environment, &render(&compile.library_path, &roots));
        let request = ExecuteRequest {
            label: format!("rustc {}", self.plan.description(unit)),
            exec_root: exec_root.path().to_string(),
            arguments: render(&compile.arguments, &roots),
            environment: variables(&environment),
            working_directory: roots.absolute(&compile.working_directory),
            inputs: dependencies.inputs,
            directories: vec!["deps".to_owned(), "out".to_owned()],
            output_directories: vec!["out".to_owned()],
            output_trees: Vec::new(),
            rustc_json: true,
            observe: compile.links
                || compile.uses_proc_macros
                || compile.reads_unreported
                || compile.clippy.is_some()
                || compile.dep_info.is_none(),
            priority: self.priorities[unit],
        };
        let mut counts = Counts::default();
        let done = self
            .execute(unit, request, |event| match event {
                ExecuteEvent::Stderr(line) => self.show(unit, &line, &mut counts, false),
                ExecuteEvent::Stdout(line) => self.show(unit, &line, &mut counts, false),
                ExecuteEvent::Output(file) if compile.metadata.as_deref() == Some(file_name(&file)) => {
                    self.board.set(unit, Progress::Metadata(file));
                }
                _ => {}
            })
            .await?;
        if done.result.exit_code != Some(0) {
            self.sum_up(unit, compile, counts);
            return Err(Stop::Failed(self.failure(unit, &done.result, counts)));
        }
        let files = done.result.files.clone();
        self.board.set(unit, Progress::Compiled(Arc::new(Compiled { files })));
        self.keep_diagnostics(unit, &done.result).await?;
        self.sum_up(unit, compile, counts);
        self.ledger()
            .durations
            .insert(self.plan.units[unit].identity.clone(), done.result.duration_ms);
        self.keep(action, compile, done, dependencies.asks_for_place).await?;
        self.finished(unit, Outcome::Ran);
        Ok(())
    }

    /// Publishes under what rustc reported and what was observed.
    async fn keep(
        &self,
        action: &Action,
        compile: &Compile,
        done: Done,
        macros_ask_for_place: bool,
    ) -> Result<(), Stop> {
        let label = self.plan.description(action.unit);
        let seen = self.observed(&done.result.observation);
        let may_keep = seen
            .as_ref()
            .is_some_and(|seen| seen.changed.is_empty() && seen.written.is_empty());
        let mut inputs = seen.map(|seen| seen.inputs).unwrap_or_default();
        let dep_info = match &compile.dep_info {
            Some(name) => self.dep_info(action.unit, name, &done.result).await?,
            None => DepInfo::default(),
        };
        inputs.extend(dep_info.env.into_iter().map(|(name, _)| Input::Env(name)));
        if macros_ask_for_place && self.holds_place(compile, &done.result).await? {
            inputs.push(Input::Location(RootedPath::new(Root::Workspace, "")));
        }
        inputs.extend(compile.clippy.clone().map(Input::File));
        inputs.extend(self.files_read(action.unit, compile, &dep_info.files));
        if !may_keep {
            tracing::info!(
                label,
                "not observed, or writes outside of its output directory: the result is not kept"
            );
            inputs.push(Input::Tree(
                self.plan.packages[self.plan.units[action.unit].package].root.clone(),
            ));
        }
        let result = ActionResult {
            files: done.result.files,
            trees: Vec::new(),
            stdout: None,
            stderr: done.result.stderr,
            duration_ms: done.result.duration_ms,
            annotation: Vec::new(),
        };
        let published = self
            .publish(action, InputSet::new(inputs), done.started_ns, result, may_keep)
            .await?;
        if let (Some(key), Some(page)) = (published, self.plan.documentation(action.unit)) {
            let page = self.setting.roots.absolute(&page);
            let record = key.hex().into_bytes();
            self.engine.store.put_record(DOCUMENTATION, &page, record).await?;
        }
        Ok(())
    }

    /// Whether the place of the workspace has come into a result whose macros could ask for it. Most use it to find files,
    /// and are the same in every checkout. Only paths are found: a number that a macro made of one (its length, a hash) is
    /// not.
    async fn holds_place(&self, compile: &Compile, result: &ExecuteResult) -> Result<bool, Stop> {
        // Bitcode packs its texts.
        if compile
            .arguments
            .iter()
            .any(|argument| *argument == Template::from("linker-plugin-lto"))
        {
            return Ok(true);
        }
        let known = [Root::Home, Root::Toolchain].map(|root| self.setting.roots.dir(root));
        let traces = Traces::of(self.setting.roots.dir(Root::Workspace), &known);
        let files = result
            .files
            .iter()
            .filter(|file| compile.dep_info.as_deref() != Some(file_name(file)));
        let outputs = files.map(|file| file.digest).chain(result.stderr);
        for output in outputs {
            let counts = self.engine.store.texts_in(output, traces.texts.clone()).await?;
            if traces.are_in(&counts.ok_or(Stop::Hole)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What rustc says that it used.
    async fn dep_info(&self, unit: UnitIndex, name: &str, result: &ExecuteResult) -> Result<DepInfo, Stop> {
        let dep_info = result.files.iter().find(|file| file_name(file) == name);
        let Some(dep_info) = dep_info else {
            let message = format!("rustc wrote no dep-info for {}", self.plan.description(unit));
            return Err(Stop::Failed(WireError::new(ErrorKind::Internal, message)));
        };
        let text = self.engine.store.get_blob(dep_info.digest).await?.ok_or(Stop::Hole)?;
        Ok(DepInfo::parse(&String::from_utf8_lossy(&text)))
    }

    /// The questions about files that rustc has read.
    fn files_read(&self, unit: UnitIndex, compile: &Compile, files: &[String]) -> Vec<Input> {
        let directory = self.setting.roots.absolute(&compile.working_directory);
        let is_path = self.is_path(unit);
        let mut inputs = Vec::new();
        for file in files {
            let absolute = normalise(&directory, file);
            let place = self.setting.roots.locate(&absolute);
            if place.root.is_settled() {
                continue;
            }
            if is_path && let Some(other) = other_spelling(&place) {
                inputs.push(Input::Kind(other));
            }
            inputs.push(Input::File(place));
        }
        inputs
    }

    fn is_path(&self, unit: UnitIndex) -> bool {
        self.plan.packages[self.plan.units[unit].package].source.is_path()
    }

    fn show(&self, unit: UnitIndex, line: &[u8], counts: &mut Counts, lasting: bool) {
        if line.is_empty() {
            return;
        }
        if let Some(event) = counts.show(line, &self.audience(unit)) {
            match lasting {
                true => self.tell_lasting(event),
                false => self.tell(event),
            }
        }
    }

    /// Notes the diagnostics of a fresh run for the builds in which nothing changes.
    async fn keep_diagnostics(&self, unit: UnitIndex, result: &ExecuteResult) -> Result<(), Stop> {
        let Some(digest) = result.stderr.filter(|digest| digest.size_bytes > 0) else {
            return Ok(());
        };
        let text = self.engine.store.get_blob(digest).await?.ok_or(Stop::Hole)?;
        let audience = self.audience(unit);
        let mut counts = Counts::default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events: Vec<BuildEvent> = lines.filter_map(|line| counts.show(line, &audience)).collect();
        self.ledger().replay.extend(events);
        Ok(())
    }

    fn sum_up(&self, unit: UnitIndex, compile: &Compile, counts: Counts) {
        let summary = counts.warning_summary(&self.plan.description(unit));
        if let Some(summary) = summary.filter(|_| compile.shows_warnings && self.shows_diagnostics()) {
            self.tell_lasting(BuildEvent::Warning(summary));
        }
    }

    fn failure(&self, unit: UnitIndex, result: &ExecuteResult, counts: Counts) -> WireError {
        let message = match self.plan.documentation(unit) {
            Some(_) => format!(
                "could not document `{}`",
                self.plan.packages[self.plan.units[unit].package].name
            ),
            None => counts.failure_summary(&self.plan.description(unit)),
        };
        let mut error = WireError::new(ErrorKind::BuildFailed, message);
        if let Some(signal) = result.signal {
            error.causes.push(format!("rustc was ended by signal {signal}"));
        } else if counts.errors == 0 {
            error
                .causes
                .push(format!("rustc ended with exit code {}", result.exit_code.unwrap_or(-1)));
        }
        error
    }
}

/// Of a dependency's outputs, those that the dependant needs.
pub(super) fn needed(files: &[OutputFile], needs: Needs) -> Vec<OutputFile> {
    let is_metadata = |file: &&OutputFile| file.path.ends_with(".rmeta");
    let metadata: Vec<OutputFile> = files.iter().filter(is_metadata).cloned().collect();
    if needs == Needs::Metadata && !metadata.is_empty() {
        return metadata;
    }
    files
        .iter()
        .filter(|file| !file.path.ends_with(".d"))
        .cloned()
        .collect()
}

/// A dependency's output as an input of its dependant.
pub(super) fn in_deps(file: &OutputFile) -> InputFile {
    InputFile {
        path: format!("deps/{}", file_name(file)),
        digest: file.digest,
        is_executable: file.is_executable,
    }
}

/// Where the programs of a link are found.
fn programs(environment: &Environment) -> Vec<(String, String)> {
    let path = environment.get("PATH").map_or("", String::as_str);
    let find = |program: &&str| {
        std::env::split_paths(path)
            .map(|dir| dir.join(program))
            .find(|file| file.is_file())
            .map(|file| ((*program).to_owned(), file.to_string_lossy().into_owned()))
    };
    LINK_PROGRAMS.iter().filter_map(find).collect()
}

/// An environment for the wire.
pub(super) fn variables(environment: &Environment) -> Vec<EnvVar> {
    let variable = |(name, value): (&String, &String)| EnvVar {
        name: name.clone(),
        value: value.clone(),
    };
    environment.iter().map(variable).collect()
}

/// Templates with their places filled in.
pub(super) fn render(templates: &[Template], roots: &Roots) -> Vec<String> {
    templates.iter().map(|template| template.render(roots)).collect()
}

/// `path` as an absolute path without `.` and `..`, relative ones from `directory`.
pub(super) fn normalise(directory: &str, path: &str) -> String {
    let full = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{directory}/{path}")
    };
    let mut components: Vec<&str> = Vec::new();
    for component in full.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            name => components.push(name),
        }
    }
    format!("/{}", components.join("/"))
}

/// The other file in which rustc would look for the same module: were it there, the module would be ambiguous.
fn other_spelling(place: &RootedPath) -> Option<RootedPath> {
    if place.root == Root::Host {
        return None;
    }
    let stem = place.path.strip_suffix(".rs")?;
    let other = match stem.strip_suffix("/mod") {
        Some(dir) => format!("{dir}.rs"),
        None => format!("{stem}/mod.rs"),
    };
    Some(RootedPath::new(place.root, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute() {
        assert_eq!(normalise("/w", "src/main.rs"), "/w/src/main.rs");
        assert_eq!(normalise("/w/a", "../b/./c.rs"), "/w/b/c.rs");
        assert_eq!(normalise("/w", "/x/y.rs"), "/x/y.rs");
    }

    #[test]
    fn modules_have_two_spellings() {
        let other = |path: &str| other_spelling(&RootedPath::new(Root::Workspace, path)).map(|place| place.path);
        assert_eq!(other("src/a.rs").as_deref(), Some("src/a/mod.rs"));
        assert_eq!(other("src/a/mod.rs").as_deref(), Some("src/a.rs"));
        assert_eq!(other("src/data.txt"), None);
    }
}
