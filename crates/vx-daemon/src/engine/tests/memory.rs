//! A store in memory, which records queries.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{Content, IngestRequest, Ingested, MaterializeRequest, RecordKey, WireError};

use crate::engine::{ActionCache, BlobStore, RecordStore};

/// A store in memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    blobs: Mutex<HashMap<Digest, Vec<u8>>>,
    sets: Mutex<HashMap<Key, Vec<InputSet>>>,
    results: Mutex<HashMap<Key, ActionResult>>,
    records: Mutex<HashMap<(String, String), Vec<u8>>>,
    asked: Mutex<Vec<&'static str>>,
}

impl Memory {
    /// The queries to the action cache since the last call.
    pub(super) fn take_asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.asked.lock())
    }

    pub(super) fn put(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        self.blobs.lock().insert(digest, content.to_vec());
        digest
    }

    pub(super) fn get(&self, digest: Digest) -> Option<Vec<u8>> {
        self.blobs.lock().get(&digest).cloned()
    }

    /// Forgets blobs for which `is_lost` returns true, and returns how many.
    pub(super) fn lose(&self, is_lost: impl Fn(&[u8]) -> bool) -> usize {
        let mut blobs = self.blobs.lock();
        let before = blobs.len();
        blobs.retain(|_, content| !is_lost(content));
        before - blobs.len()
    }

    /// Every stored result.
    pub(super) fn results(&self) -> Vec<ActionResult> {
        self.results.lock().values().cloned().collect()
    }

    /// The number of stored results.
    pub(super) fn result_count(&self) -> usize {
        self.results.lock().len()
    }

    fn is_whole(&self, result: &ActionResult) -> bool {
        let files = result.files.iter().map(|file| file.digest);
        let mut blobs = files.chain(result.stdout).chain(result.stderr);
        blobs.all(|digest| self.get(digest).is_some())
    }
}

fn count(content: &[u8], texts: &[String]) -> Vec<u64> {
    let occurrences = |text: &String| memchr::memmem::find_iter(content, text.as_bytes()).count() as u64;
    texts.iter().map(occurrences).collect()
}

#[async_trait]
impl ActionCache for Memory {
    async fn input_sets(&self, weak: Key) -> Result<Vec<InputSet>, WireError> {
        self.asked.lock().push("input sets");
        Ok(self.sets.lock().get(&weak).cloned().unwrap_or_default())
    }

    async fn get_result(&self, strong: Key) -> Result<Option<ActionResult>, WireError> {
        self.asked.lock().push("result");
        let result = self.results.lock().get(&strong).cloned();
        Ok(result.filter(|result| self.is_whole(result)))
    }

    async fn put_result(&self, weak: Key, set: InputSet, strong: Key, result: ActionResult) -> Result<(), WireError> {
        self.asked.lock().push("put");
        let mut sets = self.sets.lock();
        let sets = sets.entry(weak).or_default();
        sets.retain(|known| *known != set);
        sets.insert(0, set);
        self.results.lock().insert(strong, result);
        Ok(())
    }
}

#[async_trait]
impl BlobStore for Memory {
    async fn get_blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, WireError> {
        Ok(self.get(digest))
    }

    async fn put_blob(&self, content: Vec<u8>) -> Result<Digest, WireError> {
        Ok(self.put(&content))
    }

    async fn texts_in(&self, digest: Digest, texts: Vec<String>, _: bool) -> Result<Option<Vec<u64>>, WireError> {
        Ok(self.get(digest).map(|content| count(&content, &texts)))
    }

    async fn texts_in_tree(&self, root: Digest, texts: Vec<String>, all: bool) -> Result<Option<Vec<u64>>, WireError> {
        self.texts_in(root, texts, all).await
    }

    async fn ingest(&self, requests: Vec<IngestRequest>) -> Result<Vec<Ingested>, WireError> {
        let ingest = |request: IngestRequest| match std::fs::read(&request.path) {
            Ok(content) => Ingested::File {
                digest: self.put(&content),
                is_executable: false,
            },
            Err(_) => Ingested::Absent,
        };
        Ok(requests.into_iter().map(ingest).collect())
    }

    async fn materialize(&self, requests: Vec<MaterializeRequest>) -> Result<Vec<Digest>, WireError> {
        let mut missing = Vec::new();
        for request in requests {
            let (Content::File { digest, .. } | Content::Tree { root: digest }) = request.content;
            match self.get(digest) {
                Some(content) => {
                    let path = std::path::Path::new(&request.path);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, content).unwrap();
                }
                None => missing.push(digest),
            }
        }
        Ok(missing)
    }
}

#[async_trait]
impl RecordStore for Memory {
    async fn get_record(&self, key: RecordKey) -> Result<Option<Vec<u8>>, WireError> {
        Ok(self.records.lock().get(&(key.table, key.key)).cloned())
    }

    async fn put_record(&self, key: RecordKey, value: Vec<u8>) -> Result<(), WireError> {
        self.records.lock().insert((key.table, key.key), value);
        Ok(())
    }
}
