//! The client's side of one request to the daemon: connect, send, follow the response.
//!
//! Ctrl-C ends the process. The daemon sees the connection close and cancels the work.

use std::pin::pin;

use camino::Utf8Path;
use futures::StreamExt as _;
use vx_proto::{
    BuildEvent, BuildRequest, BuildSummary, DaemonClient, ErrorKind, Explanation, Reply, UnitKey, WireError,
};
use vx_service::Service;
use vx_transport::CallError;

use crate::Invocation;
use crate::action_log::ActionLog;
use crate::environment::Environment;
use crate::render::BuildView;

/// An answer from memory and a few records; a daemon that needs longer is stuck.
const EXPLAIN_DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// How many daemons are tried. A second one is needed when the first is just ending, and more if the idle timeout is
/// shorter than the time it takes to connect.
const ATTEMPTS: u32 = 5;

/// Builds and shows it, and writes what was started to `log`. Fails if the build failed or could not begin.
pub(crate) fn build(
    invocation: &mut Invocation<'_>,
    request: BuildRequest,
    log: Option<&Utf8Path>,
) -> Result<BuildSummary, WireError> {
    let log = log.map(ActionLog::create).transpose()?;
    let view = BuildView::new(invocation.screen, invocation.started);
    let mut audience = Audience { view, log };
    let summary = block_on(follow(&invocation.environment, request, &mut audience))?;
    audience.view.finished(&summary);
    Ok(summary)
}

/// Fetches what a build needs, and shows it.
pub(crate) fn fetch(invocation: &mut Invocation<'_>, request: BuildRequest) -> Result<(), WireError> {
    let view = BuildView::new(invocation.screen, invocation.started);
    let mut audience = Audience { view, log: None };
    block_on(follow(&invocation.environment, request, &mut audience))?;
    audience.view.fetched();
    Ok(())
}

/// What receives the events of a build.
struct Audience<'a> {
    view: BuildView<'a>,
    log: Option<ActionLog>,
}

impl Audience<'_> {
    fn event(&mut self, event: &BuildEvent) -> Result<(), WireError> {
        self.view.event(event);
        self.log.as_mut().map_or(Ok(()), |log| log.event(event))
    }
}

/// What the last build in the workspace at `root` did.
pub(crate) fn explain(environment: &Environment, root: String) -> Result<Vec<Explanation>, WireError> {
    ask(environment, move |daemon| async move { daemon.explain(root).await })
}

/// What the units called `name` of the last build in the workspace at `root` were keyed by.
pub(crate) fn unit_keys(environment: &Environment, root: String, name: String) -> Result<Vec<UnitKey>, WireError> {
    ask(
        environment,
        move |daemon| async move { daemon.unit_keys(root, name).await },
    )
}

/// Asks the daemon about the last build.
fn ask<T, F, Fut>(environment: &Environment, call: F) -> Result<T, WireError>
where
    T: Send + 'static,
    F: FnOnce(DaemonClient) -> Fut,
    Fut: Future<Output = Result<Reply<T>, vx_transport::RpcError>> + Send + 'static,
{
    block_on(async {
        let session = environment.daemon_access().connect().await?;
        let answer = session
            .call(EXPLAIN_DEADLINE, call(DaemonClient::new(session.rpc())))
            .await;
        answer
            .map_err(|error| Service::Daemon.unanswered(&error))?
            .into_result()
    })
}

async fn follow(
    environment: &Environment,
    request: BuildRequest,
    audience: &mut Audience<'_>,
) -> Result<BuildSummary, WireError> {
    let mut attempts = ATTEMPTS;
    loop {
        let mut begun = false;
        attempts -= 1;
        match listen(environment, request.clone(), audience, &mut begun).await {
            Err(broken) if !begun && attempts > 0 && broken.is_of_an_ending_daemon() => {}
            ended => return ended.map_err(Broken::into_error),
        }
    }
}

/// Why a build failed.
enum Broken {
    Connection(CallError),
    Build(WireError),
}

impl Broken {
    /// Whether the daemon was ending when it was found, because it was idle or has another version. A new one can be
    /// started.
    fn is_of_an_ending_daemon(&self) -> bool {
        match self {
            Self::Connection(error) => matches!(error, CallError::Unavailable { .. }),
            Self::Build(error) => error.kind == ErrorKind::Ending,
        }
    }

    fn into_error(self) -> WireError {
        match self {
            Self::Connection(error) => Service::Daemon.unanswered(&error),
            Self::Build(error) => error,
        }
    }
}

/// Shows one build to its end; `begun` becomes true with the daemon's first event.
async fn listen(
    environment: &Environment,
    request: BuildRequest,
    audience: &mut Audience<'_>,
    begun: &mut bool,
) -> Result<BuildSummary, Broken> {
    let session = environment.daemon_access().connect().await.map_err(Broken::Build)?;
    let client = DaemonClient::new(session.rpc());
    let events = session.stream(async move { client.build(request).await }).await;
    let mut events = pin!(events.map_err(Broken::Connection)?);
    while let Some(event) = events.next().await {
        match event.map_err(Broken::Connection)? {
            BuildEvent::Finished(summary) => return Ok(summary),
            BuildEvent::Failed(error) => return Err(Broken::Build(error)),
            event => {
                *begun = true;
                audience.event(&event).map_err(Broken::Build)?;
            }
        }
    }
    let message = "the daemon ended the build without a result";
    Err(Broken::Build(WireError::new(ErrorKind::Unavailable, message)))
}

/// Runs `work` on this thread until it is done or the user interrupts it. A client needs only one thread, and starting
/// more would dominate the time of a build with nothing to do.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, WireError>>) -> Result<T, WireError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| WireError::from_error(ErrorKind::Machine, &error))?;
    runtime.block_on(async {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => Err(WireError::new(ErrorKind::Cancelled, "interrupted")),
            result = work => result,
        }
    })
}
