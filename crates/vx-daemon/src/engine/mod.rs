//! The engine: plans a build, asks the store, runs what is missing, and tells what happens.
//!
//! It knows no sockets and no processes of its own: the store and the executor are reached through [`Services`].
//!
//! - `build` is one build from request to summary; `plans`, `run` and `outputs` are its parts, `snapshot` its short cut.
//! - `keys`, `questions`, `files`, `environment`, `names`, `observed` decide what a result depended on.
//! - `store`, `flights` share results between builds; `exec_roots` keeps running actions apart; `ledger`, `explain`, `diagnostics`, `messages` tell of them.

mod build;
mod diagnostics;
mod environment;
mod exec_roots;
mod explain;
mod files;
mod flights;
mod keys;
mod ledger;
mod messages;
mod names;
mod observed;
mod outputs;
mod plans;
mod processor;
mod progress;
mod questions;
mod run;
mod snapshot;
mod store;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{RwLock, Semaphore};
use tokio_util::sync::CancellationToken;
use vx_home::VxHome;
use vx_model::KeyPart;
use vx_proto::{BuildEvent, BuildRequest, BuildStatus, ErrorKind, Explanation, WireError};

use self::exec_roots::ExecRoots;
use self::files::FileDigests;
use self::flights::Flights;
use self::names::Names;
use self::snapshot::Snapshots;
use self::store::Store;
use crate::services::Services;

/// Actions that may wait for execd at once; each holds a connection.
const EXECUTIONS: usize = 64;

/// Table of what the last build of a workspace did.
const LAST_BUILD: &str = "last-build";
/// Table of the key parts of units.
const UNIT_PARTS: &str = "unit-parts";

/// What the engine needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where vx keeps things.
    pub home: VxHome,
    /// Downloads by SHA-256.
    pub downloads: Utf8PathBuf,
    /// Jobs of the machine.
    pub jobs: u32,
}

/// Builds of all clients.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    services: Services,
    store: Store,
    files: FileDigests,
    flights: Flights,
    names: Names,
    snapshots: Snapshots,
    executions: Semaphore,
    exec_roots: Arc<ExecRoots>,
    out_dirs: Mutex<HashSet<String>>,
    warned_unobserved: AtomicBool,
    under_way: Mutex<HashMap<u64, build::UnderWay>>,
    /// Held for reading while records of an ended build are being written.
    records: Arc<RwLock<()>>,
    builds: AtomicU64,
}

impl Engine {
    /// An engine with nothing in memory yet.
    pub fn new(config: EngineConfig, services: Services) -> Arc<Self> {
        Arc::new(Self {
            exec_roots: ExecRoots::new(config.home.exec()),
            config,
            store: Store::new(services.clone()),
            services,
            files: FileDigests::default(),
            flights: Flights::default(),
            names: Names::default(),
            snapshots: Snapshots::default(),
            executions: Semaphore::new(EXECUTIONS),
            out_dirs: Mutex::default(),
            warned_unobserved: AtomicBool::new(false),
            under_way: Mutex::default(),
            records: Arc::default(),
            builds: AtomicU64::new(0),
        })
    }

    /// Builds, telling `events` what happens; `Finished` or `Failed` is the last event.
    pub async fn build(
        self: &Arc<Self>,
        request: BuildRequest,
        events: UnboundedSender<BuildEvent>,
        cancel: CancellationToken,
    ) {
        let number = self.builds.fetch_add(1, Ordering::Relaxed);
        let _under_way = build::Registered::new(self.clone(), number, &request);
        let json = request.message_format.is_json();
        let built = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(WireError::new(ErrorKind::Cancelled, "the build was cancelled")),
            built = self.clone().build_to_end(number, request, events.clone()) => built,
        };
        // The client may be gone; then nobody is left to tell.
        if json {
            let _ = events.send(BuildEvent::Json(messages::build_finished(built.is_ok())));
        }
        let _ = events.send(match built {
            Ok(summary) => BuildEvent::Finished(summary),
            Err(error) => BuildEvent::Failed(error),
        });
    }

    /// Waits until everything about builds that have ended is kept.
    pub async fn settle(&self) {
        drop(self.records.write().await);
    }

    /// What the last build in the workspace that holds `directory` did, and why.
    pub async fn explain(&self, directory: &str) -> Result<Vec<Explanation>, WireError> {
        self.settle().await;
        for workspace in Utf8Path::new(directory).ancestors() {
            if let Some(record) = self.store.get_record(LAST_BUILD, workspace.as_str()).await? {
                return build::decode_explanations(&record);
            }
        }
        let message = format!("vx has not built anything in {directory} or above it");
        Err(WireError::new(ErrorKind::Usage, message).with_help("run `vx build` first"))
    }

    /// Builds under way.
    pub fn builds(&self) -> Vec<BuildStatus> {
        let under_way = lock(&self.under_way);
        let mut builds: Vec<(&u64, &build::UnderWay)> = under_way.iter().collect();
        builds.sort_by_key(|(number, _)| **number);
        builds.into_iter().map(|(_, build)| build.status()).collect()
    }

    fn known_out_dirs(&self) -> MutexGuard<'_, HashSet<String>> {
        lock(&self.out_dirs)
    }

    /// The parts of the key under which a unit was last built or found.
    async fn last_parts(&self, workspace: &str, unit: &str) -> Option<Vec<KeyPart>> {
        let record = self
            .store
            .get_record(UNIT_PARTS, &parts_key(workspace, unit))
            .await
            .ok()??;
        let parts: Vec<(String, String)> = serde_json::from_slice(&record).ok()?;
        Some(
            parts
                .into_iter()
                .map(|(label, value)| KeyPart { label, value })
                .collect(),
        )
    }

    /// Says once that results are not kept because processes cannot be observed here.
    fn warn_unobserved(&self, reason: &str, events: &UnboundedSender<BuildEvent>) {
        if !self.warned_unobserved.swap(true, Ordering::Relaxed) {
            let text = format!(
                "warning: vx cannot observe what processes read here ({reason}): build scripts and links are not cached"
            );
            let _ = events.send(BuildEvent::Warning(text));
        }
    }
}

fn parts_key(workspace: &str, unit: &str) -> String {
    format!("{workspace}\n{unit}")
}

/// Locks; a panic elsewhere leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
