//! The store as the engine sees it: casd's calls with deadlines, their errors in one type.

use std::time::Duration;

use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{CasClient, ErrorKind, IngestRequest, Ingested, MaterializeRequest, RecordKey, Reply, WireError};
use vx_service::CasSession as _;
use vx_transport::CallError;

use crate::services::Services;

/// Far beyond what any call takes; casd's death ends a call at once.
const DEADLINE: Duration = Duration::from_secs(300);

/// Calls to casd.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    services: Services,
}

/// What a store answers.
type Answer<T> = Result<T, WireError>;

impl Store {
    /// Reaches casd through `services`, which respawns it where needed.
    pub(crate) fn new(services: Services) -> Self {
        Self { services }
    }

    /// Every call may be made twice: one that meets a casd that has died, which is known only when it is asked, is made
    /// again with its successor.
    async fn call<T, F, Fut>(&self, call: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(CasClient) -> Fut + Clone,
        Fut: Future<Output = Result<Reply<T>, rapace::RpcError>> + Send + 'static,
    {
        let reply = match self.call_once(call.clone()).await? {
            Err(CallError::Unavailable { .. }) => self.call_once(call).await?,
            reply => reply,
        };
        reply.map_err(|error| unavailable("the store", &error))?.into_result()
    }

    async fn call_once<T, F, Fut>(&self, call: F) -> Answer<Result<Reply<T>, CallError>>
    where
        T: Send + 'static,
        F: FnOnce(CasClient) -> Fut,
        Fut: Future<Output = Result<Reply<T>, rapace::RpcError>> + Send + 'static,
    {
        let session = self.services.cas().await?;
        let client = CasClient::new(session.rpc());
        Ok(session.call(DEADLINE, call(client)).await)
    }

    /// A small blob; none where it is missing or damaged.
    pub(crate) async fn get_blob(&self, digest: Digest) -> Answer<Option<Vec<u8>>> {
        self.call(move |cas| async move { cas.get_blob(digest).await }).await
    }

    /// Stores a small blob.
    pub(crate) async fn put_blob(&self, content: Vec<u8>) -> Answer<Digest> {
        self.call(move |cas| async move { cas.put_blob(content).await }).await
    }

    /// How often each of `texts` occurs in the blob; none where it is missing.
    pub(crate) async fn texts_in(&self, digest: Digest, texts: Vec<String>) -> Answer<Option<Vec<u64>>> {
        self.call(move |cas| async move { cas.texts_in(digest, texts).await })
            .await
    }

    /// Takes files and directories in.
    pub(crate) async fn ingest(&self, requests: Vec<IngestRequest>) -> Answer<Vec<Ingested>> {
        self.call(move |cas| async move { cas.ingest(requests).await }).await
    }

    /// Lays files down; answers what is missing.
    pub(crate) async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Answer<Vec<Digest>> {
        self.call(move |cas| async move { cas.materialize(requests).await })
            .await
    }

    /// The input sets recorded under `weak`.
    pub(crate) async fn input_sets(&self, weak: Key) -> Answer<Vec<InputSet>> {
        self.call(move |cas| async move { cas.input_sets(weak).await }).await
    }

    /// The whole result under `strong`.
    pub(crate) async fn get_result(&self, strong: Key) -> Answer<Option<ActionResult>> {
        self.call(move |cas| async move { cas.get_result(strong).await }).await
    }

    /// Publishes a result.
    pub(crate) async fn put_result(&self, weak: Key, set: InputSet, strong: Key, result: ActionResult) -> Answer<()> {
        self.call(move |cas| async move { cas.put_result(weak, set, strong, result).await })
            .await
    }

    /// Reads a record of `table`.
    pub(crate) async fn get_record(&self, table: &str, key: &str) -> Answer<Option<Vec<u8>>> {
        let key = record_key(table, key);
        self.call(move |cas| async move { cas.get_record(key).await }).await
    }

    /// Writes a record of `table`.
    pub(crate) async fn put_record(&self, table: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        let key = record_key(table, key);
        self.call(move |cas| async move { cas.put_record(key, value).await })
            .await
    }
}

fn record_key(table: &str, key: &str) -> RecordKey {
    RecordKey {
        table: table.to_owned(),
        key: key.to_owned(),
    }
}

/// A service that did not answer, in the words of the person who waits.
pub(crate) fn unavailable(service: &str, error: &CallError) -> WireError {
    let mut wire = WireError::from_error(ErrorKind::Unavailable, error);
    wire.causes.insert(0, std::mem::take(&mut wire.message));
    wire.message = format!("{service} of vx stopped answering");
    wire.with_help("run the command again; the log files are in $VX_HOME/log")
}
