//! The daemon's own services: starts casd and execd, notices their deaths, starts them again when they are next needed.
//!
//! execd is started with casd's endpoint, so a new casd means a new execd. Nothing is restarted in the background: a
//! service that cannot start would otherwise be tried for ever with nobody to tell.

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

/// How long a service whose connection has broken may take to end before it counts as alive and unreachable.
const DEATH_LIMIT: Duration = Duration::from_secs(2);

/// What services are started with.
#[derive(Debug, Clone)]
pub struct ServicesConfig {
    /// Whose services they are.
    pub home: VxHome,
    /// What they and the daemon prove to one another.
    pub credentials: Credentials,
    /// casd's endpoint; none for a free port.
    pub cas: Option<Endpoint>,
    /// execd's endpoint; none for a free port.
    pub exec: Option<Endpoint>,
    /// Where logs go in place of the home's log files.
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
    /// Held while services are started or ended, so each is started once whoever asks.
    pair: Mutex<Option<Pair>>,
    /// The one session with casd.
    cas_session: Mutex<Option<Arc<Session>>>,
    /// Set for good when the daemon ends: nothing is started from then on.
    stopped: CancellationToken,
}

#[derive(Debug)]
struct Pair {
    cas: Running,
    exec: Running,
}

/// A service process that was ready; it may have ended since.
#[derive(Debug)]
struct Running {
    published: RunFile,
    endpoint: Endpoint,
    /// Closed, it asks the service to end.
    lifeline: Option<ChildStdin>,
    /// Asks the watcher to kill it.
    kill: CancellationToken,
    /// Fired by the watcher once it has ended and what it left behind is gone.
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

    /// A connection with execd of its own: one for each action, whose end is the action's cancellation.
    pub async fn exec(&self) -> Result<Session, WireError> {
        self.connect(Service::Exec).await
    }

    /// Who runs, for people; starts nothing.
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

    /// Ends both for good: in good order within `grace`, by force after it.
    pub async fn stop(&self, grace: Duration) {
        self.shared.stopped.cancel();
        let mut pair = self.shared.pair.lock().await;
        let Some(Pair { mut cas, mut exec }) = pair.take() else {
            return;
        };
        // Both are asked at once; execd's processes are gone before anybody says so.
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
        // It may be dying just now: its sockets close before the kernel tells its parent.
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

    /// The endpoint of a living service and the token that tells its end; starts what does not live.
    async fn ensure(&self, service: Service) -> Result<(Endpoint, CancellationToken), WireError> {
        let mut pair = self.shared.pair.lock().await;
        if self.shared.stopped.is_cancelled() {
            return Err(shutting_down());
        }
        // A start may take long; it is given up when the daemon ends, and the services with it.
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

    /// Starts one service; `others` run already and are not its leftovers.
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

/// What is answered once nothing is begun any more.
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

/// Waits for the end of a service and clears up behind it.
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
        Err(error) => tracing::error!(%service, %error, "cannot wait for a service"),
    }
    if service == Service::Exec {
        end_orphans(watched.spared).await;
    }
    // A service that was killed could not do this itself.
    if let Err(error) = RunFile::remove(&watched.home, service) {
        tracing::warn!(%service, %error, "cannot remove the run file of a service");
    }
    watched.ended.cancel();
}

async fn end_orphans(spared: Vec<u32>) {
    let ended = task::spawn_blocking(move || vx_service::end_orphans(&spared)).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "cannot end what execd left behind"),
        Err(error) => tracing::error!(%error, "cannot end what execd left behind"),
    }
}
