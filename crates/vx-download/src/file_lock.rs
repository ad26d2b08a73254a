//! `FileLock`: one process (and one task) at a time, by an advisory lock on a file that goes away with its last user.
//!
//! The kernel releases the lock when its holder dies, so a killed process blocks nobody.

use std::fs::{File, TryLockError};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

/// Held for as long as it lives.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: Utf8PathBuf,
}

impl FileLock {
    /// Takes the lock at `path`, making missing directories; blocks the thread while somebody else holds it.
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
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_current(&file, path)? => return Ok(Self::new(file, path)),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // A thread of its own, not one of the runtime's: a runtime that shuts down waits for its own, and the holder
        // may be a download of many minutes in another process.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("file-lock".to_owned())
            .spawn(move || {
                // Where nobody waits any more, the lock comes back in the error and is released.
                let _ = sender.send(Self::acquire(&path));
            })?;
        receiver
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the thread that waited for the lock died")))
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
        // Removed while held: whoever opened the file before finds in `is_current` that it has lost its name. Where
        // an open file has no identity to compare, the (empty) file stays.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

fn open(path: &Utf8Path) -> io::Result<File> {
    let create = || File::options().create(true).truncate(false).write(true).open(path);
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
        std::thread::scope(|scope| {
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
}
