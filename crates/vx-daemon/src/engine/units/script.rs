//! A run of a build script.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::SemaphorePermit;
use vx_cargo::{Needs, RunScript, ScriptError, ScriptOutput, UnitIndex, script_warnings};
use vx_model::{
    Access, Action, ActionResult, Command, DeclaredInput, Input, InputSet, Key, Observation, OutputFile, OutputKind,
    OutputPath, Root, RootedPath, Roots, Template,
};
use vx_proto::{BuildEvent, ErrorKind, ExecuteEvent, ExecuteRequest, ExecuteResult, Outcome, WireError};

use super::containment::{self, Contained};
use super::dependencies::{Inputs, among_dependencies, immutable, needed, platform, private_directory};
use super::leaks;
use super::out_dirs::RunningOutDir;
use super::workspace_files::WorkspaceFiles;
use crate::engine::actions::{Concluded, Conclusion, ExecRootPath, Made, Ran, Step, Stop, Surroundings};
use crate::engine::build::{Context, Progress, shows_beside};
use crate::engine::inputs::{LIBRARY_PATH, PathLeaks, Seen, found, library_path};
use crate::engine::report::messages;

/// The path of the script in its exec root.
const SCRIPT: &str = "build-script";

/// What is stored with a script's result.
#[derive(serde::Serialize, serde::Deserialize)]
struct Annotation {
    /// Its output, with the final names of the paths that it wrote to.
    output: ScriptOutput,
    /// The name of its output directory below `$VX_HOME/out`; empty if the result lacks it.
    out_dir: String,
}

/// Performs a run of a build script, from the store or by running it.
pub(crate) async fn run_script(context: &Context, unit: UnitIndex) -> Result<(), Stop> {
    for dependency in &context.plan.units[unit].dependencies {
        context.board.wait(dependency.unit, Needs::Everything).await?;
    }
    let run = context.plan.unit(unit).script_run();
    let run = run.command(&|script| context.board.script(script));
    let executable = executable(context, unit, &run)?;
    let libraries = libraries(context, &run).await?;
    let mut surroundings = context.surroundings();
    if run
        .hidden
        .iter()
        .any(|name| surroundings.environment.contains_key(name))
    {
        Arc::make_mut(&mut surroundings.environment).retain(|name, _| !run.hidden.contains(name));
    }
    let may_leak = may_leak(context, unit, &surroundings);
    let action = action(context, unit, &run, &executable, libraries, &surroundings);
    let containment = Some(containment::of_script(context, unit));
    let contained = Contained::new(context, unit, action, containment).await?;
    let label = format!("build script of {}", context.plan.unit(unit).description());
    let step = |action, bound| ScriptStep {
        context,
        unit,
        action,
        bound,
        may_leak: &may_leak,
        workspace_files: WorkspaceFiles::new(context, unit),
        may_lack_out_dir: false,
        printed: Printed::default(),
        output: None,
        held: None,
    };
    let (made, step) = contained.perform(&surroundings, label, step).await?;
    step.finish(&made).await
}

/// The compiled script.
fn executable(context: &Context, unit: UnitIndex, run: &RunScript) -> Result<OutputFile, Stop> {
    let compiled = context.board.compiled(run.script).ok_or(Stop::Skipped)?;
    let file = compiled.files.iter().find(|file| file.is_executable).cloned();
    file.ok_or_else(|| {
        let description = context.plan.unit(unit).description();
        let message = format!("rustc did not produce an executable for the build script of {description}");
        Stop::Failed(WireError::new(ErrorKind::Internal, message))
    })
}

/// The dynamic libraries of the build that the script is linked to.
async fn libraries(context: &Context, run: &RunScript) -> Result<Inputs, Stop> {
    let mut inputs = Inputs::new();
    for unit in &run.libraries {
        if let Progress::Compiled(compiled) = context.board.wait(*unit, Needs::Everything).await? {
            inputs.extend(
                needed(&compiled.files, Needs::Everything)
                    .iter()
                    .map(among_dependencies),
            );
        }
    }
    Ok(inputs)
}

