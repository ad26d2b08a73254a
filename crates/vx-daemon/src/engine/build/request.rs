//! One build: from the request to the summary.

use std::collections::HashMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use vx_cargo::{Jobs, Plan, PlanContext};
use vx_download::{DownloadCache, Transferred};
use vx_home::WorkspaceLayout;
use vx_model::{Root, Roots};
use vx_proto::{BuildEvent, BuildRequest, BuildStatus, BuildSummary, ErrorKind, Goal, Outcome, Selection, WireError};
use vx_toolchain::{Caller, DistServer, Toolchain, ToolchainError, ToolchainStore};

use super::context::{Context, Setting};
use super::memory::{keep, remember};
use super::outputs::Outputs;
use super::plans::Planned;
use super::run::{make_all, tell_warnings};
use super::sandbox::Sandbox;
use super::snapshot::{Snapshot, SnapshotKey};
use crate::engine::Engine;
use crate::engine::actions::Again;
use crate::engine::inputs::{Answers, CLOCK_TICK, Environment, passed, without_private};
use crate::engine::records::{Durations, LastBuild, UnitOfBuild};
use crate::engine::units::agents;

/// How often a build starts again because blobs vanished meanwhile.
const TRIES: u32 = 3;

/// A build that is listed for clients.
#[derive(Debug)]
pub(crate) struct UnderWay {
    workspace: String,
    started: Instant,
    context: Option<(Arc<Context>, u32)>,
}

impl UnderWay {
    /// Its progress.
    pub(crate) fn status(&self) -> BuildStatus {
        let done = |context: &Context| context.ledger().outcomes.len() as u32;
        BuildStatus {
            workspace: self.workspace.clone(),
            running_ms: self.started.elapsed().as_millis() as u64,
            done: self.context.as_ref().map_or(0, |(context, _)| done(context)),
            units: self.context.as_ref().map_or(0, |(_, units)| *units),
        }
    }
}

/// Keeps a build listed as long as it is running.
pub(crate) struct Registered {
    engine: Arc<Engine>,
    number: u64,
}

impl Registered {
    /// Lists the build with this number.
    pub(crate) fn new(engine: Arc<Engine>, number: u64, request: &BuildRequest) -> Self {
        let build = UnderWay {
            workspace: request.directory.clone(),
            started: Instant::now(),
            context: None,
        };
        engine.under_way.lock().insert(number, build);
        Self { engine, number }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.engine.under_way.lock().remove(&self.number);
    }
}

/// Reports what takes time to the user, as a verb and a text.
fn status(events: &UnboundedSender<BuildEvent>) -> impl Fn(&str, String) + Send + Sync + use<> {
    let events = events.clone();
    move |verb: &str, text: String| {
        // A client that disconnected has cancelled the build; nobody is listening.
        let _ = events.send(BuildEvent::Status {
            verb: verb.to_owned(),
            text,
        });
    }
}

/// A build whose environment and toolchain are known.
pub(crate) struct Build {
    engine: Arc<Engine>,
    number: u64,
    request: BuildRequest,
    events: UnboundedSender<BuildEvent>,
    requested: Instant,
    /// The user's, for cargo: whoever fetches needs the user's agents.
    user: Environment,
    /// The part of it that the processes of actions get.
    environment: Environment,
    toolchain: Toolchain,
    tasks: TaskTracker,
}

impl Build {
    /// From a request to its summary. Its tasks are in `tasks`; they end shortly after the future is dropped.
    pub(crate) async fn to_end(
        engine: Arc<Engine>,
        number: u64,
        request: BuildRequest,
        events: UnboundedSender<BuildEvent>,
        tasks: TaskTracker,
    ) -> Result<BuildSummary, WireError> {
        let requested = Instant::now();
        let user: Environment = request
            .environment
            .iter()
            .map(|var| (var.name.clone(), var.value.clone()))
            .collect();
        let toolchain = toolchain(&engine, &request, &user, &events).await?;
        let user = without_private(user);
        let build = Self {
            environment: passed(&user),
            user,
            engine,
            number,
            request,
            events,
            requested,
            toolchain,
            tasks,
        };
        if build.request.selection.goal == Goal::Fetch {
            return build.fetch().await;
        }
        match build.unchanged() {
            Some((summary, snapshot)) => {
                let writing = build.engine.remembering.clone().read_owned().await;
                tokio::spawn(async move {
                    build.remember_unchanged(&snapshot).await;
                    drop(writing);
                });
                Ok(summary)
            }
            None => build.anew().await,
        }
    }

