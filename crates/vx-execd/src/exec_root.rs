//! Exec roots: the directory of one action, created before it and removed after it.
//!
//! `tmp` is the action's `TMPDIR`; the request decides the rest. The store lays inputs down.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use vx_proto::ExecuteRequest;

/// An exec root that has been made.
#[derive(Debug)]
pub(crate) struct ExecRoot {
    path: Utf8PathBuf,
}

/// Why an exec root could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecRootError {
    /// The file system refused.
    #[error("cannot make {path}")]
    Make {
        /// What.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An output directory is gone, or not readable.
    #[error("cannot list the output directory {path}")]
    Read {
        /// Which, relative to the exec root.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A path of the request leads out of the exec root.
    #[error("`{path}` is not a plain path below the exec root")]
    Outside {
        /// As the request has it.
        path: String,
    },
    /// A path of the request must be absolute.
    #[error("`{path}` is not an absolute path")]
    NotAbsolute {
        /// As the request has it.
        path: String,
    },
}

impl ExecRoot {
    /// Creates the directories of `request`.
    pub(crate) fn make(request: &ExecuteRequest) -> Result<Self, ExecRootError> {
        let trees = request.output_trees.iter().map(|tree| &tree.path);
        for path in trees.chain([&request.exec_root, &request.working_directory]) {
            if !Utf8Path::new(path).is_absolute() {
                return Err(ExecRootError::NotAbsolute { path: path.clone() });
            }
        }
        let root = Self {
            path: Utf8PathBuf::from(&request.exec_root),
        };
        if let Some(parent) = root.path.parent() {
            make_all(parent)?;
        }
        fs::create_dir(&root.path).map_err(|source| ExecRootError::Make {
            path: root.path.clone(),
            source,
        })?;
        root.fill(request).inspect_err(|_| root.remove())?;
        Ok(root)
    }

    fn fill(&self, request: &ExecuteRequest) -> Result<(), ExecRootError> {
        make_all(&self.tmp())?;
        for directory in &request.output_directories {
            make_all(&self.join(directory)?)?;
        }
        let trees = request.output_trees.iter().map(|tree| Utf8Path::new(&tree.path));
        for tree in trees.clone() {
            make_all(tree)?;
        }
        for directory in &request.directories {
            let own = trees.clone().chain([self.path()]);
            make_all(below_one(own, directory)?)?;
        }
        Ok(())
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The action's `TMPDIR`.
    pub(crate) fn tmp(&self) -> Utf8PathBuf {
        self.path.join("tmp")
    }

    /// Where changes are that are forgotten.
    pub(crate) fn changes(&self) -> Utf8PathBuf {
        self.path.join("changes")
    }

    /// Where its [`crate::observe::KnownUses`] are.
    pub(crate) fn known(&self) -> Utf8PathBuf {
        self.path.join("known")
    }

    /// A path of the request, made absolute.
    pub(crate) fn join(&self, path: &str) -> Result<Utf8PathBuf, ExecRootError> {
        if is_plain(Utf8Path::new(path)) {
            Ok(self.path.join(path))
        } else {
            Err(ExecRootError::Outside { path: path.to_owned() })
        }
    }

    /// The time in nanoseconds since the Unix epoch, by the clock of this file system.
    pub(crate) fn stamp_ns(&self) -> Result<u64, ExecRootError> {
        let path = self.path.join("stamp");
        let stamp = || {
            let metadata = fs::File::create_new(&path)?.metadata()?;
            fs::remove_file(&path)?;
            let nanoseconds = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            u64::try_from(nanoseconds).map_err(io::Error::other)
        };
        stamp().map_err(|source| ExecRootError::Make {
            path: path.clone(),
            source,
        })
    }

    /// Frees its path at once, because removing it takes a while.
    pub(crate) fn set_aside(&mut self) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let aside = self
            .path
            .with_file_name(format!(".ended-{}-{number}", std::process::id()));
        match fs::rename(&self.path, &aside) {
            Ok(()) => self.path = aside,
            Err(error) => tracing::warn!(%error, path = %self.path, "cannot set an exec root aside"),
        }
    }

    /// Removes it with its contents. What cannot be removed is left for the next start of execd.
    pub(crate) fn remove(&self) {
        remove(&self.path);
    }
}

/// Moves everything in `directory` out of the way of new exec roots, and returns where to. The caller removes it later.
pub(crate) fn set_aside_leftovers(directory: &Utf8Path) -> io::Result<Option<Utf8PathBuf>> {
    fs::create_dir_all(directory)?;
    let mut leftovers = directory.read_dir_utf8()?.peekable();
    if leftovers.peek().is_none() {
        return Ok(None);
    }
    let aside = tempfile::Builder::new()
        .prefix(".leftovers-")
        .tempdir_in(directory)?
        .keep();
    let aside = Utf8PathBuf::from_path_buf(aside).map_err(|path| io::Error::other(path.display().to_string()))?;
    for entry in leftovers {
        let entry = entry?;
        if entry.path() != aside {
            fs::rename(entry.path(), aside.join(entry.file_name()))?;
        }
    }
    Ok(Some(aside))
}

/// Removes a directory, even if an action took away its own right to write there.
pub(crate) fn remove(directory: &Utf8Path) {
    let removed = match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(directory);
            fs::remove_dir_all(directory)
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, %directory, "cannot remove what an action left");
        }
        _ => {}
    }
}