/// Roots whose directories the script can know: its own, those in its variables, and the workspace for path packages.
fn may_leak(context: &Context, unit: UnitIndex, surroundings: &Surroundings) -> BTreeSet<Root> {
    let of_variables = surroundings.environment.values().flat_map(Template::roots);
    let workspace = context.package(unit).source.is_path().then_some(Root::Workspace);
    let own = [Root::VxHome, Root::UserHome, Root::Toolchain]
        .into_iter()
        .chain(workspace);
    own.chain(of_variables).collect()
}

/// The action. A script does not report which variables it reads, so all that it finds are recorded.
fn action(
    context: &Context,
    unit: UnitIndex,
    run: &RunScript,
    executable: &OutputFile,
    libraries: Inputs,
    surroundings: &Surroundings,
) -> Action {
    let script = RootedPath::new(Root::Exec, SCRIPT);
    let mut inputs = immutable(context, unit);
    inputs.extend(libraries);
    inputs.insert(
        script.clone(),
        DeclaredInput::File {
            digest: executable.digest,
            is_executable: true,
        },
    );
    let directories = context.plan.unit(unit).script_run().directories().into_iter();
    inputs.extend(directories.map(|directory| (directory, DeclaredInput::Directory)));
    let mut environment: BTreeMap<_, _> = run.environment.iter().cloned().collect();
    let user = environment
        .get(LIBRARY_PATH)
        .or_else(|| surroundings.environment.get(LIBRARY_PATH));
    let directories = library_path(&run.library_path, user);
    environment.extend(directories.map(|directories| (LIBRARY_PATH.to_owned(), directories)));
    Action {
        kind: "build script".to_owned(),
        command: Command {
            arguments: vec![script.into()],
            environment,
            working_directory: run.working_directory.clone(),
            outputs: BTreeSet::from([OutputPath {
                path: RootedPath::new(Root::Script, ""),
                kind: OutputKind::Tree,
            }]),
        },
        inputs,
        platform: platform(),
        host_facts: BTreeMap::new(),
        access: Access {
            environment: true,
            writable: vec![RootedPath::new(Root::Workspace, "")],
            private: vec![private_directory()],
            containment: None,
        },
        observation: Observation {
            file_accesses: true,
            artifact_notices: false,
        },
        salt: String::new(),
    }
}

/// What a script printed.
#[derive(Default)]
struct Printed {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Held while a script runs.
struct Held<'a> {
    out_dir: RunningOutDir,
    roots: Roots,
    _exec_root: ExecRootPath,
    _job: Option<SemaphorePermit<'a>>,
}

/// A run of a build script, or its stored result.
struct ScriptStep<'a> {
    context: &'a Context,
    unit: UnitIndex,
    action: Arc<Action>,
    /// What binds a result with grants to its place.
    bound: Vec<Input>,
    /// Roots whose directories the script can know.
    may_leak: &'a BTreeSet<Root>,
    workspace_files: WorkspaceFiles<'a>,
    /// Whether a stored result counts that lacks the output directory.
    may_lack_out_dir: bool,
    printed: Printed,
    /// Its output, once it is known.
    output: Option<ScriptOutput>,
    held: Option<Held<'a>>,
}

