//! Documentation, made by rustdoc. It lies in one directory of each workspace, of which no part can be kept elsewhere: a
//! stored result stands for it only where it was the last to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8Path;
use tokio::sync::SemaphorePermit;
use vx_cargo::{Compile, UnitIndex};
use vx_model::{Access, Action, ActionResult, Command, Input, InputSet, Key, Observation, Root, Roots};
use vx_proto::{ExecuteEvent, ExecuteRequest};

use super::dependencies::{Crates, immutable, platform, private_directory};
use super::diagnostics::Diagnostics;
use crate::engine::actions::{Conclusion, ExecRootPath, Ran, Step, Stop, Surroundings};
use crate::engine::build::{Compiled, Context, Progress};
use crate::engine::inputs::{LIBRARY_PATH, library_path};
use crate::engine::records::Documented;

/// Documents a crate, unless its documentation lies where it belongs.
pub(crate) async fn document(context: &Context, unit: UnitIndex) -> Result<(), Stop> {
    Crates::wait(context, unit).await?;
    let compile = context.plan.compile(unit, &|script| context.board.script(script));
    let crates = Crates::gather(context, &compile).await?;
    let surroundings = context.surroundings();
    let action = action(context, unit, &compile, crates, &surroundings);
    let page = context.plan.documentation(unit);
    let page = page
        .map(|page| context.setting.roots.absolute(&page))
        .unwrap_or_default();
    let mut step = DocumentStep {
        context,
        unit,
        action: &action,
        page: &page,
        diagnostics: Diagnostics::new(context, unit, compile.shows_warnings),
        held: None,
    };
    let label = format!("rustdoc {}", context.plan.description(unit));
    let made = context.perform(unit, &action, &surroundings, label, &mut step).await?;
    if made.is_kept {
        context
            .engine
            .records
            .put(&page, &Documented(made.strong.hex()))
            .await?;
    }
    context.finished(unit, made.outcome);
    Ok(())
}

/// The action. rustdoc does not report what `env!` asked for, so all variables count.
fn action(
    context: &Context,
    unit: UnitIndex,
    compile: &Compile,
    crates: Crates,
    surroundings: &Surroundings,
) -> Action {
    let mut inputs = immutable(context, unit);
    inputs.extend(crates.inputs);
    let mut environment = surroundings.environment.clone();
    environment.extend(compile.reported_environment.iter().cloned());
    environment.extend(compile.environment.iter().cloned());
    let directories = library_path(&compile.library_path, environment.get(LIBRARY_PATH));
    environment.extend(directories.map(|directories| (LIBRARY_PATH.to_owned(), directories)));
    Action {
        kind: "rustdoc".to_owned(),
        command: Command {
            arguments: compile.arguments.clone(),
            environment,
            working_directory: compile.working_directory.clone(),
            outputs: BTreeSet::new(),
        },
        inputs,
        platform: platform(),
        host_facts: BTreeMap::new(),
        access: Access {
            environment: false,
            writable: Vec::new(),
            private: vec![private_directory()],
        },
        observation: Observation {
            file_accesses: true,
            artifact_notices: true,
        },
        salt: String::new(),
    }
}

/// A run of rustdoc, or what it left.
struct DocumentStep<'a> {
    context: &'a Context,
    unit: UnitIndex,
    action: &'a Action,
    /// The first page, absolute.
    page: &'a str,
    diagnostics: Diagnostics<'a>,
    /// For as long as the process runs.
    held: Option<(Option<SemaphorePermit<'a>>, ExecRootPath)>,
}

impl DocumentStep<'_> {
    fn is_done(&self) {
        let nothing = Compiled { files: Vec::new() };
        self.context.board.set(self.unit, Progress::Compiled(Arc::new(nothing)));
    }
}

impl Step for DocumentStep<'_> {
    async fn restore(&mut self, strong: Key, result: &ActionResult) -> Result<bool, Stop> {
        let record: Option<Documented> = self.context.engine.records.get(self.page).await?;
        if record != Some(Documented(strong.hex())) || !Utf8Path::new(self.page).is_file() {
            return Ok(false);
        }
        self.is_done();
        self.diagnostics.replay(result.stderr).await?;
        Ok(true)
    }

    async fn start(&mut self) -> Result<Roots, Stop> {
        let job = self.context.admit().await?;
        let exec_root = self.context.engine.exec_roots.fresh();
        let roots = self.context.setting.roots.clone();
        let roots = roots.with(Root::Exec, exec_root.path().as_str());
        self.held = Some((job, exec_root));
        Ok(roots)
    }

    fn started(&mut self, request: &ExecuteRequest) {
        self.context.tell_start(self.unit, request);
    }

    fn on_event(&mut self, event: ExecuteEvent) {
        if let ExecuteEvent::Stderr(line) | ExecuteEvent::Stdout(line) = event {
            self.diagnostics.show(&line);
        }
    }

    async fn conclude(&mut self, ran: Ran) -> Result<Conclusion, Stop> {
        self.held = None;
        let ran = ran.result;
        if ran.exit_code != Some(0) {
            self.diagnostics.sum_up();
            let message = format!("could not document `{}`", self.context.package(self.unit).name);
            return Err(Stop::Failed(self.diagnostics.failure(Some(message), &ran)));
        }
        self.is_done();
        self.diagnostics.keep(ran.stderr).await?;
        self.context.note_duration(self.unit, ran.duration_ms);
        let seen = self.context.observed(self.action, &ran.observation);
        let may_keep = seen
            .as_ref()
            .is_some_and(|seen| seen.changed.is_empty() && seen.written.is_empty());
        let mut inputs = seen.map(|seen| seen.inputs).unwrap_or_default();
        if !may_keep {
            inputs.push(Input::Tree(self.context.package(self.unit).root.clone()));
        }
        Ok(Conclusion {
            inputs: InputSet::new(inputs),
            result: ActionResult {
                stderr: ran.stderr,
                duration_ms: ran.duration_ms,
                ..ActionResult::default()
            },
            may_keep,
        })
    }
}