    fn json(&self) -> bool {
        self.request.message_format.is_json()
    }

    /// What is planned: for a fetch, the build that follows, so that it finds its plan.
    fn selection(&self) -> Selection {
        let selection = self.request.selection.clone();
        let goal = match selection.goal {
            Goal::Fetch => Goal::Build,
            goal => goal,
        };
        Selection { goal, ..selection }
    }

    fn tell(&self, event: BuildEvent) {
        // A client that disconnected has cancelled the build; nobody is listening.
        let _ = self.events.send(event);
    }

    fn elapsed_ms(&self) -> u64 {
        self.requested.elapsed().as_millis() as u64
    }

    /// The short cut: nothing that the last build of this request depended on has changed.
    fn unchanged(&self) -> Option<(BuildSummary, Arc<Snapshot>)> {
        let key = SnapshotKey::of(&self.request);
        let snapshot = self.engine.snapshots.lock().get(&key).cloned()?;
        let same = snapshot.toolchain == self.toolchain.identity
            && snapshot.environment == self.environment
            && tokio::task::block_in_place(|| snapshot.holds(&self.engine.files));
        if !same {
            self.engine.snapshots.lock().remove(&key);
            return None;
        }
        if self.request.verbose {
            for (unit, (_, label)) in (0..).zip(&snapshot.units) {
                let (label, outcome) = (label.clone(), Outcome::Fresh);
                self.tell(BuildEvent::UnitFinished { unit, label, outcome });
            }
        }
        for event in &snapshot.replay {
            self.tell(event.clone());
        }
        let summary = BuildSummary {
            duration_ms: self.elapsed_ms(),
            ran: 0,
            again: 0,
            cached: 0,
            fresh: snapshot.units.len() as u32,
            ..snapshot.summary.clone()
        };
        Some((summary, snapshot))
    }

    /// Everything before the first process of a build: packages, and a lock file that matches the manifests.
    async fn fetch(&self) -> Result<BuildSummary, WireError> {
        let (planned, _) = self.prepare().await?;
        Ok(BuildSummary {
            profile: planned.plan.profile.clone(),
            duration_ms: self.elapsed_ms(),
            ran: 0,
            again: 0,
            cached: 0,
            fresh: 0,
            artifacts: Vec::new(),
            tests: Vec::new(),
        })
    }

    /// Gets the packages, the plan, and the roots of its paths.
    async fn prepare(&self) -> Result<(Planned, Roots), WireError> {
        let context = PlanContext {
            directory: Utf8PathBuf::from(&self.request.directory),
            environment: self.user.clone(),
            home: self.engine.config.home.clone(),
            toolchain: self.toolchain.clone(),
            selection: self.selection(),
        };
        let status = status(&self.events);
        let workspace = vx_cargo::workspace_root(&context).await?;
        if let Some(build) = self.engine.under_way.lock().get_mut(&self.number) {
            build.workspace = workspace.to_string();
        }
        let roots = context.roots(&workspace);
        let downloads = downloads(&self.engine, &self.request, &self.user, &self.events);
        let source = vx_cargo::prepare_packages(&context, &workspace, &downloads, &status).await?;
        let planned = self.engine.plans.plan(&context, &source, &roots, &status).await?;
        Ok((planned, roots))
    }

