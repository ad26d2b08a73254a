//! Results, blobs and records in casd, through its shared client.

use async_trait::async_trait;
use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{IngestRequest, Ingested, MaterializeRequest, RecordKey, WireError};
use vx_service::Store;

use crate::engine::{ActionCache, BlobStore, RecordStore};
use crate::services::Services;

/// A response of casd.
type Answer<T> = Result<T, WireError>;

#[async_trait]
impl ActionCache for Store<Services> {
    async fn input_sets(&self, weak: Key) -> Answer<Vec<InputSet>> {
        self.input_sets(weak).await
    }

    async fn get_result(&self, strong: Key) -> Answer<Option<ActionResult>> {
        self.get_result(strong).await
    }

    async fn put_result(&self, weak: Key, set: InputSet, strong: Key, result: ActionResult) -> Answer<()> {
        self.put_result(weak, set, strong, result).await
    }
}

#[async_trait]
impl BlobStore for Store<Services> {
    async fn get_blob(&self, digest: Digest) -> Answer<Option<Vec<u8>>> {
        self.get_blob(digest).await
    }

    async fn put_blob(&self, content: Vec<u8>) -> Answer<Digest> {
        self.put_blob(content).await
    }

    async fn texts_in(&self, digest: Digest, texts: Vec<String>, debug_info: bool) -> Answer<Option<Vec<u64>>> {
        self.texts_in(digest, texts, debug_info).await
    }

    async fn texts_in_tree(&self, root: Digest, texts: Vec<String>, debug_info: bool) -> Answer<Option<Vec<u64>>> {
        self.texts_in_tree(root, texts, debug_info).await
    }

    async fn ingest(&self, requests: Vec<IngestRequest>) -> Answer<Vec<Ingested>> {
        self.ingest(requests).await
    }

    async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Answer<Vec<Digest>> {
        self.materialize(requests).await
    }
}

#[async_trait]
impl RecordStore for Store<Services> {
    async fn get_record(&self, key: RecordKey) -> Answer<Option<Vec<u8>>> {
        self.get_record(key).await
    }

    async fn put_record(&self, key: RecordKey, value: Vec<u8>) -> Answer<()> {
        self.put_record(key, value).await
    }
}
