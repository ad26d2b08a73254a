//! The action cache: input sets by weak key, results by strong key.
//!
//! Rows are `(weak key, digest of the set)` → set, and strong key → result with the row of the set that led to it. A
//! hit moves that set to the front. The move is written later: losing it costs only the order.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use redb::{ReadableTable, ReadableTableMetadata as _, TableDefinition, WriteTransaction};
use vx_model::{ActionResult, Digest, InputSet, Key};

use super::{Index, existing, seal};
use crate::error::StoreError;

/// Input sets kept under one weak key. A unit with more than a few reads something that changes all the time. Then the
/// oldest ones are useless, and each costs a lookup in every build.
const SETS_PER_KEY: usize = 32;

const SETS: &str = "input-sets";
const SETS_TABLE: TableDefinition<'_, &[u8; 64], &[u8]> = TableDefinition::new(SETS);
const RESULTS: &str = "results";
const RESULTS_TABLE: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new(RESULTS);

/// The row of an input set.
type SetKey = [u8; 64];

/// A result, and the input set whose answers led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredResult {
    pub(crate) result: ActionResult,
    set: SetKey,
}

/// When sets were last used, if not in the database yet, and the clock for that.
#[derive(Debug, Default)]
pub(super) struct Uses {
    state: Mutex<UsesState>,
}

#[derive(Debug, Default)]
struct UsesState {
    last: u64,
    pending: HashMap<SetKey, u64>,
}

impl Uses {
    fn lock(&self) -> MutexGuard<'_, UsesState> {
        self.state.lock()
    }

    /// Nanoseconds since the Unix epoch, or one more than the last value: no two uses have the same time.
    fn now(&self) -> u64 {
        let mut state = self.lock();
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        state.last = u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX).max(state.last + 1);
        state.last
    }

    fn note(&self, set: SetKey) {
        let now = self.now();
        self.lock().pending.insert(set, now);
    }

    /// When the set was used since the last flush; zero if it was not.
    fn pending_use(&self, set: &SetKey) -> u64 {
        self.lock().pending.get(set).copied().unwrap_or(0)
    }

    /// The changes to write. They stay visible until they are written.
    pub(super) fn pending(&self) -> HashMap<SetKey, u64> {
        self.lock().pending.clone()
    }

    /// Forgets what was written, but not what was used again meanwhile.
    pub(super) fn settle(&self, written: &HashMap<SetKey, u64>) {
        self.lock().pending.retain(|set, used| written.get(set) != Some(used));
    }
}

/// Updates the times of use in the table.
pub(super) fn write_uses(transaction: &WriteTransaction, pending: &HashMap<SetKey, u64>) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(SETS_TABLE)?;
    for (key, used) in pending {
        let row = table.get(key)?.and_then(|sealed| SetRow::open(key, sealed.value()));
        if let Some(row) = row {
            table.insert(key, SetRow { used: *used, ..row }.seal(key).as_slice())?;
        }
    }
    Ok(())
}

impl Index {
    /// The input sets under a weak key, most recently used first.
    pub(crate) fn input_sets(&self, weak: &Key) -> Vec<InputSet> {
        let mut rows = self.read(|transaction| match existing(transaction.open_table(SETS_TABLE))? {
            Some(table) => rows_of(&table, weak, &self.uses),
            None => Ok(Vec::new()),
        });
        rows.sort_by_key(|(_, row)| Reverse(row.used));
        rows.into_iter()
            .filter_map(|(_, row)| InputSet::decode(&row.set).ok())
            .collect()
    }

    /// The result under a strong key, whether or not it has missing blobs.
    pub(crate) fn result(&self, strong: &Key) -> Option<StoredResult> {
        self.read(|transaction| match existing(transaction.open_table(RESULTS_TABLE))? {
            Some(table) => stored(&table, strong),
            None => Ok(None),
        })
    }

    /// Notes that a result was a hit.
    pub(crate) fn note_hit(&self, stored: &StoredResult) {
        self.uses.note(stored.set);
        self.dirt.note();
    }

