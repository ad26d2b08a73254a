//! The store as execd sees it: one session to casd, made anew when it has died.

use std::sync::Arc;
use std::time::Duration;

use rapace::RpcError;
use tokio::sync::Mutex;
use vx_model::Digest;
use vx_proto::{CasClient, ErrorKind, IngestRequest, Ingested, MaterializeRequest, Reply, WireError};
use vx_transport::{Credentials, Endpoint, Limits, Session};

use crate::output::Spooled;

/// Far beyond what any call takes; casd's death ends a call at once.
const DEADLINE: Duration = Duration::from_secs(600);

/// A client of casd.
#[derive(Debug)]
pub(crate) struct Store {
    endpoint: Endpoint,
    credentials: Credentials,
    session: Mutex<Option<Arc<Session>>>,
}

impl Store {
    /// Connects when first used.
    pub(crate) fn new(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self {
            endpoint,
            credentials,
            session: Mutex::new(None),
        }
    }

    /// Lays files down; answers the digests that are missing.
    pub(crate) async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Result<Vec<Digest>, WireError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.call(|cas| async move { cas.materialize(requests).await }).await
    }

    /// Takes files and directories in, each answered in order.
    pub(crate) async fn ingest(&self, requests: Vec<IngestRequest>) -> Result<Vec<Ingested>, WireError> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let asked = requests.len();
        let answers = self.call(|cas| async move { cas.ingest(requests).await }).await?;
        if answers.len() == asked {
            Ok(answers)
        } else {
            Err(WireError::new(
                ErrorKind::Internal,
                "the store answered another number of files than was asked",
            ))
        }
    }

    /// Takes one path in.
    pub(crate) async fn ingest_one(&self, path: &str, consume: bool) -> Result<Ingested, WireError> {
        let request = IngestRequest {
            path: path.to_owned(),
            consume,
        };
        Ok(self.ingest(vec![request]).await?.pop().unwrap_or(Ingested::Absent))
    }

    /// Stores what a process printed; none where it printed nothing.
    pub(crate) async fn put(&self, printed: Spooled) -> Result<Option<Digest>, WireError> {
        match printed {
            Spooled::Memory(bytes) if bytes.is_empty() => Ok(None),
            Spooled::Memory(bytes) => self
                .call(|cas| async move { cas.put_blob(bytes).await })
                .await
                .map(Some),
            Spooled::File(path) => match self.ingest_one(&path.to_string_lossy(), true).await? {
                Ingested::File { digest, .. } => Ok(Some(digest)),
                Ingested::Tree { .. } | Ingested::Absent => Err(WireError::new(
                    ErrorKind::Machine,
                    format!("{} vanished", path.display()),
                )),
            },
        }
    }

    async fn call<T, F, Fut>(&self, call: F) -> Result<T, WireError>
    where
        T: Send + 'static,
        F: FnOnce(CasClient) -> Fut,
        Fut: Future<Output = Result<Reply<T>, RpcError>> + Send + 'static,
    {
        let session = self.session().await?;
        let answer = session.call(DEADLINE, call(CasClient::new(session.rpc()))).await;
        answer.map_err(|error| unavailable(&error))?.into_result()
    }

    async fn session(&self) -> Result<Arc<Session>, WireError> {
        let mut known = self.session.lock().await;
        if let Some(session) = known.as_ref().filter(|session| !session.is_closed()) {
            return Ok(session.clone());
        }
        let session = Session::connect(&self.endpoint, &self.credentials, &Limits::default()).await;
        let session = Arc::new(session.map_err(|error| unavailable(&error))?);
        *known = Some(session.clone());
        Ok(session)
    }
}

fn unavailable(error: &dyn std::error::Error) -> WireError {
    let mut wire = WireError::from_error(ErrorKind::Unavailable, error);
    let cause = std::mem::replace(&mut wire.message, "the executor cannot reach the store".to_owned());
    wire.causes.insert(0, cause);
    wire
}
