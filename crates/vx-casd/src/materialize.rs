//! Lays files and directories down, by path.
//!
//! A file is replaced atomically, a directory appears atomically, and nothing with a missing blob is laid down.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::{Builder, TempPath};
use vx_model::Digest;
use vx_proto::{Content, MaterializeRequest, Placement};

use crate::blobs::Blobs;
use crate::error::{IoContext as _, StoreError};
use crate::files;
use crate::platform;
use crate::trees::Tree;

/// The prefix of unfinished files and directories, beside their final paths.
const UNFINISHED: &str = ".vx-unfinished-";

/// Lays down everything that is intact; returns the digests that are not.
pub(crate) fn materialize(blobs: &Blobs, requests: &[MaterializeRequest]) -> Result<Vec<Digest>, StoreError> {
    let mut missing = BTreeSet::new();
    for request in requests {
        let destination = Destination::new(&request.path, request.placement)?;
        let laid = match &request.content {
            Content::File { digest, is_executable } => destination.file(blobs, digest, *is_executable)?,
            Content::Tree { root } => destination.tree(blobs, root)?,
        };
        missing.extend(laid.err().unwrap_or_default());
    }
    Ok(missing.into_iter().collect())
}

/// Whether something was laid down, or which digests were missing for it.
type Laid = Result<(), Vec<Digest>>;

/// Where something goes, and how.
struct Destination<'a> {
    path: &'a Utf8Path,
    parent: &'a Utf8Path,
    placement: Placement,
}

impl<'a> Destination<'a> {
    fn new(path: &'a str, placement: Placement) -> Result<Self, StoreError> {
        let path = Utf8Path::new(path);
        match path.parent() {
            Some(parent) if path.is_absolute() => Ok(Self {
                path,
                parent,
                placement,
            }),
            _ => Err(StoreError::NotAbsolute { path: path.to_string() }),
        }
    }

    fn file(&self, blobs: &Blobs, digest: &Digest, executable: bool) -> Result<Laid, StoreError> {
        let missing = Ok(Err(vec![*digest]));
        let Some(blob) = find(blobs, digest, executable, self.placement)? else {
            return missing;
        };
        fs::create_dir_all(self.parent).at("make the directory", self.parent)?;
        let unfinished = match lay_file(blobs, &blob, digest, executable, self)? {
            Some(Unfinished::Done) => return Ok(Ok(())),
            Some(Unfinished::At(path)) => path,
            None => return missing,
        };
        // If both are links to one blob, renaming does nothing; the leftover is removed with its `TempPath`.
        fs::rename(&unfinished, self.path).at("write", self.path)?;
        Ok(Ok(()))
    }

    fn tree(&self, blobs: &Blobs, root: &Digest) -> Result<Laid, StoreError> {
        if self.path.symlink_metadata().is_ok() {
            return Err(StoreError::Exists {
                path: self.path.to_owned(),
            });
        }
        let tree = match Tree::load(blobs, root) {
            Ok(tree) => tree,
            Err(missing) => return Ok(Err(missing)),
        };
        let mut missing = Vec::new();
        for (digest, executable) in tree.files() {
            if find(blobs, &digest, executable, self.placement)?.is_none() {
                missing.push(digest);
            }
        }
        if !missing.is_empty() {
            return Ok(Err(missing));
        }
        fs::create_dir_all(self.parent).at("make the directory", self.parent)?;
        let mut builder = Builder::new();
        platform::for_the_user(builder.prefix(UNFINISHED), true);
        let unfinished = builder.tempdir_in(self.parent).at("make a directory in", self.parent)?;
        let top = Utf8Path::from_path(unfinished.path()).expect("a name of letters in a UTF-8 directory");
        if let Err(missing) = lay_level(blobs, &tree, top, self.placement)? {
            return Ok(Err(missing));
        }
        match platform::rename_new(unfinished.path(), self.path.as_std_path()) {
            Ok(()) => {
                // It has another name now, and nothing to remove.
                let _ = unfinished.keep();
                Ok(Ok(()))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty
                ) =>
            {
                Err(StoreError::Exists {
                    path: self.path.to_owned(),
                })
            }
            Err(error) => Err(error).at("make the directory", self.path),
        }
    }
}

