//! Copies a directory of sources into the store, and names it by its content.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use vx_download::Checksum;
use walkdir::WalkDir;

use crate::view::link;

/// A directory cannot be copied.
#[derive(Debug, thiserror::Error)]
#[error("failed to copy {path}")]
pub struct TreeError {
    /// What was copied when it failed.
    path: Utf8PathBuf,
    source: io::Error,
}

impl From<io::Error> for TreeError {
    fn from(source: io::Error) -> Self {
        Self {
            path: Utf8PathBuf::from("a directory"),
            source,
        }
    }
}

/// What is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Files of the user, who may write to them.
    Files,
    /// A checkout of git's. Its objects, which never change once they are there, are hard links and take no further
    /// space.
    Checkout,
    /// A repository, likewise, for Cargo to write to.
    Repository,
}

/// A file or link in a tree.
pub(crate) struct Entry {
    /// Its path below the top.
    pub(crate) path: Utf8PathBuf,
    /// Whether it is a symbolic link.
    pub(crate) is_link: bool,
}

/// All files and links below `top`, sorted by path.
pub(crate) fn entries(top: &Utf8Path) -> Result<Vec<Entry>, TreeError> {
    let mut found = Vec::new();
    for entry in WalkDir::new(top).min_depth(1) {
        let entry = entry.map_err(|error| failed(top)(error.into()))?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = Utf8Path::from_path(entry.path())
            .and_then(|path| path.strip_prefix(top).ok())
            .ok_or_else(|| failed(top)(io::Error::other("a file name in it is not valid UTF-8")))?;
        found.push(Entry {
            path: path.to_owned(),
            is_link: entry.file_type().is_symlink(),
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Copies everything below `from` to the directory `to`. The copy is read-only, except for repositories.
pub(crate) fn copy(from: &Utf8Path, to: &Utf8Path, kind: Kind) -> Result<(), TreeError> {
    for entry in entries(from)? {
        let (source, target) = (from.join(&entry.path), to.join(&entry.path));
        copy_entry(&entry, &source, &target, kind).map_err(failed(&source))?;
    }
    Ok(())
}

fn copy_entry(entry: &Entry, source: &Utf8Path, target: &Utf8Path, kind: Kind) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if entry.is_link {
        return link(&source.read_link_utf8()?, target);
    }
    // Another file system, or too many links already: a copy is as good.
    if kind != Kind::Files && is_git_object(&entry.path) && std::fs::hard_link(source, target).is_ok() {
        return Ok(());
    }
    std::fs::copy(source, target)?;
    if kind == Kind::Repository {
        return Ok(());
    }
    let mut permissions = target.symlink_metadata()?.permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(target, permissions)
}

/// `objects/01/23…`, `objects/pack/…`, in the directory of a repository, of a checkout or of a submodule.
fn is_git_object(path: &Utf8Path) -> bool {
    let Some(parent) = path.parent() else { return false };
    let is_objects = parent
        .parent()
        .is_some_and(|above| above.file_name() == Some("objects"));
    let is_plain =
        |name: &str| name == "pack" || (name.len() == 2 && name.bytes().all(|digit| digit.is_ascii_hexdigit()));
    is_objects && parent.file_name().is_some_and(is_plain)
}

/// The content of everything below `top`, and which files are executable.
pub(crate) fn digest(
    top: &Utf8Path,
    entries: &[Entry],
    of: impl Fn(&Entry) -> Result<Checksum, TreeError>,
) -> Result<Checksum, TreeError> {
    let mut hasher = Sha256::new();
    for entry in entries {
        let executable = is_executable(&top.join(&entry.path)).map_err(failed(top))?;
        hasher.update(format!("{} {executable} {}\0", of(entry)?, entry.path));
    }
    Ok(Checksum(hasher.finalize().into()))
}

/// The content of a file.
pub(crate) fn file_digest(path: &Utf8Path) -> Result<Checksum, TreeError> {
    let digest = || Checksum::of_reader(std::fs::File::open(path)?);
    digest().map(|(digest, _)| digest).map_err(failed(path))
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        fn is_executable(path: &Utf8Path) -> io::Result<bool> {
            use std::os::unix::fs::PermissionsExt as _;
            Ok(path.symlink_metadata()?.permissions().mode() & 0o111 != 0)
        }
    } else {
        fn is_executable(_: &Utf8Path) -> io::Result<bool> {
            Ok(false)
        }
    }
}

fn failed(path: &Utf8Path) -> impl Fn(io::Error) -> TreeError {
    move |source| TreeError {
        path: path.to_owned(),
        source,
    }
}
