//! Claims on a home that end with the process that holds them, however it ends.
//!
//! A lock file holds the identity of its process, so that an unresponsive holder can be found.

use std::fs;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use vx_lock::FileLock;

use crate::ProcessId;

/// A lock file held exclusively until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: FileLock,
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
    /// Another process holds it and did not release it in time.
    #[error("`{path}` is still locked by another process after {}s", waited.as_secs())]
    Held {
        /// The lock file.
        path: Utf8PathBuf,
        /// How long this process waited.
        waited: Duration,
    },
}

impl LockError {
    fn io(path: &Utf8Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, source }
    }
}

impl Lock {
    /// Takes the lock, waiting for another holder for at most `patience`. A caller should give up on
    /// [`LockError::Held`].
    pub(crate) fn acquire(path: &Utf8Path, patience: Duration) -> Result<Self, LockError> {
        let failed = |source| LockError::io(path, source);
        let file = FileLock::acquire_within(path, patience).map_err(failed)?;
        let mut file = file.ok_or_else(|| LockError::Held {
            path: path.to_owned(),
            waited: patience,
        })?;
        let sign = |file: &mut FileLock| file.write(&serde_json::to_vec(&ProcessId::own()?)?);
        sign(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// The process that holds the lock now; `None` also if it has not written its identity yet.
    pub(crate) fn holder(path: &Utf8Path) -> Result<Option<ProcessId>, LockError> {
        if !Self::is_held(path)? {
            return Ok(None);
        }
        match fs::read(path) {
            // Invalid content is just being written.
            Ok(signature) => Ok(serde_json::from_slice(&signature).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LockError::io(path, error)),
        }
    }

    /// Whether some process holds the lock now. Any number of processes may ask at once.
    pub(crate) fn is_held(path: &Utf8Path) -> Result<bool, LockError> {
        FileLock::is_held(path).map_err(|error| LockError::io(path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_known_until_it_lets_go() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path()).unwrap().join("some.lock");
        assert_eq!(Lock::holder(&path).unwrap(), None);
        let lock = Lock::acquire(&path, Duration::ZERO).unwrap();
        assert!(Lock::is_held(&path).unwrap());
        assert_eq!(Lock::holder(&path).unwrap(), Some(ProcessId::own().unwrap()));
        assert!(matches!(
            Lock::acquire(&path, Duration::ZERO),
            Err(LockError::Held { .. })
        ));
        drop(lock);
        assert_eq!(Lock::holder(&path).unwrap(), None);
    }
}
