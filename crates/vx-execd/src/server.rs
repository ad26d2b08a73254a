//! The service: implements `Exec`, and ends with its process trees.

use std::sync::Arc;

use futures::StreamExt as _;
use rapace::Streaming;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vx_proto::{Dispatch, Exec, ExecServer, ExecStatus, ExecuteEvent, ExecuteRequest, Reply, WireError};
use vx_transport::{Connection, Credentials, Limits, Listener};

use crate::action::{self, Events};
use crate::executor::Executor;
use crate::{Config, ExecdError, reap};

/// Every waiting action has a connection of its own.
const CONNECTIONS: usize = 4096;

/// Events in flight to one client; if it does not read them, the process waits.
const EVENTS: usize = 64;

/// Serves until `shutdown` fires; then kills all process trees and returns, within two seconds.
///
/// Must be called in a process of its own, and by one at a time for each home: it makes the process a subreaper and
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
