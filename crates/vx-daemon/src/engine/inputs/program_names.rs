//! Which environment variables an opaque program could read: those whose names it holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use vx_model::Digest;

use crate::engine::actions::Stop;
use crate::engine::doors::{BlobStore, Doors};
use crate::engine::records::{NamesInProgram, Records};

/// Whether a program holds a name, by program.
#[derive(Debug)]
pub(crate) struct ProgramNames {
    blobs: Arc<dyn BlobStore>,
    records: Records,
    known: Mutex<HashMap<Digest, BTreeMap<String, bool>>>,
}

impl ProgramNames {
    /// Knows only what is recorded.
    pub(crate) fn new(doors: &Doors, records: Records) -> Self {
        Self {
            blobs: doors.blobs.clone(),
            records,
            known: Mutex::default(),
        }
    }

    /// Those of `names` that `program` holds.
    pub(crate) async fn of(&self, program: Digest, names: impl Iterator<Item = &String>) -> Result<Vec<String>, Stop> {
        let in_memory = self.known.lock().get(&program).cloned();
        let mut known = match in_memory {
            Some(known) => known,
            None => self.recorded(program).await?,
        };
        let names: Vec<&String> = names.collect();
        let is_new = |name: &&&String| !known.contains_key(**name);
        let new: Vec<String> = names.iter().filter(is_new).map(|name| (*name).clone()).collect();
        if !new.is_empty() {
            let counts = self
                .blobs
                .texts_in(program, new.clone())
                .await?
                .ok_or(Stop::MissingBlob)?;
            known.extend(new.into_iter().zip(counts.into_iter().map(|count| count > 0)));
            self.records
                .put(&program.to_string(), &NamesInProgram(known.clone()))
                .await?;
        }
        let is_held = |name: &&String| known.get(*name) == Some(&true);
        let held = names.into_iter().filter(is_held).cloned().collect();
        self.known.lock().insert(program, known);
        Ok(held)
    }

    async fn recorded(&self, program: Digest) -> Result<BTreeMap<String, bool>, Stop> {
        let record: Option<NamesInProgram> = self.records.get(&program.to_string()).await?;
        Ok(record.map(|NamesInProgram(names)| names).unwrap_or_default())
    }
}
