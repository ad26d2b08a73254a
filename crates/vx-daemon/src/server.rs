//! The daemon's RPC service and its shutdown: answers clients, forwards the events of their builds, and shuts down in
//! order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use futures::StreamExt as _;
use rapace::Streaming;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vx_proto::{
    BuildEvent, BuildRequest, CasClient, CasStatus, Daemon, DaemonServer, DaemonStatus, ErrorKind, ExecClient,
    ExecStatus, Explanation, Reply, ServiceStatus, UnitKey, WireError,
};
use vx_service::{CasSession as _, RunFile, Service};
use vx_transport::{Connection, Credentials, Limits, Listener};

use crate::activity::{Activity, Busy};
use crate::engine::{Engine, EngineConfig};
use crate::local;
use crate::services::{Services, ServicesConfig, shutting_down};

/// How long cancelled builds may take to notify their clients.
const BUILDS_LIMIT: Duration = Duration::from_millis(500);

/// How long a service may take to end before it is killed. Twice this and [`BUILDS_LIMIT`] are less than the two
/// seconds that `vx kill` promises.
const SERVICES_LIMIT: Duration = Duration::from_millis(500);

/// How long casd and execd may take to report their status.
const STATUS_LIMIT: Duration = Duration::from_secs(5);

/// Events on their way to a client; rapace holds a few more.
const EVENTS_AHEAD: usize = 256;

/// How many events may wait for a client that does not read, before its build is cancelled.
const EVENTS_WAITING: usize = 1 << 16;

/// How often this is checked.
const WAITING_CHECK: Duration = Duration::from_secs(1);

/// The configuration of a daemon.
#[derive(Debug, Clone)]
pub struct DaemonConfig {
    /// Its services and their home.
    pub services: ServicesConfig,
    /// Downloads by SHA-256.
    pub downloads: Utf8PathBuf,
    /// The number of jobs of the machine.
    pub jobs: u32,
    /// How long it keeps running without connections and builds.
    pub idle_timeout: Duration,
    /// When notified, the daemon shuts down unless a build is running.
    pub end_if_idle: Arc<Notify>,
}

/// The daemon could not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The kernel did not make it the parent of orphans.
    #[error("cannot adopt orphaned processes")]
    Subreaper(#[source] std::io::Error),
    /// casd or execd cannot be started.
    #[error("{0}")]
    Services(WireError),
}

impl From<DaemonError> for WireError {
    fn from(error: DaemonError) -> Self {
        match error {
            DaemonError::Services(error) => error,
            error @ DaemonError::Subreaper(_) => Self::from_error(ErrorKind::Machine, &error),
        }
    }
}

/// Runs a daemon: starts its services and answers on `listener`. When `shutdown` is cancelled, a client asks for
/// shutdown or the daemon was idle for long, it ends all builds and services. No process of this daemon is left when it
/// returns.
pub async fn serve(
    config: DaemonConfig,
    listener: Listener,
    credentials: Credentials,
    shutdown: CancellationToken,
) -> Result<(), DaemonError> {
    vx_service::adopt_orphans().map_err(DaemonError::Subreaper)?;
    let services = Services::start(config.services.clone())
        .await
        .map_err(DaemonError::Services)?;
    let engine_config = EngineConfig {
        home: config.services.home.clone(),
        downloads: config.downloads,
        jobs: config.jobs,
    };
    let shared = Arc::new(Shared {
        engine: Engine::new(engine_config, &local::doors(&services)),
        services: services.clone(),
        activity: Activity::new(),
        builds: CancellationToken::new(),
        itself: ServiceStatus {
            name: Service::Daemon.name().to_owned(),
            endpoint: listener.endpoint().to_string(),
            pid: std::process::id(),
        },
        version: credentials.build_version.clone(),
        started: Instant::now(),
    });

    let connections = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(credentials, Limits::default(), connections.clone(), {
        let shared = shared.clone();
        move |connection, transport| {
            DaemonServer::new(Face::new(&shared, connection)).into_session_dispatcher(transport)
        }
    }));
    wait_for_end(&shared.activity, &config.end_if_idle, config.idle_timeout, &shutdown).await;

    shared.activity.stop();
    // Clients that connect from now on start a new daemon, which waits for this one's lock.
    if let Err(error) = RunFile::remove(&config.services.home, Service::Daemon) {
        tracing::warn!(%error, "failed to remove the run file of the daemon");
    }
    shared.builds.cancel();
    let ended = async {
        shared.activity.builds_ended().await;
        shared.engine.settle().await;
    };
    if timeout(BUILDS_LIMIT, ended).await.is_err() {
        tracing::warn!("builds did not end in time after cancellation");
    }
    services.stop(SERVICES_LIMIT).await;
    connections.cancel();
    if let Err(error) = serving.await {
        tracing::error!(%error, "the listener failed");
    }
    Ok(())
}

