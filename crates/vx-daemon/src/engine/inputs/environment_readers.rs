//! Which proc macros can read the environment: decided once for each library, by its content.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use vx_model::Digest;
use vx_proto::{Content, ErrorKind, MaterializeRequest, Placement, WireError};

use super::imports::reads_environment;
use crate::engine::actions::{Again, ExecRoots, Stop};
use crate::engine::doors::{BlobStore, Doors};
use crate::engine::records::{ReadsEnvironment, Records};

/// Whether libraries of proc macros can read the environment.
#[derive(Debug)]
pub(crate) struct EnvironmentReaders {
    blobs: Arc<dyn BlobStore>,
    records: Records,
    exec_roots: Arc<ExecRoots>,
    known: Mutex<HashMap<Digest, bool>>,
}

impl EnvironmentReaders {
    /// Knows only what is recorded.
    pub(crate) fn new(doors: &Doors, records: Records, exec_roots: Arc<ExecRoots>) -> Self {
        Self {
            blobs: doors.blobs.clone(),
            records,
            exec_roots,
            known: Mutex::default(),
        }
    }

    /// Whether one of `libraries` can.
    pub(crate) async fn are_among(&self, libraries: &[Digest]) -> Result<bool, Stop> {
        for library in libraries {
            if self.is_one(*library).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn is_one(&self, library: Digest) -> Result<bool, Stop> {
        let known = self.known.lock().get(&library).copied();
        if let Some(known) = known {
            return Ok(known);
        }
        let key = library.to_string();
        let recorded = self.records.get(&key).await?;
        let reads = match recorded {
            Some(ReadsEnvironment(reads)) => reads,
            None => {
                let reads = self.look_into(library).await?;
                self.records.put(&key, &ReadsEnvironment(reads)).await?;
                reads
            }
        };
        self.known.lock().insert(library, reads);
        Ok(reads)
    }

    async fn look_into(&self, library: Digest) -> Result<bool, Stop> {
        let path = self.exec_roots.fresh();
        let file = MaterializeRequest {
            path: path.path().to_string(),
            content: Content::File {
                digest: library,
                is_executable: false,
            },
            placement: Placement::Link,
        };
        if !self.blobs.materialize(vec![file]).await?.is_empty() {
            return Err(Stop::Again(Again::MissingBlob));
        }
        let look = || {
            let content = std::fs::read(path.path())?;
            std::fs::remove_file(path.path())?;
            Ok(reads_environment(&content))
        };
        tokio::task::block_in_place(look).map_err(|error: std::io::Error| {
            let message = format!("failed to read `{}`", path.path());
            Stop::Failed(WireError::new(ErrorKind::Machine, message).caused_by(&error))
        })
    }
}