    /// Records an input set and a result, in one transaction. If a weak key then has too many sets, the least recently
    /// used one is removed.
    pub(crate) fn put_result(
        &self,
        weak: &Key,
        inputs: &InputSet,
        strong: &Key,
        result: &ActionResult,
    ) -> Result<(), StoreError> {
        let set = inputs.encode();
        let set_key = set_key(weak, &Digest::of(&set));
        let row = SetRow {
            used: self.uses.now(),
            set,
        };
        let sealed_set = row.seal(&set_key);
        let sealed_result = seal::seal(RESULTS, &strong.hash, &[&set_key[..], &result.encode()].concat());
        self.write(|transaction| {
            let mut sets = transaction.open_table(SETS_TABLE)?;
            sets.insert(&set_key, sealed_set.as_slice())?;
            let mut rows = rows_of(&sets, weak, &self.uses)?;
            rows.sort_by_key(|(_, row)| Reverse(row.used));
            for (old, _) in rows.iter().skip(SETS_PER_KEY) {
                sets.remove(old)?;
            }
            let mut results = transaction.open_table(RESULTS_TABLE)?;
            results.insert(&strong.hash, sealed_result.as_slice())?;
            Ok(())
        })
    }

    /// Removes a result with a missing blob, unless it was replaced meanwhile.
    pub(crate) fn remove_result(&self, strong: &Key, holed: &StoredResult) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut results = transaction.open_table(RESULTS_TABLE)?;
            if stored(&results, strong)?.as_ref() == Some(holed) {
                results.remove(&strong.hash)?;
            }
            Ok(())
        })
    }

    /// How many results there are.
    pub(crate) fn result_count(&self) -> u64 {
        self.read(|transaction| match existing(transaction.open_table(RESULTS_TABLE))? {
            Some(table) => Ok(table.len()?),
            None => Ok(0),
        })
    }
}

/// A row of the table of input sets.
#[derive(Debug, Clone)]
struct SetRow {
    /// By the clock of [`Uses`].
    used: u64,
    /// Encoded.
    set: Vec<u8>,
}

impl SetRow {
    fn seal(&self, key: &SetKey) -> Vec<u8> {
        seal::seal(SETS, key, &[&self.used.to_le_bytes()[..], &self.set].concat())
    }

    fn open(key: &SetKey, sealed: &[u8]) -> Option<Self> {
        let (used, set) = seal::open(SETS, key, sealed)?.split_first_chunk::<8>()?;
        Some(Self {
            used: u64::from_le_bytes(*used),
            set: set.to_vec(),
        })
    }
}

fn set_key(weak: &Key, set: &Digest) -> SetKey {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&weak.hash);
    key[32..].copy_from_slice(&set.hash);
    key
}

/// The rows of a weak key, with the newest time of use that is known.
fn rows_of(
    table: &impl ReadableTable<&'static [u8; 64], &'static [u8]>,
    weak: &Key,
    uses: &Uses,
) -> Result<Vec<(SetKey, SetRow)>, redb::Error> {
    let bound = |fill| {
        let mut key = [fill; 64];
        key[..32].copy_from_slice(&weak.hash);
        key
    };
    let mut rows = Vec::new();
    for entry in table.range::<&[u8; 64]>(&bound(0)..=&bound(u8::MAX))? {
        let (key, sealed) = entry?;
        let key = *key.value();
        if let Some(mut row) = SetRow::open(&key, sealed.value()) {
            row.used = row.used.max(uses.pending_use(&key));
            rows.push((key, row));
        }
    }
    Ok(rows)
}

fn stored(
    table: &impl ReadableTable<&'static [u8; 32], &'static [u8]>,
    strong: &Key,
) -> Result<Option<StoredResult>, redb::Error> {
    let Some(sealed) = table.get(&strong.hash)? else {
        return Ok(None);
    };
    let opened = seal::open(RESULTS, &strong.hash, sealed.value()).and_then(|value| {
        let (set, result) = value.split_first_chunk::<64>()?;
        Some(StoredResult {
            result: ActionResult::decode(result).ok()?,
            set: *set,
        })
    });
    Ok(opened)
}