/// Returns when the daemon should end, for any reason.
async fn wait_for_end(activity: &Activity, end_if_idle: &Notify, idle_timeout: Duration, shutdown: &CancellationToken) {
    let asked_if_idle = async {
        loop {
            end_if_idle.notified().await;
            match activity.stop_if_idle() {
                Ok(()) => return,
                Err(Busy { builds }) => tracing::info!(builds, "asked to shut down if idle, but busy"),
            }
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => tracing::info!("shutting down: requested by a signal"),
        () = activity.stopping() => tracing::info!("shutting down: requested by a client"),
        () = asked_if_idle => tracing::info!("shutting down: requested if idle"),
        () = activity.stop_after_idling(idle_timeout) => tracing::info!("shutting down: idle for {idle_timeout:?}"),
    }
}

/// State that all connections share.
struct Shared {
    engine: Arc<Engine>,
    services: Services,
    activity: Activity,
    /// Parent of the tokens of all builds.
    builds: CancellationToken,
    itself: ServiceStatus,
    version: String,
    started: Instant,
}

/// The daemon's service for one connection.
#[derive(Clone)]
struct Face {
    shared: Arc<Shared>,
    connection: Connection,
}

impl Face {
    /// Counts the connection as long as its peer is connected.
    fn new(shared: &Arc<Shared>, connection: Connection) -> Self {
        let counted = shared.activity.connection();
        let closed = connection.closed();
        tokio::spawn(async move {
            closed.cancelled().await;
            drop(counted);
        });
        Self {
            shared: shared.clone(),
            connection,
        }
    }

    async fn gather_status(&self) -> Result<DaemonStatus, WireError> {
        let shared = &self.shared;
        let cas = cas_status(&shared.services).await?;
        let exec = exec_status(&shared.services).await?;
        let mut services = vec![shared.itself.clone()];
        services.extend(shared.services.status().await);
        Ok(DaemonStatus {
            version: shared.version.clone(),
            uptime_ms: u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            services,
            builds: shared.engine.builds(),
            cas,
            exec,
        })
    }
}

impl Daemon for Face {
    async fn build(&self, request: BuildRequest) -> Streaming<BuildEvent> {
        let Some(counted) = self.shared.activity.build() else {
            return Box::pin(futures::stream::iter([Ok(BuildEvent::Failed(shutting_down()))]));
        };
        let cancel = self.shared.builds.child_token();
        let (engine_events, from_engine) = mpsc::unbounded_channel();
        let (to_client, events) = mpsc::channel(EVENTS_AHEAD);
        tokio::spawn(forward(from_engine, to_client, cancel.clone()));
        let engine = self.shared.engine.clone();
        let closed = self.connection.closed();
        tokio::spawn(async move {
            let _counted = counted;
            let build = engine.build(request, engine_events, cancel.clone());
            tokio::pin!(build);
            tokio::select! {
                () = &mut build => {}
                () = closed.cancelled() => {
                    tracing::info!("a client disconnected, its build is cancelled");
                    cancel.cancel();
                    build.await;
                }
            }
        });
        Box::pin(into_stream(events).map(Ok))
    }

    async fn unit_keys(&self, directory: String, name: String) -> Reply<Vec<UnitKey>> {
        self.shared.engine.unit_keys(&directory, &name).await.into()
    }

    async fn explain(&self, directory: String) -> Reply<Vec<Explanation>> {
        self.shared.engine.explain(&directory).await.into()
    }

    async fn status(&self) -> Reply<DaemonStatus> {
        self.gather_status().await.into()
    }

    async fn shutdown(&self, only_if_idle: bool) -> Reply<()> {
        if !only_if_idle {
            self.shared.activity.stop();
            return Reply::Ok(());
        }
        let stopped = self.shared.activity.stop_if_idle();
        let refuse = |Busy { builds }| {
            let builds = match builds {
                1 => "1 build is running".to_owned(),
                builds => format!("{builds} builds are running"),
            };
            WireError::new(ErrorKind::Busy, builds)
        };
        stopped.map_err(refuse).into()
    }
}

/// Forwards events, always with one final event at the end; cancels the build of a client that does not read.
async fn forward(
    mut events: mpsc::UnboundedReceiver<BuildEvent>,
    client: mpsc::Sender<BuildEvent>,
    cancel: CancellationToken,
) {
    let ended_early = || WireError::new(ErrorKind::Internal, "the build ended without a result");
    loop {
        let event = events.recv().await.unwrap_or_else(|| BuildEvent::Failed(ended_early()));
        let is_last = matches!(event, BuildEvent::Finished(_) | BuildEvent::Failed(_));
        let permit = loop {
            match timeout(WAITING_CHECK, client.reserve()).await {
                Ok(Ok(permit)) => break permit,
                Ok(Err(_gone)) => return,
                Err(_elapsed) if events.len() > EVENTS_WAITING => {
                    tracing::warn!("cancelled the build of a client that does not read");
                    cancel.cancel();
                    return;
                }
                Err(_elapsed) => {}
            }
        };
        permit.send(event);
        if is_last {
            return;
        }
    }
}

fn into_stream<T>(receiver: mpsc::Receiver<T>) -> impl futures::Stream<Item = T> {
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|item| (item, receiver))
    })
}

