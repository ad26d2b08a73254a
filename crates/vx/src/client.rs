//! One question to the daemon, from this side: connect, ask, follow the answer.
//!
//! Ctrl-C ends the process; the daemon sees the connection close and cancels what it did for it.

use std::pin::pin;

use futures::StreamExt as _;
use vx_proto::{BuildEvent, BuildRequest, BuildSummary, DaemonClient, ErrorKind, Explanation, WireError};
use vx_transport::CallError;

use crate::environment::Environment;
use crate::render::BuildView;
use crate::{Invocation, daemon, error};

/// An answer from memory and a few records; a daemon that needs longer is stuck.
const EXPLAIN_DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// Builds and shows it. An error means that the build was not good, or that there was none.
pub(crate) fn build(invocation: &mut Invocation<'_>, request: BuildRequest) -> Result<BuildSummary, WireError> {
    let mut view = BuildView::new(invocation.screen, invocation.started);
    let summary = block_on(follow(&invocation.environment, request, &mut view))?;
    view.finished(&summary);
    Ok(summary)
}

/// What the last build in the workspace at `root` did.
pub(crate) fn explain(environment: &Environment, root: String) -> Result<Vec<Explanation>, WireError> {
    block_on(async {
        let session = daemon::connect(environment).await?;
        let client = DaemonClient::new(session.rpc());
        let call = session.call(EXPLAIN_DEADLINE, async move { client.explain(root).await });
        call.await
            .map_err(|error| error::from_call("daemon", &error))?
            .into_result()
    })
}

async fn follow(
    environment: &Environment,
    request: BuildRequest,
    view: &mut BuildView<'_>,
) -> Result<BuildSummary, WireError> {
    let mut begun = false;
    match listen(environment, request.clone(), view, &mut begun).await {
        // It was ending when it was found, because it was idle or of another version: now another one is started.
        Err(Broken::Connection(CallError::Unavailable { .. })) if !begun => {
            listen(environment, request, view, &mut begun).await
        }
        ended => ended,
    }
    .map_err(|broken| match broken {
        Broken::Connection(error) => error::from_call("daemon", &error),
        Broken::Build(error) => error,
    })
}

/// Why there is no good build.
enum Broken {
    Connection(CallError),
    Build(WireError),
}

/// Shows one build to its end; `begun` becomes true when the daemon has said something about it.
async fn listen(
    environment: &Environment,
    request: BuildRequest,
    view: &mut BuildView<'_>,
    begun: &mut bool,
) -> Result<BuildSummary, Broken> {
    let session = daemon::connect(environment).await.map_err(Broken::Build)?;
    let client = DaemonClient::new(session.rpc());
    let events = session.stream(async move { client.build(request).await }).await;
    let mut events = pin!(events.map_err(Broken::Connection)?);
    while let Some(event) = events.next().await {
        let event = event.map_err(Broken::Connection)?;
        *begun = true;
        match event {
            BuildEvent::Finished(summary) => return Ok(summary),
            BuildEvent::Failed(error) => return Err(Broken::Build(error)),
            event => view.event(&event),
        }
    }
    let message = "the daemon ended the build without a result";
    Err(Broken::Build(WireError::new(ErrorKind::Unavailable, message)))
}

/// Runs `work` on this thread until it is done or the user interrupts it. One thread is all that a client needs, and
/// starting more would be most of the time of a build with nothing to do.
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
