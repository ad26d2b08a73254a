//! The daemon's own services: starts casd and execd, notices when they end, and restarts them when needed.
//!
//! execd is started with casd's endpoint, so a new casd means a new execd. Nothing is restarted in the background: a
//! service that cannot start would otherwise be tried forever without anybody noticing.

use std::sync::Arc;
use std::time::Duration;

use camino::Utf8PathBuf;
use tokio::process::{Child, ChildStdin};
use tokio::sync::Mutex;
use tokio::task;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vx_home::{VxHome, env};
use vx_proto::{ErrorKind, ServiceStatus, WireError};
use vx_service::{CasSession, Launch, RunFile, Service, launch};
use vx_transport::{Credentials, Endpoint, Limits, Session};

/// How long a service may take to end after its connection broke, before it counts as alive and unreachable.
const DEATH_LIMIT: Duration = Duration::from_secs(2);

/// The configuration of services.
#[derive(Debug, Clone)]
pub struct ServicesConfig {
    /// The home of the services.
    pub home: VxHome,
    /// The secret that they and the daemon prove to each other.
    pub credentials: Credentials,
    /// casd's endpoint; `None` for a free port.
    pub cas: Option<Endpoint>,
    /// execd's endpoint; `None` for a free port.
    pub exec: Option<Endpoint>,
    /// The destination of logs instead of the home's log files.
    pub log_file: Option<Utf8PathBuf>,
}

/// casd and execd of one daemon. Clones share them.
#[derive(Debug, Clone)]
pub struct Services {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ServicesConfig,
    /// Held while services are started or stopped, so that each is started only once.
    pair: Mutex<Option<Pair>>,
    /// The one session with casd.
    cas_session: Mutex<Option<Arc<Session>>>,
    /// Set when the daemon ends: nothing is started from then on.
    stopped: CancellationToken,
}

#[derive(Debug)]
struct Pair {
    cas: Running,
    exec: Running,
}

/// A service process that became ready; it may have ended since.
#[derive(Debug)]
struct Running {
    published: RunFile,
    endpoint: Endpoint,
    /// Closing it asks the service to end.
    lifeline: Option<ChildStdin>,
    /// Asks the watcher to kill it.
    kill: CancellationToken,
    /// Cancelled by the watcher once the service has ended and its leftovers are removed.
    ended: CancellationToken,
}

impl Services {
    /// Starts both services.
    pub async fn start(config: ServicesConfig) -> Result<Self, WireError> {
        let services = Self {
            shared: Arc::new(Shared {
                config,
                pair: Mutex::new(None),
                cas_session: Mutex::new(None),
                stopped: CancellationToken::new(),
            }),
        };
        services.cas().await?;
        Ok(services)
    }

    /// A new connection to execd: each action has its own, whose end cancels the action.
    pub async fn exec(&self) -> Result<Session, WireError> {
        self.connect(Service::Exec).await
    }

    /// The running services, for people; does not start any.
    pub async fn status(&self) -> Vec<ServiceStatus> {
        let pair = self.shared.pair.lock().await;
        let Some(pair) = &*pair else { return Vec::new() };
        [(Service::Cas, &pair.cas), (Service::Exec, &pair.exec)]
            .into_iter()
            .filter(|(_, running)| !running.ended.is_cancelled())
            .map(|(service, running)| ServiceStatus {
                name: service.name().to_owned(),
                endpoint: running.published.endpoint.clone(),
                pid: running.published.process.pid,
            })
            .collect()
    }

    /// Stops both: gracefully within `grace`, by force after it.
    pub async fn stop(&self, grace: Duration) {
        self.shared.stopped.cancel();
        let mut pair = self.shared.pair.lock().await;
        let Some(Pair { mut cas, mut exec }) = pair.take() else {
            return;
        };
        // Both are asked at once; execd's processes end before this returns.
        cas.ask_to_end();
        exec.end(grace).await;
        cas.end(grace).await;
    }

    async fn connect(&self, service: Service) -> Result<Session, WireError> {
        let (endpoint, ended) = self.ensure(service).await?;
        let error = match self.try_connect(&endpoint).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        // It may be ending just now: its sockets close before the kernel notifies its parent.
        if timeout(DEATH_LIMIT, ended.cancelled()).await.is_err() {
            let failed = service.unreachable(&error);
            return Err(failed.with_help("stop the daemon and its services with `vx kill`, then run the command again"));
        }
        let (endpoint, _) = self.ensure(service).await?;
        let connected = self.try_connect(&endpoint).await;
        connected.map_err(|error| service.unreachable(&error))
    }

    async fn try_connect(&self, endpoint: &Endpoint) -> Result<Session, vx_transport::ConnectError> {
        Session::connect(endpoint, &self.shared.config.credentials, &Limits::default()).await
    }

    /// The endpoint of a running service, and the token that is cancelled at its end; starts it if needed.
    ///
    /// The build that asks may be cancelled meanwhile. A start is not: what its predecessor left behind is ended before
    /// it, and would otherwise be ended during the next one.
    async fn ensure(&self, service: Service) -> Result<(Endpoint, CancellationToken), WireError> {
        let services = self.clone();
        let started = tokio::spawn(async move { services.start_if_needed(service).await }).await;
        started.map_err(|error| WireError::from_error(ErrorKind::Internal, &error))?
    }

