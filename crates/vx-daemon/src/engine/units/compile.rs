//! A crate, compiled by rustc or checked by Clippy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::SemaphorePermit;
use vx_cargo::{Compile, DepInfo, UnitIndex};
use vx_model::{
    Access, Action, ActionResult, Command, Input, InputSet, Key, Observation, OutputKind, OutputPath, Root, RootedPath,
    Roots, Template,
};
use vx_proto::{ErrorKind, ExecuteEvent, ExecuteRequest, ExecuteResult, WireError};

use super::containment::{self, Contained};
use super::dependencies::{Inputs, ReadyCrate, platform, private_directory};
use super::diagnostics::Diagnostics;
use super::leaks;
use crate::engine::actions::{Concluded, Conclusion, ExecRootPath, Ran, Step, Stop, Surroundings};
use crate::engine::build::{Compiled, Context, Progress};
use crate::engine::inputs::{
    LIBRARY_PATH, Reported, Seen, is_read_by_linkers, is_read_by_rustc, library_path, processor_identity,
};

/// The output directory of rustc in the exec root.
const OUT: &str = "out";

/// Performs a compile unit, from the store or by running rustc.
pub(crate) async fn compile(context: &Context, unit: UnitIndex) -> Result<(), Stop> {
    let ReadyCrate {
        compile,
        inputs,
        macros,
    } = ReadyCrate::wait(context, unit).await?;
    let mut surroundings = context.surroundings();
    if !compile.reported_environment.is_empty() {
        Arc::make_mut(&mut surroundings.environment).extend(compile.reported_environment.iter().cloned());
    }
    let macros_read_environment = context.engine.environment_readers.are_among(&macros).await?;
    let action = action(context, &compile, inputs, &surroundings);
    let containment = compile.uses_proc_macros.then(|| containment::of_macros(context, unit));
    let contained = Contained::new(context, unit, action, containment).await?;
    let label = format!("rustc {}", context.plan.unit(unit).description());
    let step = |action, bound| CompileStep {
        context,
        unit,
        compile: &compile,
        action,
        bound,
        surroundings: &surroundings,
        macros_read_environment,
        diagnostics: Diagnostics::new(context, unit, compile.shows_warnings),
        has_published: false,
        held: None,
    };
    let (made, _) = contained.perform(&surroundings, label, step).await?;
    context.finished(unit, made.outcome);
    Ok(())
}

/// The action.
fn action(context: &Context, compile: &Compile, inputs: Inputs, surroundings: &Surroundings) -> Action {
    let mut host_facts = BTreeMap::new();
    if compile.links {
        host_facts.clone_from(context.link_programs());
    }
    if compile.is_for_this_processor {
        host_facts.insert("processor".to_owned(), processor_identity().into());
    }
    let out = RootedPath::new(Root::Exec, OUT);
    let dep_info = compile.dep_info.iter().map(|name| OutputPath {
        path: out.join(name),
        kind: OutputKind::Inline,
    });
    let files = OutputPath {
        path: out.clone(),
        kind: OutputKind::Files,
    };
    Action {
        kind: "rustc".to_owned(),
        command: Command {
            arguments: compile.arguments.clone(),
            environment: environment(compile, surroundings),
            working_directory: compile.working_directory.clone(),
            outputs: dep_info.chain([files]).collect(),
        },
        inputs,
        platform: platform(),
        host_facts,
        access: Access {
            // rustc reports what `env!` read. What it and linkers of the system read is keyed. If anything else can read
            // variables, all of them are recorded.
            environment: true,
            writable: Vec::new(),
            private: vec![private_directory()],
            containment: None,
        },
        observation: Observation {
            file_accesses: compile.links
                || compile.uses_proc_macros
                || compile.reads_unreported
                || compile.clippy.is_some(),
            artifact_notices: true,
        },
        salt: String::new(),
    }
}

