//! One build: from the request to the summary.

use std::collections::HashMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use vx_cargo::{Jobs, Plan, PlanContext};
use vx_download::{DownloadCache, Transferred};
use vx_model::{Root, Roots};
use vx_proto::{
    BuildEvent, BuildRequest, BuildStatus, BuildSummary, ErrorKind, Explanation, Goal, Outcome, Selection, UnitLabel,
    WireError,
};
use vx_toolchain::{Caller, DistServer, Toolchain, ToolchainError, ToolchainStore};

use super::environment::{Environment, passed};
use super::files::CLOCK_TICK;
use super::ledger::Ledger;
use super::outputs::Outputs;
use super::plans::Planned;
use super::questions::Answers;
use super::run::{Run, Setting};
use super::snapshot::{Snapshot, SnapshotKey};
use super::{Engine, LAST_BUILD, UNIT_PARTS, lock, parts_key};

/// Table of how long units took.
const DURATIONS: &str = "durations";

/// How often a build begins again because blobs vanished under it.
const TRIES: u32 = 3;

/// A build that others may ask about.
#[derive(Debug)]
pub(super) struct UnderWay {
    workspace: String,
    started: Instant,
    run: Option<(Arc<Run>, u32)>,
}

impl UnderWay {
    pub(super) fn status(&self) -> BuildStatus {
        BuildStatus {
            workspace: self.workspace.clone(),
            running_ms: self.started.elapsed().as_millis() as u64,
            done: self
                .run
                .as_ref()
                .map_or(0, |(run, _)| run.ledger().outcomes.len() as u32),
            units: self.run.as_ref().map_or(0, |(_, units)| *units),
        }
    }
}

/// Keeps a build listed for as long as it is under way.
pub(super) struct Registered {
    engine: Arc<Engine>,
    number: u64,
}

impl Registered {
    pub(super) fn new(engine: Arc<Engine>, number: u64, request: &BuildRequest) -> Self {
        let build = UnderWay {
            workspace: request.directory.clone(),
            started: Instant::now(),
            run: None,
        };
        lock(&engine.under_way).insert(number, build);
        Self { engine, number }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.engine.under_way).remove(&self.number);
    }
}

/// A build whose surroundings are known.
struct Prepared {
    number: u64,
    request: BuildRequest,
    events: UnboundedSender<BuildEvent>,
    requested: Instant,
    environment: Environment,
    toolchain: Toolchain,
}

impl Prepared {
    fn json(&self) -> bool {
        self.request.message_format.is_json()
    }

    /// What is planned: for a fetch, the build that it is for, so that this one finds its plan.
    fn selection(&self) -> Selection {
        let selection = self.request.selection.clone();
        let goal = match selection.goal {
            Goal::Fetch => Goal::Build,
            goal => goal,
        };
        Selection { goal, ..selection }
    }

    fn tell(&self, event: BuildEvent) {
        // A client that is gone has cancelled the build; nobody is left to tell.
        let _ = self.events.send(event);
    }
}

/// Tells the user of what takes time, as a verb and a text.
fn status(events: &UnboundedSender<BuildEvent>) -> impl Fn(&str, String) + Send + Sync + use<> {
    let events = events.clone();
    move |verb: &str, text: String| {
        // A client that is gone has cancelled the build; nobody is left to tell.
        let _ = events.send(BuildEvent::Status {
            verb: verb.to_owned(),
            text,
        });
    }
}

impl Engine {
    pub(super) async fn build_to_end(
        self: Arc<Self>,
        number: u64,
        request: BuildRequest,
        events: UnboundedSender<BuildEvent>,
    ) -> Result<BuildSummary, WireError> {
        let requested = Instant::now();
        let user: Environment = request
            .environment
            .iter()
            .map(|var| (var.name.clone(), var.value.clone()))
            .collect();
        let toolchain = self.toolchain(&request, &user, &events).await?;
        let environment = passed(&user);
        let prepared = Prepared {
            number,
            request,
            events,
            requested,
            environment,
            toolchain,
        };
        if prepared.request.selection.goal == Goal::Fetch {
            return self.fetch(&prepared).await;
        }
        match self.unchanged(&prepared) {
            Some((summary, snapshot)) => {
                let writing = self.records.clone().read_owned().await;
                tokio::spawn(async move {
                    self.remember_unchanged(&snapshot).await;
                    drop(writing);
                });
                Ok(summary)
            }
            None => self.build_anew(&prepared).await,
        }
    }

