//! The embedded database: what is known about blobs, the action cache, and the daemon's records.
//!
//! All of it is a cache, so nothing here fails because of damage. A database that cannot be read, at the start or
//! later, is moved aside and replaced by a new one, and the lookup that found the damage is a miss. Values have
//! checksums of their own, because the database verifies its pages only when it opens.
//!
//! Commits are not durable by themselves; [`Index::flush`] makes all earlier ones durable. See the crate's
//! documentation.

mod known;
mod open;
mod records;
mod results;
mod seal;

use std::panic::{AssertUnwindSafe, catch_unwind};

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::RwLock;
use redb::{Database, Durability, ReadTransaction, ReadableDatabase as _, TableError, WriteTransaction};

use crate::error::StoreError;
use crate::flusher::Dirt;

use known::Ledger;
pub(crate) use known::{BlobKey, Known};
use results::Uses;

/// The database, and what is not written to it yet.
pub(crate) struct Index {
    path: Utf8PathBuf,
    /// `None` only if a damaged database could not be replaced: then every lookup is a miss and every write fails.
    database: RwLock<Option<Database>>,
    ledger: Ledger,
    uses: Uses,
    dirt: Dirt,
}

/// Why an operation on the database failed.
enum Trouble {
    /// The content is invalid, or the library panicked on it.
    Damaged(String),
    /// The disk failed, is full, or the like.
    Failed(redb::Error),
}

impl Index {
    /// Opens the database of a store, or creates one.
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

    /// Runs a lookup. If it finds damage, the answer is the default one: a miss.
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

    /// Runs a change as one transaction, visible to every later lookup. Tried once more after a recovery.
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

    /// Makes everything written so far durable.
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
                // The new database is empty and valid.
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

    /// Runs `operation` on the open database. The library may panic on invalid pages.
    fn with<T>(&self, operation: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Trouble> {
        let guard = self.database.read();
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
        let mut guard = self.database.write();
        // Closing writes, which may panic too.
        let closing = guard.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(closing)));
        let opened = match trouble {
            Trouble::Damaged(why) => {
                self.ledger.begin_anew();
                open::move_aside(&self.path, &why).and_then(|()| open::open_or_begin(&self.path))
            }
            Trouble::Failed(error) => {
                tracing::warn!(index = %self.path, %error, "the index failed and is opened again");
                open::open_or_begin(&self.path)
            }
        };
        match opened {
            Ok(database) => *guard = Some(database),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "cannot use the index"),
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

/// Whether an error means that the file does not hold what this program wrote.
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

/// A table does not exist before the first write, which is the same as an empty one.
fn existing<T>(opened: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use vx_proto::RecordKey;

    use super::*;

    struct Fixture {
        index: Index,
        dir: tempfile::TempDir,
    }

    impl Fixture {
        /// An index with one record.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(dir.path()).unwrap().join("index.redb");
            let index = Index::open(&path, Dirt::default()).unwrap();
            index.put_record(&record(), b"value").unwrap();
            Self { index, dir }
        }

        fn has_record(&self) -> bool {
            self.index.record(&record()).is_some()
        }

        fn was_moved_aside(&self) -> bool {
            self.dir.path().join("index.redb.damaged").exists()
        }
    }

    fn record() -> RecordKey {
        RecordKey {
            table: "table".into(),
            key: "key".into(),
        }
    }

    fn damage() -> redb::Error {
        redb::Error::Corrupted("for a test".into())
    }

    fn failure() -> redb::Error {
        redb::Error::Io(std::io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn a_lookup_that_meets_damage_is_a_miss_and_the_index_begins_anew() {
        let lookups: [fn() -> Result<u32, redb::Error>; 2] = [|| Err(damage()), || panic!("as the library does")];
        for lookup in lookups {
            let fixture = Fixture::new();
            assert_eq!(fixture.index.read(|_| lookup()), 0);
            assert!(!fixture.has_record());
            assert!(fixture.was_moved_aside());
            fixture.index.put_record(&record(), b"value").unwrap();
            assert!(fixture.has_record());
        }
    }

    #[test]
    fn a_failure_of_the_disk_loses_nothing() {
        let fixture = Fixture::new();
        fixture.index.flush().unwrap();
        assert_eq!(fixture.index.read(|_| Err::<u32, _>(failure())), 0);
        assert!(fixture.has_record());
        assert!(!fixture.was_moved_aside());
    }

    #[test]
    fn a_change_is_tried_once_more() {
        for error in [damage, failure] {
            let fixture = Fixture::new();
            let tries = AtomicU32::new(0);
            let value = fixture.index.write(|_| match tries.fetch_add(1, Ordering::Relaxed) {
                0 => Err(error()),
                _ => Ok(7),
            });
            assert_eq!(value.unwrap(), 7);
            let refused = fixture.index.write(|_| Err::<(), _>(failure())).unwrap_err();
            assert!(matches!(refused, StoreError::Index { .. }), "{refused:?}");
        }
    }

    #[test]
    fn what_is_changed_while_it_is_written_is_written_again() {
        let fixture = Fixture::new();
        let key = BlobKey::new(&vx_model::Digest::of(b"x"), false);
        let known = Known {
            size: 1,
            inode: 2,
            boot: 3,
            used: 4,
        };
        fixture.index.set_known(key, Some(known));
        let written = fixture.index.ledger.pending();
        let later = Known { used: 5, ..known };
        fixture.index.set_known(key, Some(later));
        fixture.index.ledger.settle(&written);
        assert_eq!(fixture.index.known(&key), Some(later));
        fixture.index.flush().unwrap();
        assert_eq!(fixture.index.known(&key), Some(later));
        assert_eq!(fixture.index.blob_totals(), (1, 1));
    }
}
