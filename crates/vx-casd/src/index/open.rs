//! Opens the database, or begins a new one if it is damaged.

use std::fs;
use std::io;
use std::panic::catch_unwind;

use camino::Utf8Path;
use redb::{Builder, Database, DatabaseError, StorageError};

use crate::error::{IoContext as _, StoreError};

/// Memory for pages of the database. They are in the page cache of the system too.
const CACHE_BYTES: usize = 16 << 20;

/// Opens the database at `path`; begins a new one if it is missing or damaged.
pub(super) fn open_or_begin(path: &Utf8Path) -> Result<Database, StoreError> {
    match open(path) {
        Ok(database) => Ok(database),
        Err(Refusal::Damaged(why)) => {
            move_aside(path, &why)?;
            open(path).map_err(|refusal| refusal.into_error(path))
        }
        Err(refusal) => Err(refusal.into_error(path)),
    }
}

/// Renames a damaged database, which is kept for analysis. An earlier one is replaced.
pub(super) fn move_aside(path: &Utf8Path, why: &str) -> Result<(), StoreError> {
    let aside = path.with_extension("redb.damaged");
    tracing::error!(index = %path, moved_to = %aside, why, "the index was damaged and is begun anew; cached results are lost");
    match fs::rename(path, &aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("move aside", path),
        _ => Ok(()),
    }
}

/// Whether an error of the system means damage: a file that is truncated or does not begin like a database.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput
    )
}

enum Refusal {
    Damaged(String),
    InUse,
    Failed(redb::Error),
}

impl Refusal {
    fn into_error(self, path: &Utf8Path) -> StoreError {
        let source = match self {
            Self::InUse => return StoreError::InUse { path: path.to_owned() },
            Self::Damaged(why) => redb::Error::Corrupted(why),
            Self::Failed(error) => error,
        };
        StoreError::Index {
            path: path.to_owned(),
            source: Box::new(source),
        }
    }
}

fn open(path: &Utf8Path) -> Result<Database, Refusal> {
    let path = path.to_owned();
    let opened = catch_unwind(move || {
        Builder::new()
            .set_cache_size(CACHE_BYTES)
            // Reads the whole file: milliseconds for a large index, and a damaged page is found here, not in a build.
            .set_check_integrity_on_open(true)
            .create(path)
    });
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(error)) => Err(refusal(error)),
        Err(_panic) => Err(Refusal::Damaged("the database library panicked".to_owned())),
    }
}

fn refusal(error: DatabaseError) -> Refusal {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Refusal::InUse,
        DatabaseError::Storage(StorageError::Io(error)) if !is_damage(&error) => {
            Refusal::Failed(redb::Error::Io(error))
        }
        error => Refusal::Damaged(error.to_string()),
    }
}