/// Lays one level of a tree and those below it into the existing directory `dir`.
fn lay_level(blobs: &Blobs, tree: &Tree, dir: &Utf8Path, placement: Placement) -> Result<Laid, StoreError> {
    for node in &tree.directory.files {
        let path = dir.join(&node.name);
        let destination = Destination {
            path: &path,
            parent: dir,
            placement,
        };
        if let Err(missing) = destination.file(blobs, &node.digest, node.is_executable)? {
            // It vanished since it was looked at.
            return Ok(Err(missing));
        }
    }
    for node in &tree.directory.symlinks {
        let path = dir.join(&node.name);
        platform::symlink(&node.target, path.as_std_path()).at("make the symbolic link", &path)?;
    }
    for (node, child) in tree.directory.directories.iter().zip(&tree.children) {
        let path = dir.join(&node.name);
        fs::create_dir(&path).at("make the directory", &path)?;
        if let Err(missing) = lay_level(blobs, child, &path, placement)? {
            return Ok(Err(missing));
        }
    }
    Ok(Ok(()))
}

/// The blob to lay down. A link needs the file with the right mode; a copy gets a mode of its own.
fn find(
    blobs: &Blobs,
    digest: &Digest,
    executable: bool,
    placement: Placement,
) -> Result<Option<Utf8PathBuf>, StoreError> {
    match placement {
        Placement::Link => blobs.file(digest, executable),
        Placement::Copy => Ok(blobs.any_file(digest)),
    }
}

/// A file that was laid down.
enum Unfinished {
    /// Under its own name, which was unused.
    Done,
    /// Under a temporary name in the same directory.
    At(TempPath),
}

/// Lays a file down; `None` if the blob has vanished.
fn lay_file(
    blobs: &Blobs,
    blob: &Utf8Path,
    digest: &Digest,
    executable: bool,
    destination: &Destination<'_>,
) -> Result<Option<Unfinished>, StoreError> {
    if destination.placement == Placement::Link {
        match link(blobs, digest, executable, destination) {
            Ok(laid) => return Ok(Some(laid)),
            Err(error) if is_gone(&error, blob) => return Ok(None),
            Err(error) if may_copy_instead(&error) => {}
            Err(error) => return Err(error).at("link", destination.path),
        }
    }
    let copied = copy(blob, digest, executable, destination);
    match copied {
        Ok(path) => Ok(Some(Unfinished::At(path))),
        Err(error) if is_gone(&error, blob) => Ok(None),
        Err(error) => Err(error).at("write", destination.path),
    }
}

fn link(blobs: &Blobs, digest: &Digest, executable: bool, destination: &Destination<'_>) -> io::Result<Unfinished> {
    match blobs.link(digest, executable, destination.path.as_std_path()) {
        Ok(()) => Ok(Unfinished::Done),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let linked = Builder::new()
                .prefix(UNFINISHED)
                .make_in(destination.parent, |path| blobs.link(digest, executable, path))?;
            Ok(Unfinished::At(linked.into_temp_path()))
        }
        Err(error) => Err(error),
    }
}

fn copy(blob: &Utf8Path, digest: &Digest, executable: bool, destination: &Destination<'_>) -> io::Result<TempPath> {
    let from = platform::open_file(blob.as_std_path())?;
    let mut builder = Builder::new();
    platform::for_the_user(builder.prefix(UNFINISHED), executable);
    let mut to = builder.tempfile_in(destination.parent)?;
    let length = files::copy(&from, &mut to)?;
    if length != digest.size_bytes {
        return Err(io::Error::other("the blob changed while it was copied"));
    }
    let path = to.into_temp_path();
    if destination.placement == Placement::Link {
        // What stands in for a link looks like one.
        platform::set_blob_permissions(&path, executable)?;
    }
    Ok(path)
}

/// Whether a failure is due to a vanished blob, and not to the destination.
fn is_gone(error: &io::Error, blob: &Utf8Path) -> bool {
    error.kind() == io::ErrorKind::NotFound && !blob.exists()
}

/// Whether a hard link was refused for a reason that does not apply to a copy: another file system, the maximum number
/// of links, or links that the file system does not support or a policy forbids.
fn may_copy_instead(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::CrossesDevices
            | io::ErrorKind::TooManyLinks
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::Unsupported
    )
}
