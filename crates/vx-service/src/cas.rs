//! The store as its clients see it: casd's calls with deadlines, their errors in one type.

use std::sync::Arc;
use std::time::Duration;

use rapace::RpcError;
use tokio::sync::Mutex;
use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{
    CasClient, ErrorKind, IngestRequest, Ingested, LinkedBlob, MaterializeRequest, RecordKey, Reply, WireError,
};
use vx_transport::{CallError, Credentials, Endpoint, Limits, Session};

use crate::Service;

/// Far more than any call takes; if casd dies, a call ends at once.
const DEADLINE: Duration = Duration::from_secs(600);

/// Gives the session with casd.
pub trait CasSession {
    /// A live session; a new one if the last one is dead.
    fn cas(&self) -> impl Future<Output = Result<Arc<Session>, WireError>> + Send;
}

/// casd at a known endpoint, connected at the first call.
#[derive(Debug)]
pub struct CasEndpoint {
    endpoint: Endpoint,
    credentials: Credentials,
    session: Mutex<Option<Arc<Session>>>,
}

impl CasEndpoint {
    /// Connects later.
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Self {
        Self {
            endpoint,
            credentials,
            session: Mutex::new(None),
        }
    }
}

impl CasSession for CasEndpoint {
    async fn cas(&self) -> Result<Arc<Session>, WireError> {
        let mut known = self.session.lock().await;
        if let Some(session) = known.as_ref().filter(|session| !session.is_closed()) {
            return Ok(session.clone());
        }
        let session = Session::connect(&self.endpoint, &self.credentials, &Limits::default()).await;
        let session = Arc::new(session.map_err(|error| Service::Cas.unreachable(&error))?);
        *known = Some(session.clone());
        Ok(session)
    }
}

/// A client of casd.
#[derive(Debug, Clone)]
pub struct Store<S> {
    sessions: S,
}

/// What a store answers.
type Answer<T> = Result<T, WireError>;

impl<S: CasSession> Store<S> {
    /// Reaches casd by way of `sessions`.
    pub fn new(sessions: S) -> Self {
        Self { sessions }
    }

    /// A small blob; `None` if it is missing or damaged.
    pub async fn get_blob(&self, digest: Digest) -> Answer<Option<Vec<u8>>> {
        self.call(move |cas| async move { cas.get_blob(digest).await }).await
    }

    /// Stores a small blob.
    pub async fn put_blob(&self, content: Vec<u8>) -> Answer<Digest> {
        self.call(move |cas| async move { cas.put_blob(content).await }).await
    }

    /// How often each of `texts` occurs in the blob; without `debug_info`, the debug information of compilers is not
    /// searched. `None` if it is missing.
    pub async fn texts_in(&self, digest: Digest, texts: Vec<String>, debug_info: bool) -> Answer<Option<Vec<u64>>> {
        self.call(move |cas| async move { cas.texts_in(digest, texts, debug_info).await })
            .await
    }

    /// The same for all files and links of a tree together.
    pub async fn texts_in_tree(&self, root: Digest, texts: Vec<String>, debug_info: bool) -> Answer<Option<Vec<u64>>> {
        self.call(move |cas| async move { cas.texts_in_tree(root, texts, debug_info).await })
            .await
    }

    /// Takes in files and directories; one answer for each, in order.
    pub async fn ingest(&self, requests: Vec<IngestRequest>) -> Answer<Vec<Ingested>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let asked = requests.len();
        let consumes = requests.iter().any(|request| request.consume);
        let call = move |cas: CasClient| async move { cas.ingest(requests).await };
        let answers = match consumes {
            // What casd moved before it died would be absent the second time.
            true => self.call_once(call).await?.map_err(unanswered)?.into_result()?,
            false => self.call(call).await?,
        };
        if answers.len() == asked {
            return Ok(answers);
        }
        let message = format!("asked for {asked} files, the store answered for {}", answers.len());
        Err(WireError::new(ErrorKind::Internal, message))
    }

    /// Takes one path in.
    pub async fn ingest_one(&self, path: &str, consume: bool) -> Answer<Ingested> {
        let path = path.to_owned();
        let answers = self.ingest(vec![IngestRequest { path, consume }]).await?;
        Ok(answers.into_iter().next().unwrap_or(Ingested::Absent))
    }

    /// Lays files down; returns the digests that are missing.
    pub async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Answer<Vec<Digest>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        self.call(move |cas| async move { cas.materialize(requests).await })
            .await
    }

    /// Removes links that were laid down.
    pub async fn release(&self, links: Vec<LinkedBlob>) -> Answer<()> {
        if links.is_empty() {
            return Ok(());
        }
        self.call(move |cas| async move { cas.release(links).await }).await
    }

    /// The input sets recorded under `weak`.
    pub async fn input_sets(&self, weak: Key) -> Answer<Vec<InputSet>> {
        self.call(move |cas| async move { cas.input_sets(weak).await }).await
    }

    /// The whole result under `strong`.
    pub async fn get_result(&self, strong: Key) -> Answer<Option<ActionResult>> {
        self.call(move |cas| async move { cas.get_result(strong).await }).await
    }

    /// Publishes a result.
    pub async fn put_result(&self, weak: Key, set: InputSet, strong: Key, result: ActionResult) -> Answer<()> {
        self.call(move |cas| async move { cas.put_result(weak, set, strong, result).await })
            .await
    }

    /// Reads a record.
    pub async fn get_record(&self, key: RecordKey) -> Answer<Option<Vec<u8>>> {
        self.call(move |cas| async move { cas.get_record(key).await }).await
    }

    /// Writes a record.
    pub async fn put_record(&self, key: RecordKey, value: Vec<u8>) -> Answer<()> {
        self.call(move |cas| async move { cas.put_record(key, value).await })
            .await
    }

    /// For calls that may be repeated. Only a call shows that casd has died; it is then repeated with the successor.
    async fn call<T, F, Fut>(&self, call: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(CasClient) -> Fut + Clone,
        Fut: Future<Output = Result<Reply<T>, RpcError>> + Send + 'static,
    {
        let reply = match self.call_once(call.clone()).await? {
            Err(CallError::Unavailable { .. }) => self.call_once(call).await?,
            reply => reply,
        };
        reply.map_err(unanswered)?.into_result()
    }

    async fn call_once<T, F, Fut>(&self, call: F) -> Answer<Result<Reply<T>, CallError>>
    where
        T: Send + 'static,
        F: FnOnce(CasClient) -> Fut,
        Fut: Future<Output = Result<Reply<T>, RpcError>> + Send + 'static,
    {
        let session = self.sessions.cas().await?;
        Ok(session.call(DEADLINE, call(CasClient::new(session.rpc()))).await)
    }
}

fn unanswered(error: CallError) -> WireError {
    Service::Cas.unanswered(&error)
}
