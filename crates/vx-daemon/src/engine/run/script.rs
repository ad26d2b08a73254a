//! A run of a build script: what reaches it, what decides it, what it leaves.

use std::sync::Arc;

use camino::Utf8Path;
use vx_cargo::{Needs, RunScript, ScriptError, ScriptOutput, UnitIndex, UnitKind, script_warnings};
use vx_model::{ActionResult, Digest, Input, InputSet, Key, OutputFile, Root, RootedPath, Roots};
use vx_proto::{
    BuildEvent, Content, ErrorKind, ExecuteEvent, ExecuteRequest, ExecuteResult, IngestRequest, Ingested, InputFile,
    MaterializeRequest, Outcome, Placement, WireError,
};

use super::Run;
use super::action::{Action, Done};
use super::compile::{in_deps, needed, render, variables};
use super::out_dir::{Embedded, Placed};
use crate::engine::environment::{Environment, add_library_path, reaches_every_script};
use crate::engine::keys::script_key;
use crate::engine::progress::{Progress, Stop};

/// Where the script lies in its exec root.
const SCRIPT: &str = "build-script";

/// What is kept with a script's result.
#[derive(serde::Serialize, serde::Deserialize)]
struct Annotation {
    /// What it said, paths that it wrote to named by where these came to lie.
    output: ScriptOutput,
    /// The name of what it wrote below `$VX_HOME/out`.
    out_dir: String,
}

/// What a script printed.
#[derive(Default)]
struct Printed {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Run {
    /// Makes a build-script run, from the store or by running it.
    pub(super) async fn script(self: &Arc<Self>, unit: UnitIndex) -> Result<(), Stop> {
        for dependency in &self.plan.units[unit].dependencies {
            self.board.wait(dependency.unit, Needs::Everything).await?;
        }
        let run = self.plan.run_script(unit, &|script| self.board.script(script));
        let executable = self.executable(run.script)?;
        let libraries = self.libraries(&run).await?;
        let added = self.reaching(&run, executable.digest).await?;
        let package = &self.plan.packages[self.plan.units[unit].package];
        let key = added.clone().into_iter().collect();
        let linked: Vec<(String, Digest)> = libraries.iter().map(|file| (file.path.clone(), file.digest)).collect();
        let weak = script_key(&self.setting.toolchain, package, &run, executable.digest, &linked, key);
        let action = Action {
            unit,
            weak,
            environment: self.setting.environment.clone(),
        };
        let _flight = self.engine.flights.enter(action.weak.key()).await;
        if let Some((strong, result)) = self.look_up(&action).await?
            && let Some(output) = self.ran_before(unit, strong, &result).await?
        {
            return self.done(unit, output, Outcome::Cached);
        }
        let mut inputs = libraries;
        inputs.push(InputFile {
            path: SCRIPT.to_owned(),
            digest: executable.digest,
            is_executable: true,
        });
        self.forget_last_script(unit).await?;
        self.run_process(&action, &run, inputs, added).await
    }

    /// The compiled script.
    fn executable(&self, unit: UnitIndex) -> Result<OutputFile, Stop> {
        let compiled = self.board.compiled(unit).ok_or(Stop::Skipped)?;
        let is_program = |file: &&OutputFile| file.is_executable;
        let file = compiled.files.iter().find(is_program).cloned();
        file.ok_or_else(|| {
            let message = format!("rustc made no program of {}", self.plan.description(unit));
            Stop::Failed(WireError::new(ErrorKind::Internal, message))
        })
    }

    /// The dynamic libraries of the build that the script is linked to.
    async fn libraries(&self, run: &RunScript) -> Result<Vec<InputFile>, Stop> {
        let mut inputs = Vec::new();
        for unit in &run.libraries {
            if let Progress::Compiled(compiled) = self.board.wait(*unit, Needs::Everything).await? {
                inputs.extend(needed(&compiled.files, Needs::Everything).iter().map(in_deps));
            }
        }
        Ok(inputs)
    }