/// The variables that are keyed, whether rustc reports them or not.
fn environment(compile: &Compile, surroundings: &Surroundings) -> BTreeMap<String, Template> {
    let mut environment = BTreeMap::new();
    let is_read = |name: &str| {
        is_read_by_rustc(name)
            || (compile.links && is_read_by_linkers(name))
            || (compile.clippy.is_some() && Compile::READ_BY_CLIPPY.contains(&name))
    };
    for (name, value) in surroundings.environment.iter().filter(|(name, _)| is_read(name)) {
        // A linker may write them into its output, so they are keyed unchanged.
        environment.insert(name.clone(), value.render(&surroundings.roots).into());
    }
    environment.extend(compile.environment.iter().cloned());
    let user = environment
        .get(LIBRARY_PATH)
        .or_else(|| surroundings.environment.get(LIBRARY_PATH));
    let directories = library_path(&compile.library_path, user);
    environment.extend(directories.map(|directories| (LIBRARY_PATH.to_owned(), directories)));
    environment
}

/// A run of rustc, or its stored result.
struct CompileStep<'a> {
    context: &'a Context,
    unit: UnitIndex,
    compile: &'a Compile,
    action: Arc<Action>,
    /// What binds a result with grants to its place.
    bound: Vec<Input>,
    surroundings: &'a Surroundings,
    /// Whether a macro can read variables without reporting it.
    macros_read_environment: bool,
    diagnostics: Diagnostics<'a>,
    /// Whether dependents have got its metadata.
    has_published: bool,
    /// Held as long as the process runs.
    held: Option<(Option<SemaphorePermit<'a>>, ExecRootPath)>,
}

impl Step for CompileStep<'_> {
    async fn restore(&mut self, _strong: Key, result: &ActionResult) -> Result<bool, Stop> {
        let files = result.files.clone();
        self.context
            .board
            .set(self.unit, Progress::Compiled(Arc::new(Compiled { files })));
        self.diagnostics.replay(result.stderr).await?;
        Ok(true)
    }

    async fn start(&mut self) -> Result<Roots, Stop> {
        self.context.need_out_dir(self.unit)?;
        let job = self.context.admit().await?;
        let roots = &self.context.setting.roots;
        let exec_roots = &self.context.engine.exec_roots;
        let planned = &self.context.plan.units[self.unit];
        let exec_root = match planned.settings.profile.incremental {
            true => exec_roots.usual(roots.dir(Root::Workspace), &planned.identity),
            false => exec_roots.fresh(),
        };
        let roots = roots.clone().with(Root::Exec, exec_root.path().as_str());
        self.held = Some((job, exec_root));
        Ok(roots)
    }

    fn started(&mut self, request: &ExecuteRequest) {
        self.context.tell_start(self.unit, request);
    }

    fn on_event(&mut self, event: ExecuteEvent) {
        match event {
            ExecuteEvent::Stderr(line) | ExecuteEvent::Stdout(line) => match self.action.access.containment {
                Some(_) => self.diagnostics.hold(line),
                None => self.diagnostics.show(&line),
            },
            ExecuteEvent::Output(file) if self.compile.metadata.as_deref() == Some(file.path.file_name()) => {
                self.has_published = true;
                self.context.board.set(self.unit, Progress::Metadata(file));
            }
            _ => {}
        }
    }

    fn may_have_missed_real_paths(&self) -> bool {
        self.diagnostics.may_blame_view()
    }

    async fn conclude(&mut self, ran: Ran) -> Result<Concluded, Stop> {
        self.held = None;
        let Ran {
            result: ran, refused, ..
        } = ran;
        if ran.exit_code != Some(0) {
            self.diagnostics.show_held();
            self.diagnostics.sum_up();
            let failure = self.diagnostics.failure(None, &ran);
            return Err(Stop::Failed(containment::explain(failure, &refused)));
        }
        let concluded = match self.action.view().is_some() {
            true => Some(self.depended_on(&ran).await?),
            // It counts in any case, so dependents need not wait for the rest.
            false => None,
        };
        if let Some(shows @ Concluded::ShowsView(_)) = concluded {
            return Ok(shows);
        }
        let files = ran.files.clone();
        self.context
            .board
            .set(self.unit, Progress::Compiled(Arc::new(Compiled { files })));
        self.diagnostics.show_held();
        self.diagnostics.keep(ran.stderr).await?;
        self.context.note_duration(self.unit, ran.duration_ms);
        match concluded {
            Some(concluded) => Ok(concluded),
            None => self.depended_on(&ran).await,
        }
    }

    fn is_used(&self) -> bool {
        self.has_published
    }
}