    async fn anew(&self) -> Result<BuildSummary, WireError> {
        let (planned, roots) = self.prepare().await?;
        // Before anything runs, so that a script that lists the workspace sees the same in every build.
        keep_out_of_version_control(roots.dir(Root::Workspace))?;
        let sandbox = Sandbox::read(roots.dir(Root::Workspace).into(), self.request.strict)?;
        let (mut missing, mut remembered) = (0, 0);
        // That a unit runs at the real paths, or needs an output directory, is remembered, so it happens once for each.
        while missing < TRIES && remembered <= 2 * planned.plan.units.len() {
            let context = self.run(&planned, &roots, &sandbox).await;
            let again = context.ledger().again;
            match again {
                None => return self.conclude(planned, &context).await,
                Some(Again::RealPaths | Again::OutDir) => remembered += 1,
                Some(Again::MissingBlob) => missing += 1,
            }
            tracing::info!(?again, "the build starts again");
        }
        let message = match missing {
            TRIES => format!("blobs of this build vanished from the store {TRIES} times in a row"),
            _ => "the store does not keep what this build records".to_owned(),
        };
        Err(WireError::new(ErrorKind::Machine, message).with_help("check the disk that holds `VX_HOME`"))
    }

    /// The value in Cargo's configuration. Cargo has refused any other than a number while planning.
    fn configured_jobs(&self, plan: &Plan) -> Option<u32> {
        let jobs: Jobs = plan.jobs.as_deref()?.parse().ok()?;
        Some(jobs.number(self.engine.config.jobs))
    }

    async fn run(&self, planned: &Planned, roots: &Roots, sandbox: &Sandbox) -> Arc<Context> {
        let units = planned.plan.steps() as u32;
        self.tell(BuildEvent::Planned { units });
        let setting = Setting {
            roots: roots.clone(),
            toolchain: self.toolchain.clone(),
            environment: self.environment.clone(),
            jobs: self.request.jobs.or_else(|| self.configured_jobs(&planned.plan)),
            keep_going: self.request.keep_going,
            agents: agents(&self.user, roots),
            sandbox: sandbox.clone(),
            hides_out_dirs: matches!(self.request.selection.goal, Goal::Build | Goal::Check) && !self.json(),
            message_format: self.request.message_format,
            requested: self.requested,
            events: self.events.clone(),
        };
        let durations = self.engine.records.get(roots.dir(Root::Workspace)).await;
        let Durations(durations) = durations.ok().flatten().unwrap_or(Durations(HashMap::new()));
        let context = Arc::new(Context::new(
            self.engine.clone(),
            planned.plan.clone(),
            setting,
            durations,
        ));
        if let Some(build) = self.engine.under_way.lock().get_mut(&self.number) {
            build.context = Some((context.clone(), units));
        }
        tell_warnings(&context);
        make_all(&context, &self.tasks).await;
        context
    }

    async fn conclude(&self, planned: Planned, context: &Arc<Context>) -> Result<BuildSummary, WireError> {
        let mut failures = std::mem::take(&mut context.ledger().failures).into_iter();
        let outputs = Outputs {
            context,
            environment: &self.environment,
            json: self.json(),
        };
        // The user gets whatever was built, even if something else failed.
        let laid = outputs.lay_all_down().await;
        if let (Ok(laid), true) = (&laid, self.json()) {
            outputs.tell(laid, |message| self.tell(message));
        }
        if let Some(first) = failures.next() {
            failures.for_each(|failure| self.tell(BuildEvent::UnitFailed(failure)));
            remember(context).await;
            return Err(first);
        }
        let laid = laid?;
        let summary = {
            let ledger = context.ledger();
            BuildSummary {
                profile: planned.plan.profile.clone(),
                duration_ms: self.elapsed_ms(),
                ran: ledger.count(Outcome::Ran),
                again: ledger.ran_again,
                cached: ledger.count(Outcome::Cached),
                fresh: 0,
                tests: outputs.tests(),
                artifacts: laid.into_iter().map(|laid| laid.artifact).collect(),
            }
        };
        self.take_snapshot(planned, context, &summary);
        // Only later builds and explanations need this, so nobody waits for it.
        let writing = self.engine.remembering.clone().read_owned().await;
        let outputs: Vec<String> = summary.artifacts.iter().map(|artifact| artifact.path.clone()).collect();
        let context = context.clone();
        tokio::spawn(async move {
            remember(&context).await;
            drop(writing);
            learn(&context.engine, outputs).await;
        });
        Ok(summary)
    }

