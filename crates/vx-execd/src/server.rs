//! The service: answers `Exec`, and ends with its process trees.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use camino::Utf8PathBuf;
use futures::StreamExt as _;
use rapace::Streaming;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vx_proto::{Dispatch, Exec, ExecServer, ExecStatus, ExecuteEvent, ExecuteRequest, Reply, WireError};
use vx_transport::{Connection, Credentials, Limits, Listener};

use crate::action::{self, Events};
use crate::budget::Budget;
use crate::store::Store;
use crate::{Config, ExecdError, exec_root, reap};

/// Every waiting action has a connection of its own.
const CONNECTIONS: usize = 4096;

/// Events on their way to one client; when it does not read them, the process waits.
const EVENTS: usize = 64;

/// How long the trees may take to go once all is to stop.
const FAREWELL: Duration = Duration::from_millis(1800);

/// Serves until `shutdown` fires; then kills all process trees and returns, within two seconds.
///
/// To be called in a process of its own, and by one at a time for each home: it makes the process a subreaper, and
/// empties the directory of exec roots.
pub async fn serve(
    config: Config,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Result<(), ExecdError> {
    reap::become_subreaper().map_err(ExecdError::Subreaper)?;
    let executor = Arc::new(Executor::new(&config, credentials.clone(), &shutdown)?);
    let limits = Limits {
        connections: CONNECTIONS,
        ..Limits::default()
    };
    let service = executor.clone();
    let factory = move |connection: Connection, transport| {
        let service = Service {
            executor: service.clone(),
            client: connection.closed(),
        };
        ExecServer::new(service).into_session_dispatcher(transport)
    };
    listener.serve(credentials, limits, shutdown, factory).await;
    executor.stop().await;
    Ok(())
}

/// What all actions share.
#[derive(Debug)]
pub(crate) struct Executor {
    /// Where exec roots are, and files while they are written.
    pub(crate) directory: Utf8PathBuf,
    pub(crate) budget: Budget,
    pub(crate) store: Store,
    jobs: usize,
    started: AtomicU64,
    shutdown: CancellationToken,
    /// Actions, and removals of exec roots.
    tasks: TaskTracker,
}

impl Executor {
    fn new(config: &Config, credentials: Credentials, shutdown: &CancellationToken) -> Result<Self, ExecdError> {
        let directory = config.home.exec();
        let aside = exec_root::set_aside_leftovers(&directory).map_err(|source| ExecdError::Directory {
            path: directory.clone(),
            source,
        })?;
        let jobs = config.jobs.max(1);
        let executor = Self {
            directory,
            budget: Budget::new(jobs).map_err(ExecdError::Jobserver)?,
            store: Store::new(config.cas.clone(), credentials),
            jobs,
            started: AtomicU64::new(0),
            shutdown: shutdown.child_token(),
            tasks: TaskTracker::new(),
        };
        if let Some(aside) = aside {
            executor.in_background(move || exec_root::remove(&aside));
        }
        Ok(executor)
    }

    /// Does slow work on the disk that nobody waits for.
    pub(crate) fn in_background(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.tasks.spawn_blocking(work));
    }

    /// A process has started.
    pub(crate) fn count_start(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    fn status(&self) -> ExecStatus {
        let load = self.budget.load();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        ExecStatus {
            pid: std::process::id(),
            jobs: count(self.jobs),
            running: count(load.running),
            waiting: count(load.waiting),
            started: self.started.load(Ordering::Relaxed),
        }
    }

    /// Cancels all actions and waits until their trees are gone.
    async fn stop(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            tracing::warn!("not all actions have ended in time; what they leave is removed at the next start");
        }
    }
}

/// Answers one client.
struct Service {
    executor: Arc<Executor>,
    client: CancellationToken,
}

impl Exec for Service {
    async fn status(&self) -> Reply<ExecStatus> {
        Ok::<_, WireError>(self.executor.status()).into()
    }

    async fn execute(&self, request: ExecuteRequest, dispatch: Dispatch) -> Streaming<ExecuteEvent> {
        let (sender, receiver) = mpsc::channel(EVENTS);
        let cancel = self.executor.shutdown.child_token();
        let watch = cancel_when_gone(sender.clone(), self.client.clone(), cancel.clone());
        let run = action::run(
            self.executor.clone(),
            request,
            dispatch,
            Events::new(sender, cancel.clone()),
        );
        drop(self.executor.tasks.spawn(async move {
            tokio::join!(watch, async {
                run.await;
                cancel.cancel();
            });
        }));
        let events = futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|event| (event, receiver))
        });
        Box::pin(events.map(Ok))
    }
}

/// Fires `cancel` when nobody can receive the action's events any more.
async fn cancel_when_gone(events: mpsc::Sender<ExecuteEvent>, client: CancellationToken, cancel: CancellationToken) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = events.closed() => cancel.cancel(),
        () = client.cancelled() => cancel.cancel(),
    }
}