impl CompileStep<'_> {
    /// What rustc reported, and what it, macros and linkers were seen to use.
    async fn depended_on(&self, ran: &ExecuteResult) -> Result<Concluded, Stop> {
        let seen = self.context.observed(&self.action, &ran.observation);
        let may_keep = seen
            .as_ref()
            .is_some_and(|seen| seen.hindrance().is_none() && seen.written.is_empty());
        let may_read_environment =
            self.macros_read_environment || seen.as_ref().is_some_and(Seen::may_read_environment);
        let Seen {
            mut inputs, mut noted, ..
        } = seen.unwrap_or_default();
        inputs.extend(self.bound.iter().cloned());
        let reported = self.reported(ran)?;
        let workspace = Input::Location(RootedPath::new(Root::Workspace, ""));
        if self.action.view().is_some() && reported.inputs.contains(&workspace) {
            // `env!` gave a path to the crate.
            return Ok(Concluded::ShowsView(None));
        }
        let mut may_leak = reported.may_leak;
        inputs.extend(reported.inputs);
        noted.extend(reported.noted);
        if may_read_environment {
            inputs.push(Input::Environment);
            let declared = self.action.command.environment.values();
            let all = self.surroundings.environment.values().chain(declared);
            may_leak.extend(all.flat_map(Template::roots));
        }
        inputs.extend(self.compile.clippy.clone().map(Input::File));
        if !may_keep {
            let label = self.context.plan.unit(self.unit).description();
            tracing::info!(
                label,
                "not observed, or it wrote outside of its output directory, or read what cannot be keyed: the result is not stored"
            );
            inputs.push(Input::Tree(self.context.package(self.unit).root.clone()));
        }
        let result = ActionResult {
            files: ran.files.clone(),
            stderr: ran.stderr,
            duration_ms: ran.duration_ms,
            ..ActionResult::default()
        };
        let Some(leaked) = self.leaked(may_leak, &result).await? else {
            return Ok(Concluded::ShowsView(None));
        };
        inputs.extend(leaks::bind(leaked));
        Ok(Concluded::Done(Box::new(Conclusion {
            inputs: InputSet::new(inputs),
            noted,
            result,
            may_keep,
        })))
    }

    fn reported(&self, ran: &ExecuteResult) -> Result<Reported, Stop> {
        let Some(name) = &self.compile.dep_info else {
            return Ok(Reported::default());
        };
        let is_it = |path: &str| path.rsplit('/').next() == Some(name.as_str());
        let Some(file) = ran.inline.iter().find(|file| is_it(&file.path)) else {
            let message = format!(
                "rustc did not write dep-info for {}",
                self.context.plan.unit(self.unit).description()
            );
            return Err(Stop::Failed(WireError::new(ErrorKind::Internal, message)));
        };
        let directory = self.surroundings.roots.absolute(&self.compile.working_directory);
        let mut dep_info = DepInfo::parse(&String::from_utf8_lossy(&file.content));
        for path in &mut dep_info.files {
            *path = self.context.view.outside(path).into_owned();
        }
        Ok(Reported::of(
            &dep_info,
            &directory,
            self.context.package(self.unit).source.is_path(),
            &self.context.locator,
            &|name| self.surroundings.variable(&self.action, name).cloned(),
        ))
    }

    /// See [`leaks::leaked`].
    async fn leaked(&self, may_leak: BTreeSet<Root>, result: &ActionResult) -> Result<Option<BTreeSet<Root>>, Stop> {
        let view = self.action.view();
        // Texts in bitcode are packed, so they cannot be found.
        let is_bitcode = |argument: &Template| *argument == Template::from("linker-plugin-lto");
        match self.compile.arguments.iter().any(is_bitcode) {
            true => Ok(view.is_none().then_some(may_leak)),
            false => leaks::leaked(self.context, may_leak, view, result).await,
        }
    }
}
