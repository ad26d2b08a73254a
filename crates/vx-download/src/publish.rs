//! Publishes a directory: created under another name, renamed when complete, and only once.

use std::io;

use camino::Utf8Path;

use vx_lock::FileLock;

/// Creates the directory `path` by calling `fill` with an empty one, unless it exists.
///
/// A directory that exists is complete, because it is renamed to its path. What a killed process left is removed by the
/// next one that creates the same directory.
pub fn publish_directory<E: From<io::Error>>(
    path: &Utf8Path,
    fill: impl FnOnce(&Utf8Path) -> Result<(), E>,
) -> Result<(), E> {
    if path.is_dir() {
        return Ok(());
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a directory without a name").into());
    };
    let _lock = FileLock::acquire(&parent.join(format!(".{name}.lock")))?;
    if path.is_dir() {
        return Ok(());
    }
    let partial = parent.join(format!(".{name}.partial"));
    remove_if_there(&partial)?;
    std::fs::create_dir(&partial)?;
    let filled = fill(&partial).and_then(|()| Ok(std::fs::rename(&partial, path)?));
    if filled.is_err() {
        // The error of `fill` matters; the next attempt removes what is left.
        let _ = std::fs::remove_dir_all(&partial);
    }
    filled
}

fn remove_if_there(path: &Utf8Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn filled_once_and_never_seen_half() {
        let home = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(home.path()).unwrap().join("views/one");
        let fills = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    publish_directory::<io::Error>(&path, |partial| {
                        fills.fetch_add(1, Ordering::SeqCst);
                        std::fs::write(partial.join("a"), "a")?;
                        std::fs::write(partial.join("b"), "b")
                    })
                    .unwrap();
                    assert!(path.join("b").exists());
                });
            }
        });
        assert_eq!(fills.into_inner(), 1);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_and_a_killed_process_leave_nothing_in_the_way() {
        let home = tempfile::tempdir().unwrap();
        let views = Utf8Path::from_path(home.path()).unwrap();
        let path = views.join("one");
        let failed = publish_directory(&path, |_| Err(io::Error::other("no")));
        assert_eq!(failed.unwrap_err().to_string(), "no");
        assert!(!path.exists());

        std::fs::create_dir(views.join(".one.partial")).unwrap();
        std::fs::write(views.join(".one.partial/junk"), "").unwrap();
        publish_directory::<io::Error>(&path, |_| Ok(())).unwrap();
        assert!(!path.join("junk").exists());
    }
}
