//! The engine: plans a build, looks up results, runs what is missing, and reports progress.
//!
//! It does not use sockets or processes: actions are run and results are kept through [`Doors`].
//!
//! - `build` is one build from request to summary; `units` are the kinds of units, each with its action.
//! - `actions` looks up an action, runs it and publishes its result; `inputs` finds out what a result depended on.
//! - `records` are the engine's own records; `report` has the output for people and programs.

mod actions;
mod build;
mod doors;
mod inputs;
mod records;
mod report;
#[cfg(test)]
mod tests;
mod units;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;
use tokio::sync::RwLock;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vx_home::VxHome;
use vx_proto::{BuildEvent, BuildRequest, BuildStatus, ErrorKind, Explanation, UnitKey, WireError};
use vx_toolchain::KnownToolchains;

use self::actions::{Actions, ExecRoots};
use self::build::{Build, Plans, Registered, Snapshots, UnderWay};
pub use self::doors::{ActionCache, BlobStore, Doors, ExecuteEvents, Executor, RecordStore};
use self::inputs::{EnvironmentReaders, FileDigests};
use self::records::{LastBuild, Records, UnitParts, unit_key};
use self::report::messages;
use self::units::OutDirs;

/// The engine's configuration.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The home of vx.
    pub home: VxHome,
    /// Downloads by SHA-256.
    pub downloads: Utf8PathBuf,
    /// The number of jobs of the machine.
    pub jobs: u32,
}

/// Builds of all clients.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    actions: Actions,
    plans: Plans,
    blobs: Arc<dyn BlobStore>,
    records: Records,
    files: Arc<FileDigests>,
    environment_readers: EnvironmentReaders,
    out_dirs: OutDirs,
    exec_roots: Arc<ExecRoots>,
    snapshots: Snapshots,
    toolchains: KnownToolchains,
    warned_unobserved: AtomicBool,
    under_way: Mutex<HashMap<u64, UnderWay>>,
    /// Held for reading while records of a finished build are written.
    remembering: Arc<RwLock<()>>,
    builds: AtomicU64,
}

impl Engine {
    /// An engine with nothing in memory yet.
    pub fn new(config: EngineConfig, doors: &Doors) -> Arc<Self> {
        let files = Arc::new(FileDigests::default());
        let records = Records::new(doors);
        let exec_roots = ExecRoots::new(config.home.exec());
        Arc::new(Self {
            actions: Actions::new(doors, files.clone()),
            plans: Plans::new(doors, files.clone()),
            blobs: doors.blobs.clone(),
            environment_readers: EnvironmentReaders::new(doors, records.clone(), exec_roots.clone()),
            records,
            files,
            out_dirs: OutDirs::new(config.home.clone(), doors),
            exec_roots,
            snapshots: Snapshots::default(),
            // Beside the downloads, because homes that share these share what is known about toolchains.
            toolchains: KnownToolchains::new(&config.downloads.join("known")),
            warned_unobserved: AtomicBool::new(false),
            under_way: Mutex::default(),
            remembering: Arc::default(),
            builds: AtomicU64::new(0),
            config,
        })
    }

    /// Builds, and sends progress to `events`; `Finished` or `Failed` is the last event.
    pub async fn build(
        self: &Arc<Self>,
        request: BuildRequest,
        events: UnboundedSender<BuildEvent>,
        cancel: CancellationToken,
    ) {
        let number = self.builds.fetch_add(1, Ordering::Relaxed);
        let _under_way = Registered::new(self.clone(), number, &request);
        let json = request.message_format.is_json();
        let tasks = TaskTracker::new();
        let built = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(WireError::new(ErrorKind::Cancelled, "the build was cancelled")),
            built = Build::to_end(self.clone(), number, request, events.clone(), tasks.clone()) => built,
        };
        // Tasks of a cancelled build end shortly after it, and must not send anything after the last event.
        tasks.close();
        tasks.wait().await;
        // The client may have disconnected; then nobody is listening.
        if json {
            let _ = events.send(BuildEvent::Json(messages::build_finished(built.is_ok())));
        }
        let _ = events.send(match built {
            Ok(summary) => BuildEvent::Finished(summary),
            Err(error) => BuildEvent::Failed(error),
        });
    }

    /// Waits until all records of finished builds are written.
    pub async fn settle(&self) {
        drop(self.remembering.write().await);
    }

    /// What the last build of the workspace that holds `directory` did, and why.
    pub async fn explain(&self, directory: &str) -> Result<Vec<Explanation>, WireError> {
        let (_, LastBuild(units)) = self.last_build(directory).await?;
        Ok(units.into_iter().map(|unit| unit.explanation()).collect())
    }

    /// The keys of the units of that build whose package or target is named `name`.
    pub async fn unit_keys(&self, directory: &str, name: &str) -> Result<Vec<UnitKey>, WireError> {
        let (workspace, LastBuild(units)) = self.last_build(directory).await?;
        let mut keys = Vec::new();
        for unit in units.iter().filter(|unit| unit.label().is_called(name)) {
            let parts: Option<UnitParts> = self.records.get(&unit_key(&workspace, &unit.unit)).await?;
            keys.extend(parts.map(|parts| UnitKey {
                unit: unit.unit.clone(),
                parts: parts.into_parts(),
            }));
        }
        match keys.is_empty() {
            false => Ok(keys),
            true => {
                let message = format!("no unit of the last build has a package or target named `{name}`");
                Err(WireError::new(ErrorKind::Usage, message)
                    .with_help("`vx explain` lists the units of the last build"))
            }
        }
    }

    /// Running builds.
    pub fn builds(&self) -> Vec<BuildStatus> {
        let under_way = self.under_way.lock();
        let mut builds: Vec<(&u64, &UnderWay)> = under_way.iter().collect();
        builds.sort_by_key(|(number, _)| **number);
        builds.into_iter().map(|(_, build)| build.status()).collect()
    }

    /// The workspace that holds `directory`, and its last build.
    async fn last_build(&self, directory: &str) -> Result<(String, LastBuild), WireError> {
        self.settle().await;
        for workspace in Utf8Path::new(directory).ancestors() {
            if let Some(build) = self.records.get(workspace.as_str()).await? {
                return Ok((workspace.to_string(), build));
            }
        }
        let message = format!("vx has not built anything in `{directory}` or any parent directory");
        Err(WireError::new(ErrorKind::Usage, message).with_help("run `vx build` first"))
    }

    /// Warns once that results are not stored because processes cannot be observed here.
    fn warn_unobserved(&self, reason: &str, events: &UnboundedSender<BuildEvent>) {
        if !self.warned_unobserved.swap(true, Ordering::Relaxed) {
            let text = format!(
                "warning: vx cannot observe what processes read here ({reason}): build scripts and links are not cached"
            );
            let _ = events.send(BuildEvent::Warning(text));
        }
    }
}
