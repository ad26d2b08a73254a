//! Which environment variables an opaque program could ask for: those whose names it holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use vx_model::Digest;
use vx_proto::WireError;

use super::Engine;

/// Table of the store in which the findings are kept.
const TABLE: &str = "names";

/// By program: whether it holds a name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: Mutex<HashMap<Digest, BTreeMap<String, bool>>>,
}

impl Names {
    fn of(&self, program: Digest) -> Option<BTreeMap<String, bool>> {
        let known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(&program).cloned()
    }

    fn learn(&self, program: Digest, names: BTreeMap<String, bool>) {
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.insert(program, names);
    }
}

impl Engine {
    /// Those of `names` that `program` holds; none where the store has lost the program.
    pub(crate) async fn names_in(
        &self,
        program: Digest,
        names: impl Iterator<Item = &String>,
    ) -> Result<Option<Vec<String>>, WireError> {
        let mut known = match self.names.of(program) {
            Some(known) => known,
            None => self.recorded_names(program).await?,
        };
        let names: Vec<&String> = names.collect();
        let new: Vec<String> = names
            .iter()
            .filter(|name| !known.contains_key(**name))
            .map(|name| (*name).clone())
            .collect();
        if !new.is_empty() {
            let Some(counts) = self.store.texts_in(program, new.clone()).await? else {
                return Ok(None);
            };
            known.extend(new.into_iter().zip(counts.into_iter().map(|count| count > 0)));
            let record = serde_json::to_vec(&known).unwrap_or_default();
            self.store.put_record(TABLE, &program.to_string(), record).await?;
        }
        let held = names
            .into_iter()
            .filter(|name| known.get(*name) == Some(&true))
            .cloned()
            .collect();
        self.names.learn(program, known);
        Ok(Some(held))
    }

    async fn recorded_names(&self, program: Digest) -> Result<BTreeMap<String, bool>, WireError> {
        let record = self.store.get_record(TABLE, &program.to_string()).await?;
        Ok(record
            .and_then(|record| serde_json::from_slice(&record).ok())
            .unwrap_or_default())
    }
}