/// Lets the owner enter and write to all directories from here down. Failures are noticed when they are removed.
fn make_writable(directory: &Utf8Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in directory.read_dir_utf8().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(entry.path());
        }
    }
}

/// Whether a relative path only goes down.
fn is_plain(path: &Utf8Path) -> bool {
    path.components()
        .all(|component| matches!(component, Utf8Component::Normal(_) | Utf8Component::CurDir))
}

/// `path`, which must lie in one of `directories`.
fn below_one<'a>(
    mut directories: impl Iterator<Item = &'a Utf8Path>,
    path: &'a str,
) -> Result<&'a Utf8Path, ExecRootError> {
    let lies_in = |directory: &Utf8Path| Utf8Path::new(path).strip_prefix(directory).is_ok_and(is_plain);
    match directories.any(lies_in) {
        true => Ok(Utf8Path::new(path)),
        false => Err(ExecRootError::Outside { path: path.to_owned() }),
    }
}

fn make_all(path: &Utf8Path) -> Result<(), ExecRootError> {
    fs::create_dir_all(path).map_err(|source| ExecRootError::Make {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(root: &Utf8Path) -> ExecuteRequest {
        ExecuteRequest {
            exec_root: root.to_string(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_directory: "/".to_owned(),
            inputs: Vec::new(),
            directories: vec![root.join("deps").into_string()],
            output_directories: vec!["out/deep".to_owned()],
            output_trees: Vec::new(),
            inline_files: Vec::new(),
            rustc_json: false,
            observe: false,
            containment: None,
        }
    }

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        (dir, path)
    }

    #[test]
    fn it_has_what_was_asked_for_and_goes_away() {
        let (_dir, path) = directory();
        let mut root = ExecRoot::make(&request(&path.join("exec/1"))).unwrap();
        for made in ["tmp", "deps", "out/deep"] {
            assert!(root.path().join(made).is_dir(), "{made}");
        }
        let before = root.stamp_ns().unwrap();
        assert!(before <= root.stamp_ns().unwrap());
        // Root may do everything, so this proves something for other users only.
        fs::set_permissions(root.path().join("out"), fs::Permissions::from_mode(0o500)).unwrap();
        root.set_aside();
        assert!(!path.join("exec/1").exists());
        root.remove();
        assert_eq!(path.join("exec").read_dir_utf8().unwrap().count(), 0);
    }

    #[test]
    fn it_must_be_new() {
        let (_dir, path) = directory();
        fs::write(path.join("precious"), "").unwrap();
        assert!(ExecRoot::make(&request(&path)).is_err());
        assert!(path.join("precious").exists());
    }

    #[test]
    fn nothing_leads_out_of_it() {
        let (_dir, path) = directory();
        let mut request = request(&path.join("root"));
        request.directories = vec![path.join("root/../outside").into_string()];
        assert!(matches!(ExecRoot::make(&request), Err(ExecRootError::Outside { .. })));
        assert!(!path.join("root").exists());
        request.directories = vec!["/outside".to_owned()];
        assert!(matches!(ExecRoot::make(&request), Err(ExecRootError::Outside { .. })));
    }

    #[test]
    fn leftovers_are_set_aside_once() {
        let (_dir, path) = directory();
        let exec = path.join("exec");
        assert_eq!(set_aside_leftovers(&exec).unwrap(), None);
        fs::create_dir_all(exec.join("old/tree")).unwrap();
        let aside = set_aside_leftovers(&exec).unwrap().unwrap();
        assert!(aside.join("old/tree").is_dir());
        assert!(!exec.join("old").exists());
        // A second crash before they were removed.
        let again = set_aside_leftovers(&exec).unwrap().unwrap();
        remove(&again);
        assert_eq!(set_aside_leftovers(&exec).unwrap(), None);
    }
}
