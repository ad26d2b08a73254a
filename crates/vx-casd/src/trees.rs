//! Reads whole Merkle trees from the store.

use vx_model::{Digest, Directory};

use crate::blobs::Blobs;

/// Directories below the top of a tree. File systems allow hardly more in one path, and reading is recursive.
pub(crate) const MAX_DEPTH: usize = 128;

/// A directory with the directories below it.
#[derive(Debug)]
pub(crate) struct Tree {
    /// This level.
    pub(crate) directory: Directory,
    /// Those below, in the order of [`Directory::directories`].
    pub(crate) children: Vec<Tree>,
}

impl Tree {
    /// Reads all levels. Fails with the digests that are missing, damaged or not directories.
    pub(crate) fn load(blobs: &Blobs, root: &Digest) -> Result<Self, Vec<Digest>> {
        let mut missing = Vec::new();
        match load(blobs, root, 0, &mut missing) {
            Some(tree) if missing.is_empty() => Ok(tree),
            _ => Err(missing),
        }
    }

    /// Every file of every level, with whether it may be executed.
    pub(crate) fn files(&self) -> Vec<(Digest, bool)> {
        let mut files = Vec::new();
        let mut todo = vec![self];
        while let Some(tree) = todo.pop() {
            files.extend(
                tree.directory
                    .files
                    .iter()
                    .map(|node| (node.digest, node.is_executable)),
            );
            todo.extend(&tree.children);
        }
        files
    }

    /// The targets of all symbolic links of all levels.
    pub(crate) fn link_targets(&self) -> Vec<&str> {
        let mut targets = Vec::new();
        let mut todo = vec![self];
        while let Some(tree) = todo.pop() {
            targets.extend(tree.directory.symlinks.iter().map(|node| node.target.as_str()));
            todo.extend(&tree.children);
        }
        targets
    }
}

fn load(blobs: &Blobs, digest: &Digest, depth: usize, missing: &mut Vec<Digest>) -> Option<Tree> {
    let decoded = blobs
        .content(digest)
        .and_then(|content| match Directory::decode(&content) {
            Ok(directory) if depth <= MAX_DEPTH => Some(directory),
            Ok(_) => {
                tracing::warn!(%digest, "a tree is too deep and counts as missing");
                None
            }
            Err(error) => {
                tracing::warn!(%digest, %error, "a blob is not a directory and counts as missing");
                None
            }
        });
    let Some(directory) = decoded else {
        missing.push(*digest);
        return None;
    };
    let children = directory.directories.iter();
    let children = children
        .filter_map(|node| load(blobs, &node.digest, depth + 1, missing))
        .collect();
    Some(Tree { directory, children })
}