    /// The toolchain that the user asks for, acquired where it is not installed.
    async fn toolchain(
        &self,
        request: &BuildRequest,
        user: &Environment,
        events: &UnboundedSender<BuildEvent>,
    ) -> Result<Toolchain, WireError> {
        let store = ToolchainStore::new(self.downloads(request, user, events), DistServer::of(user));
        // Beside the downloads, because homes that share these share what is known of toolchains.
        let memory = self.config.downloads.join("known");
        let caller = Caller {
            directory: request.directory.as_str().into(),
            environment: user,
            plus: request.toolchain.as_deref(),
            targets: &request.selection.target,
        };
        let toolchain = vx_toolchain::obtain(caller, &store, &memory, &status(events)).await;
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

    /// The download cache as the user wants it used, whose transfers are told of.
    fn downloads(
        &self,
        request: &BuildRequest,
        user: &Environment,
        events: &UnboundedSender<BuildEvent>,
    ) -> DownloadCache {
        let offline = request.selection.offline || request.selection.frozen;
        let events = events.clone();
        let progress = move |transferred: Transferred<'_>| {
            // A client that is gone has cancelled the build; nobody is left to tell.
            let _ = events.send(BuildEvent::Transferred {
                file: transferred.file(),
                done: transferred.done,
                total: transferred.total,
            });
        };
        DownloadCache::new(&self.config.downloads, offline)
            .with_proxies_of(|name| user.get(name).cloned())
            .with_progress(Arc::new(progress))
    }

    /// The short cut: nothing that the same build stood on last time has changed.
    fn unchanged(&self, prepared: &Prepared) -> Option<(BuildSummary, Arc<Snapshot>)> {
        let key = SnapshotKey::of(&prepared.request);
        let snapshot = lock(&self.snapshots).get(&key).cloned()?;
        let same = snapshot.toolchain == prepared.toolchain.identity
            && snapshot.environment == prepared.environment
            && tokio::task::block_in_place(|| snapshot.holds(&self.files));
        if !same {
            lock(&self.snapshots).remove(&key);
            return None;
        }
        if prepared.request.verbose {
            for (unit, label) in (0..).zip(&snapshot.units) {
                let (label, outcome) = (label.clone(), Outcome::Fresh);
                prepared.tell(BuildEvent::UnitFinished { unit, label, outcome });
            }
        }
        for event in &snapshot.replay {
            prepared.tell(event.clone());
        }
        let summary = BuildSummary {
            duration_ms: prepared.requested.elapsed().as_millis() as u64,
            ran: 0,
            cached: 0,
            fresh: snapshot.units.len() as u32,
            ..snapshot.summary.clone()
        };
        Some((summary, snapshot))
    }

    /// Everything that comes before the first process of a build: packages, and a lock file that fits the manifests.
    async fn fetch(self: &Arc<Self>, prepared: &Prepared) -> Result<BuildSummary, WireError> {
        let (planned, _) = self.prepare(prepared).await?;
        Ok(BuildSummary {
            profile: planned.plan.profile.clone(),
            duration_ms: prepared.requested.elapsed().as_millis() as u64,
            ran: 0,
            cached: 0,
            fresh: 0,
            artifacts: Vec::new(),
            tests: Vec::new(),
        })
    }

    /// Packages where the plan wants them, the plan, and where its places are.
    async fn prepare(&self, prepared: &Prepared) -> Result<(Planned, Roots), WireError> {
        let context = PlanContext {
            directory: Utf8PathBuf::from(&prepared.request.directory),
            environment: prepared.environment.clone(),
            home: self.config.home.clone(),
            toolchain: prepared.toolchain.clone(),
            selection: prepared.selection(),
        };
        let status = status(&prepared.events);
        let workspace = vx_cargo::workspace_root(&context).await?;
        if let Some(build) = lock(&self.under_way).get_mut(&prepared.number) {
            build.workspace = workspace.to_string();
        }
        let roots = Roots::default()
            .with(Root::Workspace, workspace.as_str())
            .with(Root::Home, self.config.home.root().as_str())
            .with(Root::Toolchain, prepared.toolchain.sysroot.as_str());
        let downloads = self.downloads(&prepared.request, &prepared.environment, &prepared.events);
        let source = vx_cargo::prepare_packages(&context, &workspace, &downloads, &status).await?;
        let planned = self.plan(&context, &source, &roots, &status).await?;
        Ok((planned, roots))
    }

    async fn build_anew(self: &Arc<Self>, prepared: &Prepared) -> Result<BuildSummary, WireError> {
        let (planned, roots) = self.prepare(prepared).await?;
        // Before anything runs: a script that lists the workspace sees the same in every build.
        keep_out_of_version_control(roots.dir(Root::Workspace))?;
        for _ in 0..TRIES {
            let run = self.run(prepared, &planned, &roots).await;
            if run.ledger().hole {
                tracing::info!("blobs vanished from the store; looking again");
                continue;
            }
            return self.conclude(prepared, planned, &roots, &run).await;
        }
        let message = format!("the store lost what it had just answered, {TRIES} times in a row");
        Err(WireError::new(ErrorKind::Machine, message).with_help("look at the disk that holds $VX_HOME"))
    }

