//! The embedded database: what is known about blobs, the action cache, and the daemon's records.
//!
//! All of it is a cache, so nothing here fails for damage. A database that cannot be read, at the start or later, is moved
//! aside and begun anew, and the lookup that met it is a miss. Values are sealed with a checksum of their own, because the
//! database verifies its pages only when it opens.
//!
//! Commits are not durable by themselves; [`Index::flush`] makes all earlier ones so. See the crate's documentation.

mod known;
mod open;
mod records;
mod results;
mod seal;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use camino::{Utf8Path, Utf8PathBuf};
use redb::{Database, Durability, ReadTransaction, ReadableDatabase as _, TableError, WriteTransaction};

use crate::error::StoreError;
use crate::flusher::Dirt;

use known::Ledger;
pub(crate) use known::{BlobKey, Known};
use results::Uses;

/// The database and what of it is still only in memory.
pub(crate) struct Index {
    path: Utf8PathBuf,
    /// None only where a damaged database could not be replaced: then every lookup is a miss and every write fails.
    database: RwLock<Option<Database>>,
    ledger: Ledger,
    uses: Uses,
    dirt: Dirt,
}

/// Why an operation on the database was not done.
enum Trouble {
    /// The content makes no sense, or the library gave up on it in panic.
    Damaged(String),
    /// The disk failed, is full, or the like.
    Failed(redb::Error),
}

impl Index {
    /// Opens the database of a store, or begins one.
    pub(crate) fn open(path: &Utf8Path, dirt: Dirt) -> Result<Self, StoreError> {
        let database = open::open_or_begin(path)?;
        let index = Self {
            path: path.to_owned(),
            database: RwLock::new(Some(database)),
            ledger: Ledger::default(),
            uses: Uses::default(),
            dirt,
        };
        index.count_blobs();
        Ok(index)
    }

    /// Runs a lookup. Where it meets damage, the answer is the default one: a miss.
    fn read<T: Default>(&self, lookup: impl Fn(&ReadTransaction) -> Result<T, redb::Error>) -> T {
        let done = self.with(|database| lookup(&database.begin_read()?));
        match done {
            Ok(found) => found,
            Err(trouble) => {
                self.recover(trouble);
                T::default()
            }
        }
    }

    /// Runs a change as one transaction, visible to every later lookup. It is tried once more after a recovery.
    fn write<T>(&self, change: impl Fn(&WriteTransaction) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        let done = self.commit(Durability::None, &change);
        self.dirt.note();
        match done {
            Ok(value) => Ok(value),
            Err(trouble) => {
                self.recover(trouble);
                let again = self.commit(Durability::None, &change);
                again.map_err(|trouble| self.error(trouble))
            }
        }
    }

    /// Makes everything durable that was written until now.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let ledger = self.ledger.pending();
        let uses = self.uses.pending();
        let done = self.commit(Durability::Immediate, &|transaction| {
            known::write_pending(transaction, &ledger)?;
            results::write_uses(transaction, &uses)
        });
        match done {
            Ok(()) => {
                self.ledger.settle(&ledger);
                self.uses.settle(&uses);
                Ok(())
            }
            Err(trouble @ Trouble::Damaged(_)) => {
                // The new database is empty and in order.
                self.recover(trouble);
                Ok(())
            }
            Err(trouble) => Err(self.error(trouble)),
        }
    }

    fn commit<T>(
        &self,
        durability: Durability,
        change: &impl Fn(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Trouble> {
        self.with(|database| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(durability)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Runs `operation` on the open database. The library may panic on pages that make no sense.
    fn with<T>(&self, operation: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Trouble> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = guard.as_ref() else {
            return Err(Trouble::Failed(redb::Error::DatabaseClosed));
        };
        match catch_unwind(AssertUnwindSafe(|| operation(database))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if means_damage(&error) => Err(Trouble::Damaged(error.to_string())),
            Ok(Err(error)) => Err(Trouble::Failed(error)),
            Err(_panic) => Err(Trouble::Damaged("the database library panicked".to_owned())),
        }
    }

    /// Opens the database again after a failure, or a new one after damage.
    fn recover(&self, trouble: Trouble) {
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closing writes, which may panic like anything else.
        let closing = guard.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(closing)));
        let opened = match trouble {
            Trouble::Damaged(why) => {
                self.ledger.begin_anew();
                open::move_aside(&self.path, &why).and_then(|()| open::open_or_begin(&self.path))
            }
            Trouble::Failed(error) => {
                tracing::warn!(index = %self.path, %error, "the index failed; it is opened again");
                open::open_or_begin(&self.path)
            }
        };
        match opened {
            Ok(database) => *guard = Some(database),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "there is no index"),
        }
    }

    fn error(&self, trouble: Trouble) -> StoreError {
        let source = match trouble {
            Trouble::Damaged(why) => redb::Error::Corrupted(why),
            Trouble::Failed(error) => error,
        };
        StoreError::Index {
            path: self.path.clone(),
            source: Box::new(source),
        }
    }
}

/// Whether an error says that the file holds something else than this program wrote.
fn means_damage(error: &redb::Error) -> bool {
    matches!(
        error,
        redb::Error::Corrupted(_)
            | redb::Error::UpgradeRequired(_)
            | redb::Error::RepairAborted
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::LockPoisoned(_)
    ) || matches!(error, redb::Error::Io(io) if open::is_damage(io))
}

/// A table that nothing was written to yet is an empty one.
fn existing<T>(opened: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
