//! `ActionResult`: what an action left behind, by digest.

use facet::Facet;

use crate::Digest;

/// A file that an action wrote.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputFile {
    /// Relative to the exec root.
    pub path: String,
    /// Content.
    pub digest: Digest,
    /// Whether the file may be executed.
    pub is_executable: bool,
}

/// A directory that an action wrote.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputTree {
    /// Relative to the exec root.
    pub path: String,
    /// Digest of the encoded top [`crate::Directory`]; the levels below are blobs of their own.
    pub root: Digest,
}

/// What a successful action left behind. Failures are never stored.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ActionResult {
    /// Files, sorted by path.
    pub files: Vec<OutputFile>,
    /// Directories, sorted by path.
    pub trees: Vec<OutputTree>,
    /// Standard output, as a blob.
    pub stdout: Option<Digest>,
    /// Standard error, as a blob; for compilers, the diagnostics that a hit replays.
    pub stderr: Option<Digest>,
    /// How long the action ran when it ran, in milliseconds.
    pub duration_ms: u64,
    /// What the planner keeps with the result, opaque to the store.
    pub annotation: Vec<u8>,
}