impl Step for ScriptStep<'_> {
    async fn restore(&mut self, strong: Key, result: &ActionResult) -> Result<bool, Stop> {
        let Ok(annotation) = serde_json::from_slice::<Annotation>(&result.annotation) else {
            return Ok(false);
        };
        let Some(tree) = result.trees.first() else {
            if self.may_lack_out_dir {
                let workspace = self.context.setting.roots.dir(Root::Workspace);
                let absent = self.context.engine.out_dirs.absent(strong, workspace);
                self.output = Some(annotation.output.moved(Root::Script, &absent));
                self.context.ledger().absent_out_dirs.insert(self.unit);
            }
            return Ok(self.may_lack_out_dir);
        };
        self.context
            .engine
            .out_dirs
            .ensure(&annotation.out_dir, tree.root)
            .await?;
        let is_in_place = self.workspace_files.put_in_place(strong, &result.files).await?;
        self.output = is_in_place.then_some(annotation.output);
        Ok(is_in_place)
    }

    async fn start(&mut self) -> Result<Roots, Stop> {
        self.workspace_files.forget_last().await?;
        let job = self.context.admit().await?;
        let exec_root = self.context.engine.exec_roots.fresh();
        let out_dir = self.context.engine.out_dirs.fresh();
        let roots = self.context.setting.roots.clone();
        let roots = roots
            .with(Root::Exec, exec_root.path().as_str())
            .with(Root::Script, out_dir.path.as_str());
        self.held = Some(Held {
            out_dir,
            roots: roots.clone(),
            _exec_root: exec_root,
            _job: job,
        });
        Ok(roots)
    }

    fn started(&mut self, request: &ExecuteRequest) {
        self.context.tell_start(self.unit, request);
    }

    fn on_event(&mut self, event: ExecuteEvent) {
        match event {
            ExecuteEvent::Stdout(line) => append(&mut self.printed.stdout, &line),
            ExecuteEvent::Stderr(line) => append(&mut self.printed.stderr, &line),
            _ => {}
        }
    }

    fn may_have_missed_real_paths(&self) -> bool {
        true
    }

    fn may_lack_out_dir(&mut self) -> bool {
        let workspace = self.context.setting.roots.dir(Root::Workspace);
        let identity = &self.context.plan.units[self.unit].identity;
        self.may_lack_out_dir =
            self.context.setting.hides_out_dirs && !self.context.engine.out_dirs.is_needed(workspace, identity);
        self.may_lack_out_dir
    }

    async fn conclude(&mut self, ran: Ran) -> Result<Concluded, Stop> {
        let Some(Held { out_dir, roots, .. }) = self.held.take() else {
            let message = "a build script ended without a start";
            return Err(Stop::Failed(WireError::new(ErrorKind::Internal, message)));
        };
        let view = self.action.view();
        let roots = match view {
            Some(view) => roots.in_view(view),
            None => roots,
        };
        let run = self.context.plan.unit(self.unit).script_run();
        let said = run.output(&self.printed.stdout, &roots);
        // A mistake is told with the real paths.
        let workspace = roots.dir(Root::Workspace);
        if view.is_some() && (said.is_err() || shows_beside(&self.printed.stdout, workspace)) {
            return Ok(Concluded::ShowsView(None));
        }
        let said = self.said(&ran, said)?;
        self.context.note_duration(self.unit, ran.result.duration_ms);
        self.depended_on(ran.result, said, &out_dir).await
    }
}