    /// What Cargo's configuration says. What is no number there, Cargo has refused when it planned.
    fn configured_jobs(&self, plan: &Plan) -> Option<u32> {
        let jobs: Jobs = plan.jobs.as_deref()?.parse().ok()?;
        Some(jobs.number(self.config.jobs))
    }

    async fn run(self: &Arc<Self>, prepared: &Prepared, planned: &Planned, roots: &Roots) -> Arc<Run> {
        let units = planned.plan.steps() as u32;
        prepared.tell(BuildEvent::Planned { units });
        let setting = Setting {
            roots: roots.clone(),
            toolchain: prepared.toolchain.clone(),
            environment: prepared.environment.clone(),
            jobs: prepared.request.jobs.or_else(|| self.configured_jobs(&planned.plan)),
            keep_going: prepared.request.keep_going,
            message_format: prepared.request.message_format,
            requested: prepared.requested,
            events: prepared.events.clone(),
        };
        let durations = self.durations(roots).await;
        let run = Arc::new(Run::new(self.clone(), planned.plan.clone(), setting, durations));
        if let Some(build) = lock(&self.under_way).get_mut(&prepared.number) {
            build.run = Some((run.clone(), units));
        }
        run.tell_warnings();
        run.finish().await;
        run
    }

    async fn conclude(
        self: &Arc<Self>,
        prepared: &Prepared,
        planned: Planned,
        roots: &Roots,
        run: &Arc<Run>,
    ) -> Result<BuildSummary, WireError> {
        let mut failures = std::mem::take(&mut run.ledger().failures).into_iter();
        let outputs = Outputs {
            plan: &planned.plan,
            roots,
            run,
            environment: &prepared.environment,
            json: prepared.json(),
        };
        // What could be made is the user's, also where something else failed.
        let placed = outputs.place(self).await;
        if let (Ok(placed), true) = (&placed, prepared.json()) {
            outputs.tell(placed, |message| prepared.tell(message));
        }
        if let Some(first) = failures.next() {
            failures.for_each(|failure| prepared.tell(BuildEvent::UnitFailed(failure)));
            self.remember(roots, run).await;
            return Err(first);
        }
        let placed = placed?;
        let summary = {
            let ledger = run.ledger();
            BuildSummary {
                profile: planned.plan.profile.clone(),
                duration_ms: prepared.requested.elapsed().as_millis() as u64,
                ran: ledger.count(Outcome::Ran),
                cached: ledger.count(Outcome::Cached),
                fresh: 0,
                tests: outputs.tests(),
                artifacts: placed.into_iter().map(|placed| placed.artifact).collect(),
            }
        };
        self.take_snapshot(prepared, planned, roots, run, &summary);
        // Nobody waits for what only later builds and explanations need.
        let writing = self.records.clone().read_owned().await;
        let (engine, roots, run) = (self.clone(), roots.clone(), run.clone());
        let outputs: Vec<String> = summary.artifacts.iter().map(|artifact| artifact.path.clone()).collect();
        tokio::spawn(async move {
            engine.remember(&roots, &run).await;
            drop(writing);
            engine.learn(outputs).await;
        });
        Ok(summary)
    }

    fn take_snapshot(&self, prepared: &Prepared, planned: Planned, roots: &Roots, run: &Run, summary: &BuildSummary) {
        let ledger = run.ledger();
        if ledger.unsettled {
            return;
        }
        let mut answers: Answers = planned.answers;
        answers.extend(
            ledger
                .answers
                .iter()
                .map(|(question, answer)| (question.clone(), answer.clone())),
        );
        let snapshot = Snapshot {
            toolchain: prepared.toolchain.identity,
            environment: prepared.environment.clone(),
            workspace: roots.dir(Root::Workspace).to_owned(),
            answers,
            replay: ledger.replay.clone(),
            summary: summary.clone(),
            units: ledger
                .explanations
                .iter()
                .map(|explanation| explanation.label.clone())
                .collect(),
        };
        lock(&self.snapshots).insert(SnapshotKey::of(&prepared.request), Arc::new(snapshot));
    }

    /// Reads files that were written just now, so that the next build need not.
    async fn learn(&self, paths: Vec<String>) {
        // Before, their stamps mean nothing.
        tokio::time::sleep(2 * CLOCK_TICK).await;
        for path in paths {
            // Whatever is wrong with it is for the build that asks.
            let _ = tokio::task::block_in_place(|| self.files.digest(&path));
        }
    }

