//! `Directory`: one level of a Merkle tree, in REAPI's canonical encoding.
//!
//! Canonical means nodes sorted by name, fields in tag order and no duplicates, so that equal trees have equal digests.
//! Field numbers are those of `build.bazel.remote.execution.v2.Directory`.

use prost::Message as _;

use crate::Digest;
use crate::wire::{
    WireDigest, WireDirectory, WireDirectoryNode, WireFileNode, WireFormatError, WireSymlinkNode, decode_exact,
};

/// A file of a [`Directory`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileNode {
    /// One path component.
    pub name: String,
    /// Content.
    pub digest: Digest,
    /// Whether the file is executable.
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
    /// The target of the link, unresolved.
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

impl Directory {
    /// The canonical encoding. [`Directory::decode`] checks whether names are legal, this does not.
    pub fn encode(&self) -> Vec<u8> {
        let mut files: Vec<_> = self.files.iter().collect();
        let mut directories: Vec<_> = self.directories.iter().collect();
        let mut symlinks: Vec<_> = self.symlinks.iter().collect();
        files.sort();
        directories.sort();
        symlinks.sort();
        let message = WireDirectory {
            files: files.into_iter().map(WireFileNode::from).collect(),
            directories: directories.into_iter().map(WireDirectoryNode::from).collect(),
            symlinks: symlinks.into_iter().map(WireSymlinkNode::from).collect(),
        };
        message.encode_to_vec()
    }

    /// Reads a canonical encoding and refuses any other: everything that it accepts can be written safely below one
    /// directory.
    pub fn decode(bytes: &[u8]) -> Result<Self, DirectoryError> {
        let message: WireDirectory = decode_exact(bytes)?;
        let directory = Self {
            files: message
                .files
                .into_iter()
                .map(FileNode::try_from)
                .collect::<Result<_, _>>()?,
            directories: message
                .directories
                .into_iter()
                .map(DirectoryNode::try_from)
                .collect::<Result<_, _>>()?,
            symlinks: message
                .symlinks
                .into_iter()
                .map(SymlinkNode::try_from)
                .collect::<Result<_, _>>()?,
        };
        directory.check_names()?;
        Ok(directory)
    }

    fn check_names(&self) -> Result<(), DirectoryError> {
        let files: Vec<_> = self.files.iter().map(|node| node.name.as_str()).collect();
        let directories: Vec<_> = self.directories.iter().map(|node| node.name.as_str()).collect();
        let symlinks: Vec<_> = self.symlinks.iter().map(|node| node.name.as_str()).collect();
        for names in [&files, &directories, &symlinks] {
            if let Some(pair) = names.windows(2).find(|pair| pair[0] > pair[1]) {
                return Err(DirectoryError::Order(pair[1].to_owned()));
            }
        }
        let mut all = [files, directories, symlinks].concat();
        all.sort_unstable();
        if let Some(name) = all.iter().find(|name| !is_component(name)) {
            return Err(DirectoryError::Name((*name).to_owned()));
        }
        match all.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(DirectoryError::Twice(pair[0].to_owned())),
            None => Ok(()),
        }
    }
}

/// Whether `name` names an entry of a directory and nothing else.
fn is_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// The bytes are not the canonical encoding of a legal [`Directory`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// Not canonical protobuf.
    #[error("not the encoding of a directory")]
    Format(#[from] WireFormatError),
    /// A name that is empty, `.`, `..`, or holds `/` or NUL.
    #[error("{0:?} cannot name an entry of a directory")]
    Name(String),
    /// A name after a greater one.
    #[error("the entry {0:?} is out of order")]
    Order(String),
    /// Two entries, of any kind, have the same name.
    #[error("two entries are named {0:?}")]
    Twice(String),
    /// The digest of this entry is missing or malformed.
    #[error("the entry {0:?} has no valid digest")]
    Digest(String),
    /// The target of this symbolic link is empty or holds NUL.
    #[error("the symbolic link {0:?} has no valid target")]
    Target(String),
}

impl From<&FileNode> for WireFileNode {
    fn from(node: &FileNode) -> Self {
        Self {
            name: node.name.clone(),
            digest: Some(node.digest.into()),
            is_executable: node.is_executable,
        }
    }
}

impl From<&DirectoryNode> for WireDirectoryNode {
    fn from(node: &DirectoryNode) -> Self {
        Self {
            name: node.name.clone(),
            digest: Some(node.digest.into()),
        }
    }
}

impl From<&SymlinkNode> for WireSymlinkNode {
    fn from(node: &SymlinkNode) -> Self {
        Self {
            name: node.name.clone(),
            target: node.target.clone(),
        }
    }
}

impl TryFrom<WireFileNode> for FileNode {
    type Error = DirectoryError;

    fn try_from(node: WireFileNode) -> Result<Self, DirectoryError> {
        Ok(Self {
            digest: digest_of(node.digest.as_ref(), &node.name)?,
            name: node.name,
            is_executable: node.is_executable,
        })
    }
}

impl TryFrom<WireDirectoryNode> for DirectoryNode {
    type Error = DirectoryError;

    fn try_from(node: WireDirectoryNode) -> Result<Self, DirectoryError> {
        Ok(Self {
            digest: digest_of(node.digest.as_ref(), &node.name)?,
            name: node.name,
        })
    }
}

impl TryFrom<WireSymlinkNode> for SymlinkNode {
    type Error = DirectoryError;

    fn try_from(node: WireSymlinkNode) -> Result<Self, DirectoryError> {
        if node.target.is_empty() || node.target.contains('\0') {
            return Err(DirectoryError::Target(node.name));
        }
        Ok(Self {
            name: node.name,
            target: node.target,
        })
    }
}

fn digest_of(wire: Option<&WireDigest>, name: &str) -> Result<Digest, DirectoryError> {
    wire.and_then(WireDigest::digest)
        .ok_or_else(|| DirectoryError::Digest(name.to_owned()))
}
