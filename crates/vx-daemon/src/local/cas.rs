//! Results, blobs and records kept by casd: its calls with deadlines, their errors in one type.

use std::time::Duration;

use async_trait::async_trait;
use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{CasClient, IngestRequest, Ingested, MaterializeRequest, RecordKey, Reply, WireError};
use vx_transport::CallError;

use super::unavailable;
use crate::engine::{ActionCache, BlobStore, RecordStore};
use crate::services::Services;

/// Far beyond what any call takes; casd's death ends a call at once.
const DEADLINE: Duration = Duration::from_secs(300);

/// What casd answers.
type Answer<T> = Result<T, WireError>;

/// Reaches casd through the daemon's services, which respawn it where needed.
#[derive(Debug)]
pub(super) struct Casd {
    services: Services,
}

impl Casd {
    pub(super) fn new(services: Services) -> Self {
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
}

#[async_trait]
impl ActionCache for Casd {
    async fn input_sets(&self, weak: Key) -> Answer<Vec<InputSet>> {
        self.call(move |cas| async move { cas.input_sets(weak).await }).await
    }

    async fn get_result(&self, strong: Key) -> Answer<Option<ActionResult>> {
        self.call(move |cas| async move { cas.get_result(strong).await }).await
    }

    async fn put_result(&self, weak: Key, set: InputSet, strong: Key, result: ActionResult) -> Answer<()> {
        self.call(move |cas| async move { cas.put_result(weak, set, strong, result).await })
            .await
    }
}

#[async_trait]
impl BlobStore for Casd {
    async fn get_blob(&self, digest: Digest) -> Answer<Option<Vec<u8>>> {
        self.call(move |cas| async move { cas.get_blob(digest).await }).await
    }

    async fn put_blob(&self, content: Vec<u8>) -> Answer<Digest> {
        self.call(move |cas| async move { cas.put_blob(content).await }).await
    }

    async fn texts_in(&self, digest: Digest, texts: Vec<String>) -> Answer<Option<Vec<u64>>> {
        self.call(move |cas| async move { cas.texts_in(digest, texts).await })
            .await
    }

    async fn texts_in_tree(&self, root: Digest, texts: Vec<String>) -> Answer<Option<Vec<u64>>> {
        self.call(move |cas| async move { cas.texts_in_tree(root, texts).await })
            .await
    }

    async fn ingest(&self, requests: Vec<IngestRequest>) -> Answer<Vec<Ingested>> {
        self.call(move |cas| async move { cas.ingest(requests).await }).await
    }

    async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Answer<Vec<Digest>> {
        self.call(move |cas| async move { cas.materialize(requests).await })
            .await
    }
}

#[async_trait]
impl RecordStore for Casd {
    async fn get_record(&self, key: RecordKey) -> Answer<Option<Vec<u8>>> {
        self.call(move |cas| async move { cas.get_record(key).await }).await
    }

    async fn put_record(&self, key: RecordKey, value: Vec<u8>) -> Answer<()> {
        self.call(move |cas| async move { cas.put_record(key, value).await })
            .await
    }
}