    fn take_snapshot(&self, planned: Planned, context: &Context, summary: &BuildSummary) {
        let ledger = context.ledger();
        if ledger.unsettled {
            return;
        }
        let mut answers: Answers = planned.answers;
        let answered = ledger.answers.iter();
        answers.extend(answered.map(|(input, answer)| (input.clone(), answer.clone())));
        let snapshot = Snapshot {
            toolchain: self.toolchain.identity,
            environment: self.environment.clone(),
            roots: context.setting.roots.clone(),
            answers,
            replay: ledger.replay.clone(),
            summary: summary.clone(),
            units: ledger
                .units
                .iter()
                .map(|note| (note.name.clone(), note.label.clone()))
                .collect(),
            evidence: Mutex::default(),
        };
        let key = SnapshotKey::of(&self.request);
        self.engine.snapshots.lock().insert(key, Arc::new(snapshot));
    }

    /// Records that the last build of a workspace did nothing.
    async fn remember_unchanged(&self, snapshot: &Snapshot) {
        let units = snapshot.units.iter();
        let units = units.map(|(name, label)| UnitOfBuild::new(name, label, Outcome::Fresh, &[]));
        let workspace = snapshot.roots.dir(Root::Workspace);
        keep(&self.engine, workspace, &LastBuild(units.collect())).await;
    }
}

/// The requested toolchain, installed if necessary.
async fn toolchain(
    engine: &Engine,
    request: &BuildRequest,
    user: &Environment,
    events: &UnboundedSender<BuildEvent>,
) -> Result<Toolchain, WireError> {
    let store = ToolchainStore::new(downloads(engine, request, user, events), DistServer::of(user));
    let caller = Caller {
        directory: request.directory.as_str().into(),
        environment: user,
        plus: request.toolchain.as_deref(),
        targets: &request.selection.target,
    };
    let toolchain = vx_toolchain::obtain(caller, &store, &engine.toolchains, &status(events)).await;
    toolchain.map_err(|error| {
        let kind = match error {
            ToolchainError::Acquire { .. } => ErrorKind::Download,
            _ => ErrorKind::Usage,
        };
        WireError {
            help: error.help(),
            ..WireError::from_error(kind, &error)
        }
    })
}

/// The download cache with the user's settings, which reports its transfers.
fn downloads(
    engine: &Engine,
    request: &BuildRequest,
    user: &Environment,
    events: &UnboundedSender<BuildEvent>,
) -> DownloadCache {
    let offline = request.selection.offline || request.selection.frozen;
    let events = events.clone();
    let progress = move |transferred: Transferred<'_>| {
        // A client that disconnected has cancelled the build; nobody is listening.
        let _ = events.send(BuildEvent::Transferred {
            file: transferred.file(),
            done: transferred.done,
            total: transferred.total,
        });
    };
    DownloadCache::new(&engine.config.downloads, offline)
        .with_proxies_of(|name| user.get(name).cloned())
        .with_progress(Arc::new(progress))
}

/// Reads files that were just written, so that the next build does not have to.
async fn learn(engine: &Engine, paths: Vec<String>) {
    // Before that, their stamps mean nothing.
    tokio::time::sleep(2 * CLOCK_TICK).await;
    for path in paths {
        // Errors are left to the build that needs the file.
        let _ = tokio::task::block_in_place(|| engine.files.digest(&path));
    }
}

/// Creates `.vx` with a `.gitignore` in it.
fn keep_out_of_version_control(workspace: &str) -> Result<(), WireError> {
    let layout = WorkspaceLayout::new(workspace);
    let ignore = layout.gitignore();
    if ignore.exists() {
        return Ok(());
    }
    let write = || {
        std::fs::create_dir_all(layout.directory())?;
        std::fs::write(&ignore, WorkspaceLayout::GITIGNORE_TEXT)
    };
    write().map_err(|error| {
        WireError::new(ErrorKind::Machine, format!("failed to write `{ignore}`"))
            .caused_by(&error)
            .with_help("make the workspace writable: vx writes its output to `.vx` there")
    })
}