    async fn durations(&self, roots: &Roots) -> HashMap<String, u64> {
        let record = self.store.get_record(DURATIONS, roots.dir(Root::Workspace)).await;
        let record = record.ok().flatten();
        record
            .and_then(|record| serde_json::from_slice(&record).ok())
            .unwrap_or_default()
    }

    /// Notes that the last build of a workspace did nothing.
    async fn remember_unchanged(&self, snapshot: &Snapshot) {
        let unchanged = |label: &UnitLabel| Explanation {
            label: label.clone(),
            outcome: Outcome::Fresh,
            reasons: Vec::new(),
        };
        let record = encode_explanations(&snapshot.units.iter().map(unchanged).collect::<Vec<_>>());
        if let Err(error) = self.store.put_record(LAST_BUILD, &snapshot.workspace, record).await {
            tracing::warn!(%error, "cannot keep a record");
        }
    }

    /// Keeps what explanations and schedules of later builds need. What cannot be kept is only missed there.
    async fn remember(&self, roots: &Roots, run: &Run) {
        let workspace = roots.dir(Root::Workspace);
        let (explanations, durations, parts) = {
            let mut ledger = run.ledger();
            let ran = ledger.count(Outcome::Ran) > 0;
            let Ledger {
                explanations,
                durations,
                parts,
                ..
            } = &mut *ledger;
            let durations = ran.then(|| std::mem::take(durations));
            (encode_explanations(explanations), durations, std::mem::take(parts))
        };
        let mut records = vec![(LAST_BUILD, workspace.to_owned(), explanations)];
        if let Some(durations) = durations {
            records.push((
                DURATIONS,
                workspace.to_owned(),
                serde_json::to_vec(&durations).unwrap_or_default(),
            ));
        }
        for (unit, parts) in parts {
            let parts: Vec<(String, String)> = parts.into_iter().map(|part| (part.label, part.value)).collect();
            records.push((
                UNIT_PARTS,
                parts_key(workspace, &unit),
                serde_json::to_vec(&parts).unwrap_or_default(),
            ));
        }
        for (table, key, record) in records {
            if let Err(error) = self.store.put_record(table, &key, record).await {
                tracing::warn!(table, %error, "cannot keep a record");
                return;
            }
        }
    }
}

/// Makes `.vx` with a `.gitignore` in it.
fn keep_out_of_version_control(workspace: &str) -> Result<(), WireError> {
    let ignore = format!("{workspace}/.vx/.gitignore");
    if std::path::Path::new(&ignore).exists() {
        return Ok(());
    }
    let write = || {
        std::fs::create_dir_all(format!("{workspace}/.vx"))?;
        std::fs::write(&ignore, "*\n")
    };
    write().map_err(|error| {
        let mut wire = WireError::new(ErrorKind::Machine, format!("cannot write {ignore}"));
        wire.causes.push(error.to_string());
        wire.with_help("vx puts what it builds into the directory .vx of the workspace")
    })
}

/// An explanation as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    package: String,
    version: String,
    directory: Option<String>,
    target: String,
    outcome: KeptOutcome,
    reasons: Vec<String>,
}

/// An outcome as it is kept.
#[derive(Serialize, Deserialize)]
enum KeptOutcome {
    Ran,
    Cached,
    Fresh,
}

fn encode_explanations(explanations: &[Explanation]) -> Vec<u8> {
    let keep = |explanation: &Explanation| Kept {
        package: explanation.label.package.clone(),
        version: explanation.label.version.clone(),
        directory: explanation.label.directory.clone(),
        target: explanation.label.target.clone(),
        outcome: match explanation.outcome {
            Outcome::Ran => KeptOutcome::Ran,
            Outcome::Cached => KeptOutcome::Cached,
            Outcome::Fresh => KeptOutcome::Fresh,
        },
        reasons: explanation.reasons.clone(),
    };
    let kept: Vec<Kept> = explanations.iter().map(keep).collect();
    serde_json::to_vec(&kept).unwrap_or_default()
}

/// What [`Engine::explain`] answers, from the record.
pub(super) fn decode_explanations(record: &[u8]) -> Result<Vec<Explanation>, WireError> {
    let kept: Vec<Kept> = serde_json::from_slice(record).map_err(|error| {
        WireError::from_error(ErrorKind::Machine, &error)
            .with_help("the record of the last build is damaged; build again")
    })?;
    let explanation = |kept: Kept| Explanation {
        label: UnitLabel {
            package: kept.package,
            version: kept.version,
            directory: kept.directory,
            target: kept.target,
        },
        outcome: match kept.outcome {
            KeptOutcome::Ran => Outcome::Ran,
            KeptOutcome::Cached => Outcome::Cached,
            KeptOutcome::Fresh => Outcome::Fresh,
        },
        reasons: kept.reasons,
    };
    Ok(kept.into_iter().map(explanation).collect())
}
