//! What is known about blobs: the state of each when its content was last known to be right, and when it was used.
//!
//! This is written later, so publishing a blob costs no transaction. What a kill loses is recovered by hashing the blob
//! at its next use.

use std::collections::HashMap;

use parking_lot::{Mutex, MutexGuard};
use redb::{ReadableTable as _, TableDefinition, WriteTransaction};
use vx_model::Digest;

use super::{Index, existing, seal};

const NAME: &str = "blobs";
const BLOBS: TableDefinition<'_, &[u8; KEY], &[u8]> = TableDefinition::new(NAME);

const KEY: usize = 33;

/// One file of the store: a hash, and whether it is the executable variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BlobKey([u8; KEY]);

impl BlobKey {
    pub(crate) fn new(digest: &Digest, executable: bool) -> Self {
        let mut key = [0; KEY];
        key[..32].copy_from_slice(&digest.hash);
        key[32] = u8::from(executable);
        Self(key)
    }
}

/// A blob whose content was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// Bytes.
    pub(crate) size: u64,
    /// The inode that held the content.
    pub(crate) inode: u64,
    /// The boot of the machine in which that was known.
    pub(crate) boot: u64,
    /// When it was last used: seconds since the Unix epoch, in coarse steps.
    pub(crate) used: u64,
}

impl Known {
    fn encode(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let fields = [self.size, self.inode, self.boot, self.used];
        for (slot, field) in bytes.chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let [size, inode, boot, used] = <[[u8; 8]; 4]>::try_from(words).ok()?.map(u64::from_le_bytes);
        Some(Self {
            size,
            inode,
            boot,
            used,
        })
    }
}

/// Changes that are not in the database yet; `None` stands for a blob that is gone.
pub(super) type Pending = HashMap<BlobKey, Option<Known>>;

/// What is known beyond the database, and the sums over both.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    blobs: u64,
    bytes: u64,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// The changes to write. They stay visible until they are written.
    pub(super) fn pending(&self) -> Pending {
        self.lock().pending.clone()
    }

    /// Counts only what the database does not hold yet: a new one knows no blob.
    pub(super) fn begin_anew(&self) {
        let mut state = self.lock();
        let (blobs, bytes) = state
            .pending
            .values()
            .flatten()
            .fold((0, 0), |(blobs, bytes), known| (blobs + 1, bytes + known.size));
        state.blobs = blobs;
        state.bytes = bytes;
    }

    /// Forgets what was written, but not what changed again meanwhile.
    pub(super) fn settle(&self, written: &Pending) {
        self.lock().pending.retain(|key, value| written.get(key) != Some(value));
    }
}

/// Brings the table up to date.
pub(super) fn write_pending(transaction: &WriteTransaction, pending: &Pending) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(BLOBS)?;
    for (key, value) in pending {
        match value {
            Some(known) => table.insert(&key.0, seal::seal(NAME, &key.0, &known.encode()).as_slice())?,
            None => table.remove(&key.0)?,
        };
    }
    Ok(())
}

impl Index {
    /// What is known about a blob.
    pub(crate) fn known(&self, key: &BlobKey) -> Option<Known> {
        if let Some(pending) = self.ledger.lock().pending.get(key) {
            return *pending;
        }
        self.read(|transaction| {
            let Some(table) = existing(transaction.open_table(BLOBS))? else {
                return Ok(None);
            };
            let sealed = table.get(&key.0)?;
            Ok(sealed.and_then(|sealed| seal::open(NAME, &key.0, sealed.value()).and_then(Known::decode)))
        })
    }

    /// Remembers a blob, or with `None` that it is gone.
    pub(crate) fn set_known(&self, key: BlobKey, known: Option<Known>) {
        let before = self.known(&key);
        if before == known {
            return;
        }
        let mut state = self.ledger.lock();
        if let Some(before) = before {
            state.blobs = state.blobs.saturating_sub(1);
            state.bytes = state.bytes.saturating_sub(before.size);
        }
        if let Some(known) = known {
            state.blobs += 1;
            state.bytes += known.size;
        }
        state.pending.insert(key, known);
        drop(state);
        self.dirt.note();
    }

    /// Known blobs and their bytes.
    pub(crate) fn blob_totals(&self) -> (u64, u64) {
        let state = self.ledger.lock();
        (state.blobs, state.bytes)
    }

    /// Sums up the table; everything else only changes the sums.
    pub(super) fn count_blobs(&self) {
        let (blobs, bytes) = self.read(|transaction| {
            let Some(table) = existing(transaction.open_table(BLOBS))? else {
                return Ok((0, 0));
            };
            table.iter()?.try_fold((0, 0), |(blobs, bytes), entry| {
                let (key, sealed) = entry?;
                let known = seal::open(NAME, key.value(), sealed.value()).and_then(Known::decode);
                Ok(known.map_or((blobs, bytes), |known| (blobs + 1, bytes + known.size)))
            })
        });
        let mut state = self.ledger.lock();
        state.blobs = blobs;
        state.bytes = bytes;
    }
}
