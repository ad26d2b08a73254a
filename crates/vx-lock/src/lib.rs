//! `FileLock`: one process (and one task) at a time, by an advisory lock on a file that goes away with its last user.
//!
//! The kernel releases the lock when its holder dies, so a killed process blocks nobody. The caller decides what an
//! unresponsive holder means.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::sync::oneshot;

/// Held for as long as it lives.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: Utf8PathBuf,
}

impl FileLock {
    /// Takes the lock at `path`, creating missing directories; blocks the thread while somebody else holds it.
    pub fn acquire(path: &Utf8Path) -> io::Result<Self> {
        loop {
            let file = open(path)?;
            file.lock()?;
            if is_current(&file, path)? {
                return Ok(Self::new(file, path));
            }
        }
    }

    /// As [`FileLock::acquire`], without blocking the thread.
    pub async fn acquire_async(path: &Utf8Path) -> io::Result<Self> {
        if let Some(lock) = Self::try_acquire(path)? {
            return Ok(lock);
        }
        let (sender, receiver) = oneshot::channel();
        wait_on_a_thread(path, move |locked| drop(sender.send(locked)))?;
        receiver.await.unwrap_or_else(|_| Err(waiter_died()))
    }

    /// As [`FileLock::acquire`], for at most `patience`; `None` if somebody else still holds the lock then.
    ///
    /// The wait is one blocking call on a thread of its own. If it fails the thread stays until the holder ends, so the
    /// caller should then give up.
    pub fn acquire_within(path: &Utf8Path, patience: Duration) -> io::Result<Option<Self>> {
        if let Some(lock) = Self::try_acquire(path)? {
            return Ok(Some(lock));
        }
        let (sender, receiver) = mpsc::channel();
        wait_on_a_thread(path, move |locked| drop(sender.send(locked)))?;
        match receiver.recv_timeout(patience) {
            Ok(locked) => locked.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(waiter_died()),
        }
    }

    /// Whether some process holds the lock now. Any number of processes may ask at once.
    pub fn is_held(path: &Utf8Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Writes `content` to the file, for others to read while the lock is held.
    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(content)
    }

    /// The lock, if nobody holds it now.
    fn try_acquire(path: &Utf8Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(is_current(&file, path)?.then(|| Self::new(file, path))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn new(file: File, path: &Utf8Path) -> Self {
        Self {
            file,
            path: path.to_owned(),
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Removed while held: a process that opened the file before finds in `is_current` that it has lost its name. If
        // open files have no identity to compare, the file stays.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

/// Waits for the lock on a thread of its own, not one of a runtime's: a runtime that shuts down waits for its own, and
/// the holder may be a download of many minutes in another process. If nobody waits any more, `then` must drop the lock
/// that it is given.
fn wait_on_a_thread(path: &Utf8Path, then: impl FnOnce(io::Result<FileLock>) + Send + 'static) -> io::Result<()> {
    let path = path.to_owned();
    let thread = thread::Builder::new().name("file-lock".to_owned());
    thread.spawn(move || then(FileLock::acquire(&path)))?;
    Ok(())
}

fn waiter_died() -> io::Error {
    io::Error::other("the thread that waited for the lock died")
}

fn open(path: &Utf8Path) -> io::Result<File> {
    let create = || OpenOptions::new().create(true).truncate(false).write(true).open(path);
    create().or_else(|error| match path.parent() {
        Some(parent) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(parent)?;
            create()
        }
        _ => Err(error),
    })
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        /// Whether `path` still names `file`: an earlier holder may have removed it between our opening and locking.
        fn is_current(file: &File, path: &Utf8Path) -> io::Result<bool> {
            use std::os::unix::fs::MetadataExt as _;
            let ours = file.metadata()?;
            match std::fs::metadata(path) {
                Ok(theirs) => Ok(ours.dev() == theirs.dev() && ours.ino() == theirs.ino()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        }
    } else {
        fn is_current(_: &File, _: &Utf8Path) -> io::Result<bool> {
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn lock_path(directory: &tempfile::TempDir) -> Utf8PathBuf {
        Utf8Path::from_path(directory.path()).unwrap().join("locks/one")
    }

    #[test]
    fn one_at_a_time_and_nothing_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = lock_path(&directory);
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _lock = FileLock::acquire(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(path.exists(), !cfg!(unix));
    }

    #[tokio::test]
    async fn waiting_leaves_the_runtime_free() {
        let directory = tempfile::tempdir().unwrap();
        let path = lock_path(&directory);
        let first = FileLock::acquire_async(&path).await.unwrap();
        let waiting = FileLock::acquire_async(&path);
        // The runtime has one thread: the join below would never end if waiting blocked it.
        let (second, ()) = tokio::join!(waiting, async { drop(first) });
        second.unwrap();
    }

    #[test]
    fn held_while_it_lives_and_no_longer() {
        let directory = tempfile::tempdir().unwrap();
        let path = lock_path(&directory);
        assert!(!FileLock::is_held(&path).unwrap());
        let mut lock = FileLock::acquire_within(&path, Duration::ZERO).unwrap().unwrap();
        lock.write(b"me").unwrap();
        assert!(FileLock::is_held(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"me");
        assert!(FileLock::acquire_within(&path, Duration::ZERO).unwrap().is_none());
        drop(lock);
        assert!(!FileLock::is_held(&path).unwrap());
    }

    #[test]
    fn a_waiter_gets_the_lock_when_it_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let path = lock_path(&directory);
        let lock = FileLock::acquire(&path).unwrap();
        let waiter = thread::spawn({
            let path = path.clone();
            move || FileLock::acquire_within(&path, Duration::from_secs(60))
        });
        drop(lock);
        assert!(waiter.join().unwrap().unwrap().is_some());
    }
}