    /// The part of the user's environment that reaches the script.
    async fn reaching(&self, run: &RunScript, executable: Digest) -> Result<Environment, Stop> {
        let set_by_cargo = |name: &String| run.environment.iter().any(|(set, _)| set == name);
        let hidden = |name: &String| run.hidden.contains(name);
        let candidates: Environment = self
            .setting
            .environment
            .iter()
            .filter(|(name, _)| !set_by_cargo(name) && !hidden(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let named = self
            .engine
            .names_in(executable, candidates.keys())
            .await?
            .ok_or(Stop::Hole)?;
        let reaches = |name: &String| reaches_every_script(name) || named.contains(name);
        Ok(candidates.into_iter().filter(|(name, _)| reaches(name)).collect())
    }

    /// What a stored run said, with all that it wrote in place; none where that cannot be.
    async fn ran_before(
        &self,
        unit: UnitIndex,
        strong: Key,
        result: &ActionResult,
    ) -> Result<Option<ScriptOutput>, Stop> {
        let Ok(annotation) = serde_json::from_slice::<Annotation>(&result.annotation) else {
            return Ok(None);
        };
        let Some(tree) = result.trees.first() else {
            return Ok(None);
        };
        self.engine.ensure_out_dir(&annotation.out_dir, tree.root).await?;
        let is_in_place = self.put_in_place(unit, strong, &result.files).await?;
        Ok(is_in_place.then_some(annotation.output))
    }

    /// Leaves the workspace as a run left it that wrote `files` there; false where it could not have written them here.
    async fn put_in_place(&self, unit: UnitIndex, strong: Key, files: &[OutputFile]) -> Result<bool, Stop> {
        // The usual case: a package from elsewhere, whose script leaves the workspace alone.
        if files.is_empty() && self.is_immutable(unit) {
            return Ok(true);
        }
        let was_last = !files.is_empty() && self.was_last_script(unit, strong).await?;
        if !was_last {
            self.forget_last_script(unit).await?;
        }
        let is_in_place = self.write_as_before(files, was_last).await?;
        if is_in_place && !was_last && !files.is_empty() {
            self.note_last_script(unit, strong).await?;
        }
        Ok(is_in_place)
    }

    /// Writes into the workspace what a script has written there; false where it could not have written that here.
    /// `keeps_changes`: only where nothing is there any more.
    async fn write_as_before(&self, files: &[OutputFile], keeps_changes: bool) -> Result<bool, Stop> {
        let mut missing = Vec::new();
        for file in files {
            let path = self
                .setting
                .roots
                .absolute(&RootedPath::new(Root::Workspace, &file.path));
            let is_file = match std::fs::symlink_metadata(&path) {
                Ok(_) if keeps_changes => continue,
                Ok(metadata) => metadata.is_file(),
                Err(_) => Utf8Path::new(&path).parent().is_some_and(Utf8Path::is_dir),
            };
            if !is_file {
                return Ok(false);
            }
            if !matches!(self.engine.files.digest(&path), Ok(Some(digest)) if digest == file.digest) {
                missing.push(MaterializeRequest {
                    path,
                    content: Content::File {
                        digest: file.digest,
                        is_executable: file.is_executable,
                    },
                    placement: Placement::Copy,
                });
            }
        }
        Ok(missing.is_empty() || self.engine.store.materialize(missing).await?.is_empty())
    }

    /// Files that a script has written into the workspace, taken into the store; none where they are not such as can be
    /// written again.
    async fn written(&self, places: &[RootedPath]) -> Result<Option<Vec<OutputFile>>, Stop> {
        let absolute = |place| self.setting.roots.absolute(place);
        let is_file = |path: &String| std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
        if !places.iter().map(absolute).all(|path| is_file(&path)) {
            return Ok(None);
        }
        let requests = places.iter().map(|place| IngestRequest {
            path: absolute(place),
            consume: false,
        });
        let ingested = self.engine.store.ingest(requests.collect()).await?;
        let files = places.iter().zip(ingested).map(|(place, ingested)| match ingested {
            Ingested::File { digest, is_executable } => Some(OutputFile {
                path: place.path.clone(),
                digest,
                is_executable,
            }),
            Ingested::Tree { .. } | Ingested::Absent => None,
        });
        Ok(files.collect())
    }

    async fn run_process(
        &self,
        action: &Action,
        run: &RunScript,
        inputs: Vec<InputFile>,
        added: Environment,
    ) -> Result<(), Stop> {
        let unit = action.unit;
        let placed = Placed::new(&self.engine.config.home);
        let exec_root = self.engine.exec_roots.fresh();
        let roots = self.roots_with(&exec_root).with(Root::Script, placed.path());
        tokio::task::block_in_place(|| placed.make(self.plan.script_directories(unit).iter()))?;
        let mut environment = added;
        environment.extend(
            run.environment
                .iter()
                .map(|(name, value)| (name.clone(), value.render(&roots))),
        );
        add_library_path(&mut environment, &render(&run.library_path, &roots));
        let request = ExecuteRequest {
            label: format!("build script of {}", self.plan.description(unit)),
            arguments: vec![exec_root.path().join(SCRIPT).into_string()],
            exec_root: exec_root.path().to_string(),
            environment: variables(&environment),
            working_directory: roots.absolute(&run.working_directory),
            inputs,
            directories: Vec::new(),
            output_directories: Vec::new(),
            output_trees: vec![placed.path()],
            rustc_json: false,
            observe: true,
            priority: self.priorities[unit],
        };
        let mut printed = Printed::default();
        let done = self
            .execute(unit, request, |event| match event {
                ExecuteEvent::Stdout(line) => append(&mut printed.stdout, &line),
                ExecuteEvent::Stderr(line) => append(&mut printed.stderr, &line),
                _ => {}
            })
            .await?;
        let said = self.said(unit, &done.result, &printed, &roots)?;
        self.ledger()
            .durations
            .insert(self.plan.units[unit].identity.clone(), done.result.duration_ms);
        self.settle(action, said, placed, &printed.stdout, done).await
    }

    /// What a script said that has succeeded.
    fn said(
        &self,
        unit: UnitIndex,
        result: &ExecuteResult,
        printed: &Printed,
        roots: &Roots,
    ) -> Result<ScriptOutput, Stop> {
        let failed = |error: &ScriptError| WireError::from_error(ErrorKind::BuildFailed, error);
        let failure = match result.exit_code {
            Some(0) => match self.plan.script_output(unit, &printed.stdout, roots) {
                Ok(said) => return Ok(said),
                Err(error @ ScriptError::Invalid { .. }) => return Err(Stop::Failed(failed(&error))),
                Err(error @ ScriptError::Reported { .. }) => failed(&error),
            },
            _ => self.script_failure(unit, result, printed),
        };
        // They may tell why it failed, so those of packages from elsewhere are told too.
        self.tell_script_warnings(unit, script_warnings(&printed.stdout));
        Err(Stop::Failed(failure))
    }

    /// Names the output directory for good and publishes.
    async fn settle(
        &self,
        action: &Action,
        said: ScriptOutput,
        placed: Placed,
        stdout: &[u8],
        done: Done,
    ) -> Result<(), Stop> {
        let Some(tree) = done.result.trees.first().cloned() else {
            let message = format!("the output directory of {} is gone", self.plan.description(action.unit));
            return Err(Stop::Failed(WireError::new(ErrorKind::Machine, message)));
        };
        let embedded = tokio::task::block_in_place(|| {
            let known = [
                self.engine.config.home.root().as_str(),
                self.setting.toolchain.sysroot.as_str(),
            ];
            Embedded::search(&placed, stdout, self.setting.roots.dir(Root::Workspace), &known)
        })?;
        let out_dir = self.engine.name_out_dir(placed, tree.root, embedded.own_path)?;
        let output = said.moved(Root::Script, &RootedPath::new(Root::Home, format!("out/{out_dir}")));
        let seen = self.observed(&done.result.observation);
        let files = match &seen {
            Some(seen) if seen.changed.is_empty() => self.written(&seen.written).await?,
            _ => None,
        };
        if let Some(path) = seen.as_ref().and_then(|seen| seen.changed.first()) {
            let label = self.plan.description(action.unit);
            tracing::info!(label, path, "changed by a build script: its result is not kept");
        }
        let may_keep = files.is_some();
        let mut inputs = seen.map(|seen| seen.inputs).unwrap_or_default();
        inputs.extend(self.declared(action.unit, &output, may_keep));
        if embedded.workspace && !self.is_immutable(action.unit) {
            inputs.push(Input::Location(RootedPath::new(Root::Workspace, "")));
        }
        let annotation = Annotation {
            output: output.clone(),
            out_dir,
        };
        let files = files.unwrap_or_default();
        let has_written = !files.is_empty();
        let result = ActionResult {
            files,
            trees: vec![tree],
            duration_ms: done.result.duration_ms,
            annotation: serde_json::to_vec(&annotation).unwrap_or_default(),
            ..ActionResult::default()
        };
        let strong = self
            .publish(action, InputSet::new(inputs), done.started_ns, result, may_keep)
            .await?;
        if let Some(strong) = strong.filter(|_| has_written) {
            self.note_last_script(action.unit, strong).await?;
        }
        self.done(action.unit, output, Outcome::Ran)
    }

    /// The questions that follow from what the script declared. Where it could not be observed and declared nothing,
    /// its whole package counts, as for Cargo.
    fn declared(&self, unit: UnitIndex, output: &ScriptOutput, observed: bool) -> Vec<Input> {
        let root = &self.plan.packages[self.plan.units[unit].package].root;
        if self.is_immutable(unit) {
            return output
                .rerun_if_env_changed()
                .map(|name| Input::Env(name.to_owned()))
                .collect();
        }
        let mut inputs: Vec<Input> = output
            .rerun_if_env_changed()
            .map(|name| Input::Env(name.to_owned()))
            .collect();
        let mut declared = false;
        for path in output.rerun_if_changed() {
            declared = true;
            let absolute = path.render(&self.setting.roots);
            let absolute = super::compile::normalise(&self.setting.roots.absolute(root), &absolute);
            inputs.push(Input::Tree(self.setting.roots.locate(&absolute)));
        }
        if !observed && !declared {
            inputs.push(Input::Tree(root.clone()));
        }
        inputs
    }

    fn is_immutable(&self, unit: UnitIndex) -> bool {
        let package = &self.plan.packages[self.plan.units[unit].package];
        !package.source.is_path()
    }

    fn done(&self, unit: UnitIndex, output: ScriptOutput, outcome: Outcome) -> Result<(), Stop> {
        debug_assert_eq!(self.plan.units[unit].kind, UnitKind::RunBuildScript);
        if !self.is_immutable(unit) {
            self.tell_script_warnings(unit, output.warnings());
        }
        if self.setting.message_format.is_json() {
            let message = super::super::messages::script_executed(&self.plan, unit, &output, &self.setting.roots);
            self.tell_lasting(BuildEvent::Json(message));
        }
        self.board.set(unit, Progress::Ran(Arc::new(output)));
        self.finished(unit, outcome);
        Ok(())
    }

    fn tell_script_warnings<'a>(&self, unit: UnitIndex, warnings: impl Iterator<Item = &'a str>) {
        let package = &self.plan.packages[self.plan.units[unit].package];
        for warning in warnings {
            let text = format!("warning: {}@{}: {warning}", package.name, package.version);
            self.tell_lasting(BuildEvent::Warning(text));
        }
    }

    fn script_failure(&self, unit: UnitIndex, result: &ExecuteResult, printed: &Printed) -> WireError {
        let package = &self.plan.packages[self.plan.units[unit].package];
        let message = format!(
            "failed to run custom build command for `{} v{}`",
            package.name, package.version
        );
        let mut cause = match (result.exit_code, result.signal) {
            (Some(code), _) => format!("the build script ended with exit code {code}"),
            (None, Some(signal)) => format!("the build script was ended by signal {signal}"),
            (None, None) => "the build script was ended".to_owned(),
        };
        for (name, text) in [("stdout", &printed.stdout), ("stderr", &printed.stderr)] {
            if !text.is_empty() {
                cause += &format!("\n--- {name}\n{}", String::from_utf8_lossy(text).trim_end());
            }
        }
        let mut error = WireError::new(ErrorKind::BuildFailed, message);
        error.causes.push(cause);
        error
    }
}

fn append(text: &mut Vec<u8>, line: &[u8]) {
    text.extend_from_slice(line);
    text.push(b'\n');
}
