//! Claims on a home that end with the process that holds them, whatever way it ends.
//!
//! A lock file is never removed: two processes could otherwise hold two files of one name. It holds the identity of the
//! process that locked it last, so that a holder that says nothing can still be found.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::ProcessId;

/// A lock file held exclusively until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// A lock file could not be used, or is held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// The file cannot be opened or locked.
    #[error("cannot lock `{path}`")]
    Io {
        /// The lock file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process holds it and did not let go in time.
    #[error("another process has held `{path}` for {}s", waited.as_secs())]
    Held {
        /// The lock file.
        path: Utf8PathBuf,
        /// How long this process waited.
        waited: Duration,
    },
}

impl Lock {
    /// Takes the lock, waiting for another holder for at most `patience`.
    ///
    /// The wait is one blocking call on a thread of its own; where it is in vain the thread stays until the holder
    /// ends, so a caller that gets [`LockError::Held`] is expected to give up altogether.
    pub(crate) fn acquire(path: &Utf8Path, patience: Duration) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => return Self::sign(file).map_err(failed),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let locked = file.lock().map(|()| file);
            // The receiver may have given up; the lock then goes with the file.
            let _ = sender.send(locked);
        });
        match receiver.recv_timeout(patience) {
            Ok(locked) => locked.and_then(Self::sign).map_err(failed),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(LockError::Held {
                path: path.to_owned(),
                waited: patience,
            }),
        }
    }

    /// The process that holds the lock now; none also where it has not signed yet.
    pub(crate) fn holder(path: &Utf8Path) -> Result<Option<ProcessId>, LockError> {
        if !Self::is_held(path)? {
            return Ok(None);
        }
        let text = fs::read(path).map_err(|source| LockError::Io {
            path: path.to_owned(),
            source,
        })?;
        // What cannot be understood is being written just now.
        Ok(serde_json::from_slice(&text).ok())
    }

    fn sign(mut file: File) -> io::Result<Self> {
        let signature = serde_json::to_vec(&ProcessId::own()?)?;
        file.set_len(0)?;
        file.write_all(&signature)?;
        Ok(Self { _file: file })
    }

    /// Whether some process holds the lock now. Any number of processes may ask at once.
    pub(crate) fn is_held(path: &Utf8Path) -> Result<bool, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(failed(source)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

fn open(path: &Utf8Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_in(directory: &tempfile::TempDir) -> Utf8PathBuf {
        Utf8Path::from_path(directory.path()).unwrap().join("some.lock")
    }

    #[test]
    fn a_missing_file_is_not_held() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!Lock::is_held(&path_in(&directory)).unwrap());
    }

    #[test]
    fn held_while_it_lives_and_no_longer() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let lock = Lock::acquire(&path, Duration::ZERO).unwrap();
        assert!(Lock::is_held(&path).unwrap());
        assert_eq!(Lock::holder(&path).unwrap(), Some(ProcessId::own().unwrap()));
        assert!(matches!(
            Lock::acquire(&path, Duration::ZERO),
            Err(LockError::Held { .. })
        ));
        drop(lock);
        assert!(!Lock::is_held(&path).unwrap());
    }

    #[test]
    fn a_waiter_gets_the_lock_when_it_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let lock = Lock::acquire(&path, Duration::ZERO).unwrap();
        let waiter = thread::spawn({
            let path = path.clone();
            move || Lock::acquire(&path, Duration::from_secs(60))
        });
        drop(lock);
        waiter.join().unwrap().unwrap();
    }
}
