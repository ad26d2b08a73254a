//! The toolchains that a store has unpacked: lists and removes them.

use std::collections::BTreeSet;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_download::Checksum;
use vx_lock::FileLock;

use super::store::{Memo, ToolchainStore, lock_of};

/// An unpacked toolchain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptToolchain {
    /// The names under which it was acquired: `stable-x86_64-unknown-linux-gnu`. Empty if they are no longer known.
    pub names: BTreeSet<String>,
    /// Its directory, absolute.
    pub directory: Utf8PathBuf,
}

impl ToolchainStore {
    /// What is unpacked, sorted by name. Blocks.
    pub fn kept(&self) -> io::Result<Vec<KeptToolchain>> {
        let memos = self.memos()?;
        let mut kept = Vec::new();
        for entry in entries(&self.path("toolchains"))? {
            let digest = entry.file_name().unwrap_or_default();
            // Locks, and toolchains that are being unpacked.
            if !is_digest(digest) || !entry.is_dir() {
                continue;
            }
            let of_it = memos.iter().filter(|(_, memo)| memo.toolchain == digest);
            let names = of_it.map(|(_, memo)| memo.name.clone()).filter(|name| !name.is_empty());
            kept.push(KeptToolchain {
                names: names.collect(),
                directory: entry,
            });
        }
        kept.sort();
        Ok(kept)
    }

    /// Removes what was acquired as `name` (`stable`, with or without the host) or is in a directory of that name;
    /// returns the removed directories. One that also has another name is kept. Blocks.
    ///
    /// A build that is using the toolchain fails without its compiler; the next one acquires it again.
    pub fn remove(&self, name: &str, host: &str) -> io::Result<Vec<Utf8PathBuf>> {
        let with_host = format!("{name}-{host}");
        let is_meant = |memo: &Memo| memo.name == name || memo.name == with_host || memo.toolchain == name;
        let (meant, others): (Vec<_>, Vec<_>) = self.memos()?.into_iter().partition(|(_, memo)| is_meant(memo));
        let mut digests: BTreeSet<String> = meant.iter().map(|(_, memo)| memo.toolchain.clone()).collect();
        digests.insert(name.to_owned());
        for (path, _) in &meant {
            std::fs::remove_file(path)?;
        }
        let mut removed = Vec::new();
        for digest in digests.iter().filter(|digest| is_digest(digest)) {
            let directory = self.path("toolchains").join(digest);
            let is_used = others.iter().any(|(_, memo)| memo.toolchain == *digest);
            if !is_used && directory.is_dir() {
                remove_directory(&directory)?;
                removed.push(directory);
            }
        }
        Ok(removed)
    }

    fn memos(&self) -> io::Result<Vec<(Utf8PathBuf, Memo)>> {
        let read = |path: Utf8PathBuf| {
            let memo = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
            Some((path, memo))
        };
        Ok(entries(&self.path("specs"))?.into_iter().filter_map(read).collect())
    }
}

/// Nothing else is allowed, because a name becomes part of a path.
fn is_digest(name: &str) -> bool {
    name.parse::<Checksum>().is_ok()
}

/// Moves the whole directory away at once, so that nobody finds a partial toolchain.
fn remove_directory(directory: &Utf8Path) -> io::Result<()> {
    let _lock = FileLock::acquire(&lock_of(directory))?;
    let parent = directory.parent().unwrap_or(directory);
    let aside = tempfile::Builder::new().prefix(".removed-").tempdir_in(parent)?;
    std::fs::rename(directory, aside.path().join("toolchain"))?;
    aside.close()
}

/// The entries of a directory, sorted; empty if it does not exist.
fn entries(directory: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let entries = match directory.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths: Vec<Utf8PathBuf> = entries.map(|entry| Ok(entry?.into_path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}
