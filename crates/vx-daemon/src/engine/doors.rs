//! The engine's doors to the world: what runs actions, and what keeps their results. `crate::local` implements them
//! with the services of this machine.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{
    Dispatch, ExecuteEvent, ExecuteRequest, IngestRequest, Ingested, MaterializeRequest, RecordKey, WireError,
};

/// The events of an action, in order. Dropping the stream cancels the action.
pub type ExecuteEvents = BoxStream<'static, Result<ExecuteEvent, WireError>>;

/// Runs actions.
#[async_trait]
pub trait Executor: Debug + Send + Sync {
    /// Starts an action. Returns as soon as the request is sent.
    async fn execute(&self, request: ExecuteRequest, dispatch: Dispatch) -> Result<ExecuteEvents, WireError>;
    /// Why actions cannot be contained; `None` if they can.
    async fn uncontained(&self) -> Result<Option<String>, WireError>;
}

/// Keeps results by key.
#[async_trait]
pub trait ActionCache: Debug + Send + Sync {
    /// The input sets recorded under a weak key, most recently used first.
    async fn input_sets(&self, weak: Key) -> Result<Vec<InputSet>, WireError>;
    /// The result under a strong key; `None` if there is none, or if a blob is missing.
    async fn get_result(&self, strong: Key) -> Result<Option<ActionResult>, WireError>;
    /// Records an input set under the weak key and the result under the strong key, in one step.
    async fn put_result(&self, weak: Key, set: InputSet, strong: Key, result: ActionResult) -> Result<(), WireError>;
}

/// Keeps blobs, ingests files and materializes them.
#[async_trait]
pub trait BlobStore: Debug + Send + Sync {
    /// A small blob; `None` if it is missing.
    async fn get_blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, WireError>;
    /// Stores a small blob.
    async fn put_blob(&self, content: Vec<u8>) -> Result<Digest, WireError>;
    /// How often each of `texts` occurs in a blob, with or without the debug information of compilers; `None` if it is
    /// missing.
    async fn texts_in(
        &self,
        digest: Digest,
        texts: Vec<String>,
        debug_info: bool,
    ) -> Result<Option<Vec<u64>>, WireError>;
    /// The same for the files and links of a tree, all together; `None` if a part of it is missing.
    async fn texts_in_tree(
        &self,
        root: Digest,
        texts: Vec<String>,
        debug_info: bool,
    ) -> Result<Option<Vec<u64>>, WireError>;
    /// Ingests files and directories; results are in the order of the requests.
    async fn ingest(&self, requests: Vec<IngestRequest>) -> Result<Vec<Ingested>, WireError>;
    /// Materializes files and directories; returns missing blobs.
    async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Result<Vec<Digest>, WireError>;
}

/// Keeps the engine's own records.
#[async_trait]
pub trait RecordStore: Debug + Send + Sync {
    /// Reads a record.
    async fn get_record(&self, key: RecordKey) -> Result<Option<Vec<u8>>, WireError>;
    /// Writes a record.
    async fn put_record(&self, key: RecordKey, value: Vec<u8>) -> Result<(), WireError>;
}

/// All doors.
#[derive(Debug, Clone)]
pub struct Doors {
    /// Runs actions.
    pub executor: Arc<dyn Executor>,
    /// Keeps results of actions.
    pub cache: Arc<dyn ActionCache>,
    /// Keeps the blobs that results name.
    pub blobs: Arc<dyn BlobStore>,
    /// Keeps the engine's records.
    pub records: Arc<dyn RecordStore>,
}
