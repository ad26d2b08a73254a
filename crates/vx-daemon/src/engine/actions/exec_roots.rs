//! The paths of exec roots. The executor creates and removes them; this only assigns paths.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;
use vx_model::Digest;

/// The paths of exec roots.
#[derive(Debug)]
pub(crate) struct ExecRoots {
    directory: Utf8PathBuf,
    made: AtomicU64,
    kept: Mutex<HashSet<Utf8PathBuf>>,
}

/// A path that belongs to one action until this is dropped.
#[derive(Debug)]
pub(crate) struct ExecRootPath {
    path: Utf8PathBuf,
    owner: Arc<ExecRoots>,
}

impl ExecRoots {
    /// Paths in `directory`.
    pub(crate) fn new(directory: Utf8PathBuf) -> Arc<Self> {
        Arc::new(Self {
            directory,
            made: AtomicU64::new(0),
            kept: Mutex::default(),
        })
    }

    /// A path that was never used before.
    pub(crate) fn fresh(self: &Arc<Self>) -> ExecRootPath {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        ExecRootPath {
            path: self.directory.join(format!("{}-{number}", std::process::id())),
            owner: self.clone(),
        }
    }

    /// The usual path of `unit` in `workspace`, because incremental compilation starts over when the paths of a command
    /// change. A fresh one if another build uses it, or if it was not removed yet.
    pub(crate) fn usual(self: &Arc<Self>, workspace: &str, unit: &str) -> ExecRootPath {
        let name = Digest::of(format!("{workspace}\0{unit}").as_bytes()).hex();
        let path = self.directory.join(format!("unit-{}", &name[..16]));
        let is_free = self.kept.lock().insert(path.clone());
        if !is_free {
            return self.fresh();
        }
        let usual = ExecRootPath {
            path,
            owner: self.clone(),
        };
        match usual.path.symlink_metadata() {
            Ok(_) => self.fresh(),
            Err(_) => usual,
        }
    }
}

impl ExecRootPath {
    /// Absolute; nothing exists there.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }
}

impl Drop for ExecRootPath {
    fn drop(&mut self) {
        self.owner.kept.lock().remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_has_its_path_unless_it_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        let roots = ExecRoots::new(directory.to_owned());
        let usual = roots.usual("/w", "a").path().to_owned();
        assert_ne!(roots.usual("/w", "b").path(), usual);
        assert_ne!(roots.usual("/v", "a").path(), usual);

        let held = roots.usual("/w", "a");
        assert_eq!(held.path(), usual);
        assert_ne!(roots.usual("/w", "a").path(), usual);
        drop(held);

        std::fs::create_dir(&usual).unwrap();
        assert_ne!(roots.usual("/w", "a").path(), usual);
        std::fs::remove_dir(&usual).unwrap();
        assert_eq!(roots.usual("/w", "a").path(), usual);
        assert_ne!(roots.fresh().path(), roots.fresh().path());
    }
}