impl ScriptStep<'_> {
    async fn finish(self, made: &Made) -> Result<(), Stop> {
        if made.outcome == Outcome::Ran && made.is_kept && !made.result.files.is_empty() {
            self.workspace_files.note_last(made.strong).await?;
        }
        if let Some(output) = self.output {
            done(self.context, self.unit, output, made.outcome);
        }
        Ok(())
    }

    /// What a script has `said`, if it has succeeded.
    fn said(&self, ran: &Ran, said: Result<ScriptOutput, ScriptError>) -> Result<ScriptOutput, Stop> {
        let failed = |error: &ScriptError| WireError::from_error(ErrorKind::BuildFailed, error);
        let failure = match ran.result.exit_code {
            Some(0) => match said {
                Ok(said) => return Ok(said),
                Err(error @ ScriptError::Invalid { .. }) => return Err(Stop::Failed(failed(&error))),
                Err(error @ ScriptError::Reported { .. }) => failed(&error),
            },
            _ => containment::explain(self.failure(&ran.result), &ran.refused),
        };
        // They may explain the failure, so those of packages from elsewhere are shown too.
        tell_warnings(self.context, self.unit, script_warnings(&self.printed.stdout));
        Err(Stop::Failed(failure))
    }

    fn failure(&self, result: &ExecuteResult) -> WireError {
        let package = self.context.package(self.unit);
        let message = format!(
            "failed to run custom build command for `{} v{}`",
            package.name, package.version
        );
        let mut cause = match (result.exit_code, result.signal) {
            (Some(code), _) => format!("the build script exited with code {code}"),
            (None, Some(signal)) => format!("the build script was terminated by signal {signal}"),
            (None, None) => "the build script was terminated".to_owned(),
        };
        for (name, text) in [("stdout", &self.printed.stdout), ("stderr", &self.printed.stderr)] {
            if !text.is_empty() {
                cause += &format!("\n--- {name}\n{}", String::from_utf8_lossy(text).trim_end());
            }
        }
        WireError::new(ErrorKind::BuildFailed, message).with_cause(cause)
    }

    /// Gives the output directory its final name; returns what the script declared and was seen to use.
    async fn depended_on(
        &mut self,
        ran: ExecuteResult,
        said: ScriptOutput,
        running: &RunningOutDir,
    ) -> Result<Concluded, Stop> {
        let Some(tree) = ran.trees.first().cloned() else {
            let message = format!(
                "the output directory of {} is missing",
                self.context.plan.unit(self.unit).description()
            );
            return Err(Stop::Failed(WireError::new(ErrorKind::Machine, message)));
        };
        let view = self.action.view();
        let seen = self.context.observed(&self.action, &ran.observation);
        let files = self.written(seen.as_ref()).await?;
        let may_keep = files.is_some();
        let mut result = ActionResult {
            files: files.unwrap_or_default(),
            trees: vec![tree.clone()],
            duration_ms: ran.duration_ms,
            ..ActionResult::default()
        };
        let mut leaked = leaks::leaked(self.context, self.may_leak.clone(), view, &result).await?;
        if leaked.is_none() && self.is_all_that_counts(&said, &result, running) {
            result.trees.clear();
            leaked = leaks::leaked(self.context, self.may_leak.clone(), view, &result).await?;
        }
        let Some(mut leaked) = leaked else {
            return Ok(Concluded::ShowsView(None));
        };
        let (output, out_dir) = match result.trees.is_empty() {
            true => (said, String::new()),
            false => {
                let out_dir = self.context.engine.out_dirs.name(running, tree.root).await?;
                let to = RootedPath::new(Root::VxHome, format!("out/{out_dir}"));
                (said.moved(Root::Script, &to), out_dir)
            }
        };
        let annotation = Annotation {
            output: output.clone(),
            out_dir,
        };
        result.annotation = serde_json::to_vec(&annotation).unwrap_or_default();
        let Seen { mut inputs, noted, .. } = seen.unwrap_or_default();
        inputs.extend(self.bound.iter().cloned());
        inputs.push(Input::Environment);
        inputs.extend(self.declared(&output, may_keep));
        if view.is_none() {
            leaked.extend(self.leaked_by_directives());
        }
        inputs.extend(leaks::bind(leaked));
        let lacks_out_dir = result.trees.is_empty();
        let conclusion = Box::new(Conclusion {
            inputs: InputSet::new(inputs),
            noted,
            result,
            may_keep,
        });
        if lacks_out_dir {
            return Ok(Concluded::ShowsView(may_keep.then_some(conclusion)));
        }
        self.output = Some(output);
        Ok(Concluded::Done(conclusion))
    }

    /// Whether what the script `said` is its whole result, if nobody reads its output directory: it has written nothing
    /// elsewhere, and names no path below.
    fn is_all_that_counts(&self, said: &ScriptOutput, result: &ActionResult, running: &RunningOutDir) -> bool {
        let out_dir = running.path.join(&said.out_dir.path);
        let is_in_out_dir = |entry: walkdir::Result<walkdir::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_type().is_dir() || entry.path().starts_with(&out_dir))
        };
        result.files.is_empty()
            && !said.names_path_below(Root::Script)
            && tokio::task::block_in_place(|| walkdir::WalkDir::new(&running.path).into_iter().all(is_in_out_dir))
    }

    /// Files that it has written into the workspace; `None` if it cannot be replayed from the store.
    async fn written(&self, seen: Option<&Seen>) -> Result<Option<Vec<OutputFile>>, Stop> {
        match seen {
            Some(seen) if seen.hindrance().is_none() => self.workspace_files.take_in(&seen.written).await,
            Some(seen) => {
                let label = self.context.plan.unit(self.unit).description();
                let path = seen.hindrance();
                tracing::info!(
                    label,
                    ?path,
                    "changed by a build script, or read by it although it cannot be keyed: its result is not stored"
                );
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Whether the output of the script leaks the path of the workspace. Paths below all other roots are stored by
    /// role, and so are watched paths below the workspace.
    fn leaked_by_directives(&self) -> BTreeSet<Root> {
        let workspace = self.context.setting.roots.dir(Root::Workspace).as_bytes();
        let is_watched = |line: &&[u8]| {
            let path = [&b"cargo:rerun-if-changed="[..], b"cargo::rerun-if-changed="]
                .iter()
                .find_map(|directive| line.strip_prefix(*directive)?.strip_prefix(workspace));
            path.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let requested = self
            .may_leak
            .intersection(&BTreeSet::from([Root::Workspace]))
            .copied()
            .collect();
        let leaks = PathLeaks::of(&requested, &self.context.setting.roots);
        let lines = self.printed.stdout.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !is_watched(line))
            .flat_map(|line| leaks.in_text(line))
            .collect()
    }

    /// The inputs that the script declared. If it was not observed and did not declare any, its whole package counts,
    /// as in Cargo.
    fn declared(&self, output: &ScriptOutput, observed: bool) -> Vec<Input> {
        let package = self.context.package(self.unit);
        let mut inputs: Vec<Input> = output
            .rerun_if_env_changed()
            .map(|name| Input::Env(name.to_owned()))
            .collect();
        if !package.source.is_path() {
            return inputs;
        }
        let roots = &self.context.setting.roots;
        let mut declared = false;
        for path in output.rerun_if_changed() {
            declared = true;
            let found = found(
                &roots.absolute(&package.root),
                &path.render(roots),
                &self.context.locator,
            );
            inputs.extend(found.names.into_iter().map(Input::Tree));
            inputs.extend(found.passed.into_iter().map(Input::Kind));
        }
        if !observed && !declared {
            inputs.push(Input::Tree(package.root.clone()));
        }
        inputs
    }
}

/// Publishes the output of a script to the build.
fn done(context: &Context, unit: UnitIndex, output: ScriptOutput, outcome: Outcome) {
    if context.package(unit).source.is_path() {
        tell_warnings(context, unit, output.warnings());
    }
    if context.setting.message_format.is_json() {
        let message = messages::script_executed(context.plan.unit(unit), &output, &context.setting.roots);
        context.tell_lasting(BuildEvent::Json(message));
    }
    context.board.set(unit, Progress::Ran(Arc::new(output)));
    context.finished(unit, outcome);
}

fn tell_warnings<'a>(context: &Context, unit: UnitIndex, warnings: impl Iterator<Item = &'a str>) {
    let package = context.package(unit);
    for warning in warnings {
        let warning = context.view.outside(warning);
        let text = format!("warning: {}@{}: {warning}", package.name, package.version);
        context.tell_lasting(BuildEvent::Warning(text));
    }
}

fn append(text: &mut Vec<u8>, line: &[u8]) {
    text.extend_from_slice(line);
    text.push(b'\n');
}
