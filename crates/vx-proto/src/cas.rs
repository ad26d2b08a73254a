//! The store service: blobs, trees, the action cache and the daemon's records.

use facet::Facet;
use vx_model::{ActionResult, Digest, InputSet, Key};

/// How large the store is.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Default)]
pub struct CasStatus {
    /// Process id of casd.
    pub pid: u32,
    /// Blobs in the store.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Results in the action cache.
    pub results: u64,
}

/// A file or directory to take into the store.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct IngestRequest {
    /// The file or directory.
    pub path: String,
    /// Whether the store may move the file instead of copying it (it is then gone, or a link into the store).
    pub consume: bool,
}

/// What was taken in.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum Ingested {
    /// A file.
    File {
        /// Its content.
        digest: Digest,
        /// Whether the file may be executed.
        is_executable: bool,
    },
    /// A directory.
    Tree {
        /// Digest of its encoded top `Directory`.
        root: Digest,
    },
    /// There is nothing at that path.
    Absent,
}

/// How a file from the store is laid down.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Placement {
    /// A hard link to the read-only blob: for exec roots.
    Link,
    /// A reflink, or a copy, writable by the user: for outputs.
    Copy,
}

/// What to lay down.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum Content {
    /// A file.
    File {
        /// Its content.
        digest: Digest,
        /// Whether it may be executed.
        is_executable: bool,
    },
    /// A directory, which must not exist yet.
    Tree {
        /// Digest of its encoded top `Directory`.
        root: Digest,
    },
}

/// One thing to lay down. Parent directories are created; an existing file is replaced atomically.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct MaterializeRequest {
    /// Where.
    pub path: String,
    /// What.
    pub content: Content,
    /// How.
    pub placement: Placement,
}

/// A file that was laid down as a link.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct LinkedBlob {
    /// Where, absolute.
    pub path: String,
    /// What.
    pub digest: Digest,
    /// Whether it may be executed.
    pub is_executable: bool,
}

/// A record of the daemon, opaque to the store.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct RecordKey {
    /// The kind of record: `plan`, `duration`, `last-build`, …
    pub table: String,
    /// Which one.
    pub key: String,
}

/// The store. Bulk bytes travel by path, not through these calls.
#[rapace::service]
pub trait Cas {
    /// How large the store is.
    async fn status(&self) -> crate::Reply<CasStatus>;
    /// Stores a small blob (at most a frame).
    async fn put_blob(&self, content: Vec<u8>) -> crate::Reply<Digest>;
    /// Reads a small blob; `None` if it is missing or damaged.
    async fn get_blob(&self, digest: Digest) -> crate::Reply<Option<Vec<u8>>>;
    /// How often each of these texts occurs in the blob, as bytes; without `debug_info`, the debug information of
    /// compilers is not searched. `None` if it is missing or damaged.
    async fn texts_in(&self, digest: Digest, texts: Vec<String>, debug_info: bool) -> crate::Reply<Option<Vec<u64>>>;
    /// The same for all files and links of a tree together.
    async fn texts_in_tree(&self, root: Digest, texts: Vec<String>, debug_info: bool)
    -> crate::Reply<Option<Vec<u64>>>;
    /// Takes in files and directories; one answer for each, in order.
    async fn ingest(&self, requests: Vec<IngestRequest>) -> crate::Reply<Vec<Ingested>>;
    /// Lays files and directories down. Returns the digests that are missing or damaged: nothing is laid down for them,
    /// and results that name them are misses from then on.
    async fn materialize(&self, requests: Vec<MaterializeRequest>) -> crate::Reply<Vec<Digest>>;
    /// Removes links that were laid down. The store notices when anybody else does anything to its files.
    async fn release(&self, links: Vec<LinkedBlob>) -> crate::Reply<()>;
    /// The input sets recorded under a weak key, most recently used first.
    async fn input_sets(&self, weak: Key) -> crate::Reply<Vec<InputSet>>;
    /// The result under a strong key; `None` if it is not known or has a missing or damaged blob.
    async fn get_result(&self, strong: Key) -> crate::Reply<Option<ActionResult>>;
    /// Records an input set under the weak key and the result under the strong key, in one step.
    async fn put_result(&self, weak: Key, inputs: InputSet, strong: Key, result: ActionResult) -> crate::Reply<()>;
    /// Reads a record.
    async fn get_record(&self, key: RecordKey) -> crate::Reply<Option<Vec<u8>>>;
    /// Writes a record.
    async fn put_record(&self, key: RecordKey, value: Vec<u8>) -> crate::Reply<()>;
}
