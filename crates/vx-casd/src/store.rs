//! `Store`: everything that the store does, blocking, for any number of threads.

use std::fmt;
use std::io;
use std::sync::Arc;

use camino::Utf8Path;
use vx_model::{ActionResult, Digest, InputSet, Key};
use vx_proto::{CasStatus, IngestRequest, Ingested, LinkedBlob, MaterializeRequest, RecordKey};

use crate::blobs::Blobs;
use crate::error::{IoContext as _, StoreError};
use crate::flusher::{Dirt, Flusher};
use crate::index::Index;
use crate::layout::Layout;
use crate::trees::Tree;
use crate::{ingest, materialize, platform, texts};

/// A store, locked for this process until it is dropped.
pub struct Store {
    /// Dropped first: nothing flushes while the rest is dropped.
    _flusher: Flusher,
    index: Arc<Index>,
    blobs: Blobs,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the store in the directory `root`. Removes what another version left there, what is damaged,
    /// and what was being written when the last process died.
    pub fn open(root: &Utf8Path) -> Result<Self, StoreError> {
        let layout = Layout::open(root)?;
        let dirt = Dirt::default();
        let index = Arc::new(Index::open(&layout.index(), dirt.clone())?);
        let flushed = index.clone();
        let flush = move || {
            if let Err(error) = flushed.flush() {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot flush the index");
            }
        };
        Ok(Self {
            _flusher: Flusher::start(dirt, flush).at("start a thread for", root)?,
            blobs: Blobs::new(layout, index.clone()),
            index,
        })
    }

    /// The size of the store, as far as it is known, without reading directories.
    pub fn status(&self) -> CasStatus {
        let (blobs, bytes) = self.index.blob_totals();
        CasStatus {
            pid: std::process::id(),
            blobs,
            bytes,
            results: self.index.result_count(),
        }
    }

    /// Stores a small blob.
    pub fn put_blob(&self, content: &[u8]) -> Result<Digest, StoreError> {
        self.blobs.put(content)
    }

    /// Reads a small blob; `None` if it is missing or damaged.
    pub fn get_blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.blobs.content(digest)
    }

    /// Whether the blob is here and intact.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        self.blobs.has(digest)
    }

    /// How often each of `texts` occurs in the blob; with `debug_info`, in the debug information of compilers too. `None` if
    /// it is missing or damaged.
    pub fn texts_in(&self, digest: &Digest, texts: &[String], debug_info: bool) -> Option<Vec<u64>> {
        let blob = self.blobs.any_file(digest)?;
        let counts = platform::open_file(blob.as_std_path()).and_then(|file| match debug_info {
            true => texts::count(&file, texts),
            false => texts::count_outside_debug_info(&file, texts),
        });
        match counts {
            Ok(counts) => Some(counts),
            Err(error) => {
                tracing::warn!(%blob, %error, "cannot search a blob");
                None
            }
        }
    }

    /// The same for the files and links of a tree, all together; `None` if a blob is missing or damaged.
    pub fn texts_in_tree(&self, root: &Digest, texts: &[String], debug_info: bool) -> Option<Vec<u64>> {
        let tree = Tree::load(&self.blobs, root).ok()?;
        let mut sums = vec![0; texts.len()];
        let mut add = |counts: Vec<u64>| sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        for target in tree.link_targets() {
            let occurrences = |text: &String| target.matches(text.as_str()).count() as u64;
            add(texts.iter().map(occurrences).collect());
        }
        for (digest, _) in tree.files() {
            add(self.texts_in(&digest, texts, debug_info)?);
        }
        Some(sums)
    }

    /// Takes a file or directory in.
    pub fn ingest(&self, request: &IngestRequest) -> Result<Ingested, StoreError> {
        ingest::ingest(&self.blobs, Utf8Path::new(&request.path), request.consume)
    }

    /// Lays files and directories down; returns the digests that are missing or damaged, sorted. Nothing is laid down
    /// for these; everything else is. After an error, some of the requested items may have been laid down, each one
    /// completely.
    pub fn materialize(&self, requests: &[MaterializeRequest]) -> Result<Vec<Digest>, StoreError> {
        materialize::materialize(&self.blobs, requests)
    }

    /// Removes links that were laid down; what cannot be removed is left. If others remove a link, its blob is hashed once
    /// more.
    pub fn release(&self, links: &[LinkedBlob]) {
        for link in links {
            let path = Utf8Path::new(&link.path);
            if let Err(error) = self.blobs.unlink(&link.digest, link.is_executable, path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::debug!(%path, %error, "cannot remove a link to a blob");
            }
        }
    }

    /// The input sets recorded under a weak key, most recently used first.
    pub fn input_sets(&self, weak: &Key) -> Vec<InputSet> {
        self.index.input_sets(weak)
    }

    /// The result under a strong key; `None` if it is not known or has a missing or damaged blob.
    pub fn get_result(&self, strong: &Key) -> Option<ActionResult> {
        let stored = self.index.result(strong)?;
        if self.is_whole(&stored.result) {
            self.index.note_hit(&stored);
            return Some(stored.result);
        }
        tracing::info!(
            key = strong.hex(),
            "a result names a blob that is missing; it is forgotten"
        );
        if let Err(error) = self.index.remove_result(strong, &stored) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a result could not be removed"
            );
        }
        None
    }

    /// Records an input set and a result, in one step.
    pub fn put_result(
        &self,
        weak: &Key,
        inputs: &InputSet,
        strong: &Key,
        result: &ActionResult,
    ) -> Result<(), StoreError> {
        self.index.put_result(weak, inputs, strong, result)
    }

    /// Reads a record.
    pub fn get_record(&self, key: &RecordKey) -> Option<Vec<u8>> {
        self.index.record(key)
    }

    /// Writes a record.
    pub fn put_record(&self, key: &RecordKey, value: &[u8]) -> Result<(), StoreError> {
        self.index.put_record(key, value)
    }

    /// Makes everything durable now instead of in some seconds.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.index.flush()
    }

    /// Whether every blob that a result names is intact.
    fn is_whole(&self, result: &ActionResult) -> bool {
        let files = result.files.iter().map(|file| &file.digest);
        let blobs = files.chain(&result.stdout).chain(&result.stderr);
        blobs.into_iter().all(|digest| self.blobs.has(digest))
            && result.trees.iter().all(|tree| self.is_whole_tree(&tree.root))
    }

    fn is_whole_tree(&self, root: &Digest) -> bool {
        Tree::load(&self.blobs, root).is_ok_and(|tree| tree.files().iter().all(|(digest, _)| self.blobs.has(digest)))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.index.flush() {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot flush the index");
        }
    }
}