    async fn start_if_needed(&self, service: Service) -> Result<(Endpoint, CancellationToken), WireError> {
        let mut pair = self.shared.pair.lock().await;
        if self.shared.stopped.is_cancelled() {
            return Err(shutting_down());
        }
        // A start may take long; it is abandoned when the daemon ends, and the services with it.
        let living = tokio::select! {
            living = self.revive(pair.take()) => living?,
            () = self.shared.stopped.cancelled() => return Err(shutting_down()),
        };
        let running = match service {
            Service::Exec => &living.exec,
            Service::Cas | Service::Daemon => &living.cas,
        };
        let answer = (running.endpoint.clone(), running.ended.clone());
        *pair = Some(living);
        Ok(answer)
    }

    async fn revive(&self, pair: Option<Pair>) -> Result<Pair, WireError> {
        match pair {
            Some(pair) if !pair.cas.ended.is_cancelled() => {
                if !pair.exec.ended.is_cancelled() {
                    return Ok(pair);
                }
                let exec = self.launch_exec(&pair.cas).await?;
                Ok(Pair { exec, ..pair })
            }
            stale => {
                if let Some(mut stale) = stale {
                    stale.exec.end(DEATH_LIMIT).await;
                }
                let cas = self.launch(Service::Cas, self.shared.config.cas.as_ref(), &[]).await?;
                let exec = self.launch_exec(&cas).await?;
                Ok(Pair { cas, exec })
            }
        }
    }

    async fn launch_exec(&self, cas: &Running) -> Result<Running, WireError> {
        let exec = self.shared.config.exec.as_ref();
        self.launch(Service::Exec, exec, &[cas]).await
    }

    /// Starts one service; `others` are already running and are not its leftovers.
    async fn launch(
        &self,
        service: Service,
        endpoint: Option<&Endpoint>,
        others: &[&Running],
    ) -> Result<Running, WireError> {
        let config = &self.shared.config;
        let mut environment = Vec::new();
        environment.extend(endpoint.map(|endpoint| (service.endpoint_variable(), endpoint.to_string())));
        environment.extend(others.iter().map(|cas| (env::VX_CAS, cas.endpoint.to_string())));
        let launched = launch(Launch {
            service,
            home: &config.home,
            log_file: config.log_file.as_deref(),
            environment,
            bound: true,
        })
        .await?;
        let endpoint = launched.endpoint;
        tracing::info!(%service, pid = launched.published.process.pid, %endpoint, "started");
        let running = Running {
            published: launched.published,
            endpoint,
            lifeline: launched.lifeline,
            kill: CancellationToken::new(),
            ended: CancellationToken::new(),
        };
        let mut spared = vec![running.published.process.pid];
        spared.extend(others.iter().map(|other| other.published.process.pid));
        tokio::spawn(watch(Watched {
            service,
            child: launched.child,
            home: config.home.clone(),
            spared,
            kill: running.kill.clone(),
            ended: running.ended.clone(),
        }));
        Ok(running)
    }
}

impl CasSession for Services {
    /// All builds share it.
    async fn cas(&self) -> Result<Arc<Session>, WireError> {
        let mut session = self.shared.cas_session.lock().await;
        if let Some(session) = &*session
            && !session.is_closed()
        {
            return Ok(session.clone());
        }
        let fresh = Arc::new(self.connect(Service::Cas).await?);
        *session = Some(fresh.clone());
        Ok(fresh)
    }
}

impl Running {
    fn ask_to_end(&mut self) {
        self.lifeline = None;
    }

    async fn end(&mut self, grace: Duration) {
        self.ask_to_end();
        if timeout(grace, self.ended.cancelled()).await.is_err() {
            self.kill.cancel();
            self.ended.cancelled().await;
        }
    }
}

/// The error for requests during shutdown.
pub(crate) fn shutting_down() -> WireError {
    WireError::new(ErrorKind::Ending, "the vx daemon is shutting down")
}

/// What the watcher of one service process needs.
struct Watched {
    service: Service,
    child: Child,
    home: VxHome,
    /// Children of the daemon that are not left over from this service.
    spared: Vec<u32>,
    kill: CancellationToken,
    ended: CancellationToken,
}

/// Waits for the end of a service and cleans up after it.
async fn watch(mut watched: Watched) {
    let service = watched.service;
    let status = tokio::select! {
        status = watched.child.wait() => status,
        () = watched.kill.cancelled() => {
            let _ = watched.child.start_kill();
            watched.child.wait().await
        }
    };
    match status {
        Ok(status) => tracing::info!(%service, %status, "ended"),
        Err(error) => tracing::error!(%service, %error, "failed to wait for a service"),
    }
    if service == Service::Exec {
        end_orphans(watched.spared).await;
    }
    // A killed service could not do this itself.
    if let Err(error) = RunFile::remove(&watched.home, service) {
        tracing::warn!(%service, %error, "failed to remove the run file of a service");
    }
    watched.ended.cancel();
}

async fn end_orphans(spared: Vec<u32>) {
    let ended = task::spawn_blocking(move || vx_service::end_orphans(&spared)).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "failed to end what execd left behind"),
        Err(error) => tracing::error!(%error, "failed to end what execd left behind"),
    }
}
