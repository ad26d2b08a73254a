//! Runs actions by execd: each has its own connection, and the end of the connection cancels the action.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use vx_proto::{Dispatch, ExecClient, ExecuteRequest, WireError};
use vx_service::Service;

use crate::engine::{ExecuteEvents, Executor};
use crate::services::Services;

/// How long execd may take to say how it is.
const STATUS_LIMIT: Duration = Duration::from_secs(10);

/// Reaches execd through the daemon's services, which start it again if needed.
#[derive(Debug)]
pub(super) struct Execd {
    services: Services,
}

impl Execd {
    pub(super) fn new(services: Services) -> Self {
        Self { services }
    }
}

#[async_trait]
impl Executor for Execd {
    async fn execute(&self, request: ExecuteRequest, dispatch: Dispatch) -> Result<ExecuteEvents, WireError> {
        let session = self.services.exec().await?;
        let client = ExecClient::new(session.rpc());
        let gone = |error| {
            Service::Exec
                .unanswered(&error)
                .context("lost the connection to the executor")
        };
        let events = session
            .stream(async move { client.execute(request, dispatch).await })
            .await
            .map_err(gone)?;
        // The connection lives as long as the stream.
        Ok(events.map(move |event| event.map_err(gone)).boxed())
    }

    async fn uncontained(&self) -> Result<Option<String>, WireError> {
        let session = self.services.exec().await?;
        let client = ExecClient::new(session.rpc());
        let answer = session.call(STATUS_LIMIT, async move { client.status().await }).await;
        let reply = answer.map_err(|error| Service::Exec.unanswered(&error))?;
        Ok(reply.into_result()?.uncontained)
    }
}
