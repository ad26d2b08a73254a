//! `Directory`: one level of a Merkle tree, in REAPI's canonical encoding.
//!
//! Canonical means: nodes sorted by name, fields in tag order, no node twice, so that equal trees have equal digests.
//! Field numbers are those of `build.bazel.remote.execution.v2.Directory`.

use crate::Digest;

/// A file of a [`Directory`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileNode {
    /// One path component.
    pub name: String,
    /// Content.
    pub digest: Digest,
    /// Whether the file may be executed.
    pub is_executable: bool,
}

/// A directory below a [`Directory`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryNode {
    /// One path component.
    pub name: String,
    /// Digest of the encoded child [`Directory`].
    pub digest: Digest,
}

/// A symbolic link of a [`Directory`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SymlinkNode {
    /// One path component.
    pub name: String,
    /// What the link says, unresolved.
    pub target: String,
}

/// One level of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// Files, sorted by name when encoded.
    pub files: Vec<FileNode>,
    /// Directories, sorted by name when encoded.
    pub directories: Vec<DirectoryNode>,
    /// Symbolic links, sorted by name when encoded.
    pub symlinks: Vec<SymlinkNode>,
}
