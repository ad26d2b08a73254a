//! The directory of a store: its files, its lock, and how another format is cleared.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use vx_lock::FileLock;
use vx_model::{Digest, formats};

use crate::error::{IoContext as _, StoreError};
use crate::platform;

/// The content of the file that holds the version of everything in the directory of a store.
fn format() -> String {
    format!("{}\n", formats::STORE)
}

/// The prefix of directories whose content is to be removed.
const THROWN_AWAY: &str = "thrown-away-";

/// How long a predecessor that was just killed may take to vanish. Services wait longer for each other, with a lock of
/// their own, but the system may release that lock a moment before this one.
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(1);

/// The files of a store, locked for this process.
#[derive(Debug)]
pub(crate) struct Layout {
    root: Utf8PathBuf,
    _lock: FileLock,
}

impl Layout {
    /// Creates the directory if necessary, locks it, clears another format, and discards temporary files.
    pub(crate) fn open(root: &Utf8Path) -> Result<Self, StoreError> {
        platform::create_private_dir(root.as_std_path()).at("create the directory", root)?;
        let layout = Self {
            root: root.to_owned(),
            _lock: lock(root)?,
        };
        layout.throw_away(&layout.tmp())?;
        if !layout.has_this_format() {
            layout.clear()?;
        }
        fs::create_dir_all(layout.tmp()).at("create the directory", &layout.tmp())?;
        layout.remove_thrown_away()?;
        Ok(layout)
    }

    /// Files that are being written. None remains from an earlier process.
    pub(crate) fn tmp(&self) -> Utf8PathBuf {
        self.root.join("tmp")
    }

    /// The database.
    pub(crate) fn index(&self) -> Utf8PathBuf {
        self.root.join("index.redb")
    }

    /// The file of a blob.
    pub(crate) fn blob(&self, digest: &Digest, executable: bool) -> Utf8PathBuf {
        let hex = digest.hex();
        let (shard, rest) = hex.split_at(2);
        let suffix = if executable { ".x" } else { "" };
        self.blobs().join(shard).join(format!("{rest}{suffix}"))
    }

    fn blobs(&self) -> Utf8PathBuf {
        self.root.join("blobs")
    }

    fn version(&self) -> Utf8PathBuf {
        self.root.join("version")
    }

    fn has_this_format(&self) -> bool {
        fs::read_to_string(self.version()).is_ok_and(|version| version == format())
    }

    /// Clears a store. The version is written last, so an interrupted clearing is repeated.
    fn clear(&self) -> Result<(), StoreError> {
        if self.blobs().exists() || self.index().exists() {
            tracing::warn!(store = %self.root, "the store has another format and is cleared");
        }
        self.throw_away(&self.blobs())?;
        self.throw_away(&self.index())?;
        let new = self.root.join("version.new");
        fs::write(&new, format()).at("write", &new)?;
        fs::rename(&new, self.version()).at("write", &self.version())
    }

    /// Moves a file or directory to a new directory, to be removed from there.
    fn throw_away(&self, path: &Utf8Path) -> Result<(), StoreError> {
        if path
            .symlink_metadata()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            return Ok(());
        }
        let aside = tempfile::Builder::new().prefix(THROWN_AWAY).tempdir_in(&self.root);
        let aside = aside.at("create a directory in", &self.root)?.keep();
        fs::rename(path, aside.join("old")).at("move aside", path)
    }

    /// Removes what was discarded, also by earlier processes, in the background: it may be a whole store.
    fn remove_thrown_away(&self) -> Result<(), StoreError> {
        let mut thrown_away = Vec::new();
        for entry in self.root.read_dir_utf8().at("list", &self.root)? {
            let entry = entry.at("list", &self.root)?;
            if entry.file_name().starts_with(THROWN_AWAY) {
                thrown_away.push(entry.into_path());
            }
        }
        if thrown_away.is_empty() {
            return Ok(());
        }
        let remove = move || thrown_away.iter().for_each(|path| remove(path));
        let thread = thread::Builder::new().name("vx-casd-remove".into()).spawn(remove);
        thread.map(drop).at("start a thread for", &self.root)
    }
}

fn remove(path: &Utf8Path) {
    match fs::remove_dir_all(path) {
        // A process that opened the store after this one removes it too.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%path, %error, "cannot remove discarded files; the next start tries again"),
        Ok(()) => {}
    }
}

/// Locks the store. Waits a moment for a predecessor that is being killed.
fn lock(root: &Utf8Path) -> Result<FileLock, StoreError> {
    let path = root.join("lock");
    let lock = FileLock::acquire_within(&path, PREDECESSOR_LIMIT).at("lock", &path)?;
    lock.ok_or_else(|| StoreError::InUse { path: root.to_owned() })
}