async fn cas_status(services: &Services) -> Result<CasStatus, WireError> {
    let session = services.cas().await?;
    let client = CasClient::new(session.rpc());
    let reply = session.call(STATUS_LIMIT, async move { client.status().await }).await;
    reply.map_err(|error| Service::Cas.unanswered(&error))?.into_result()
}

async fn exec_status(services: &Services) -> Result<ExecStatus, WireError> {
    let session = services.exec().await?;
    let client = ExecClient::new(session.rpc());
    let reply = session.call(STATUS_LIMIT, async move { client.status().await }).await;
    reply.map_err(|error| Service::Exec.unanswered(&error))?.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u32) -> BuildEvent {
        BuildEvent::Planned { units: number }
    }

    #[tokio::test]
    async fn an_engine_that_breaks_off_still_gives_the_client_an_end() {
        let (engine, from_engine) = mpsc::unbounded_channel();
        let (to_client, mut client) = mpsc::channel(4);
        engine.send(event(1)).unwrap();
        drop(engine);
        forward(from_engine, to_client, CancellationToken::new()).await;
        assert_eq!(client.recv().await, Some(event(1)));
        assert!(matches!(client.recv().await, Some(BuildEvent::Failed(_))));
        assert_eq!(client.recv().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_loses_its_build() {
        let (engine, from_engine) = mpsc::unbounded_channel();
        let (to_client, _client) = mpsc::channel(1);
        let cancel = CancellationToken::new();
        let forwarding = tokio::spawn(forward(from_engine, to_client, cancel.clone()));
        for number in 0..=u32::try_from(EVENTS_WAITING).unwrap() + 2 {
            engine.send(event(number)).unwrap();
        }
        cancel.cancelled().await;
        forwarding.await.unwrap();
    }
}
