//! `Executor`: what all actions share, and their end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camino::Utf8PathBuf;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vx_proto::ExecStatus;
use vx_service::CasEndpoint;
use vx_transport::Credentials;

use crate::budget::Budget;
use crate::process::refused_containment;
use crate::{Config, ExecdError, exec_root};

/// How long the trees may take to end at shutdown.
const FAREWELL: Duration = Duration::from_millis(1800);

/// The client of casd.
pub(crate) type Store = vx_service::Store<CasEndpoint>;

/// What all actions share.
#[derive(Debug)]
pub(crate) struct Executor {
    /// The directory of exec roots and of files that are being written.
    pub(crate) directory: Utf8PathBuf,
    pub(crate) budget: Budget,
    pub(crate) store: Store,
    jobs: usize,
    started: AtomicU64,
    /// Why actions cannot be contained on this machine.
    uncontained: Option<String>,
    /// Fires when execd is to end; its children cancel actions.
    pub(crate) shutdown: CancellationToken,
    /// Actions, and removals of exec roots.
    pub(crate) tasks: TaskTracker,
}

impl Executor {
    pub(crate) fn new(
        config: &Config,
        credentials: Credentials,
        shutdown: &CancellationToken,
    ) -> Result<Self, ExecdError> {
        let directory = config.home.exec();
        let aside = exec_root::set_aside_leftovers(&directory).map_err(|source| ExecdError::Directory {
            path: directory.clone(),
            source,
        })?;
        let jobs = config.jobs.max(1);
        let uncontained = refused_containment(&directory);
        if let Some(reason) = &uncontained {
            tracing::warn!(reason, "actions cannot be contained on this machine");
        }
        let executor = Self {
            directory,
            budget: Budget::new(jobs).map_err(ExecdError::Jobserver)?,
            store: Store::new(CasEndpoint::new(config.cas.clone(), credentials)),
            jobs,
            started: AtomicU64::new(0),
            uncontained,
            shutdown: shutdown.child_token(),
            tasks: TaskTracker::new(),
        };
        if let Some(aside) = aside {
            executor.in_background(move || exec_root::remove(&aside));
        }
        Ok(executor)
    }

    /// Does slow work on the disk in the background.
    pub(crate) fn in_background(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.tasks.spawn_blocking(work));
    }

    /// A process has started.
    pub(crate) fn count_start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> ExecStatus {
        let load = self.budget.load();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        ExecStatus {
            pid: std::process::id(),
            jobs: count(self.jobs),
            running: count(load.running),
            waiting: count(load.waiting),
            started: self.started.load(Ordering::Relaxed),
            uncontained: self.uncontained.clone(),
        }
    }

    /// Cancels all actions and waits until their trees are gone.
    pub(crate) async fn stop(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            tracing::warn!("some actions did not end in time; the next start removes their files");
        }
    }
}
