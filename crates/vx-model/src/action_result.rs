//! `ActionResult`: the outputs of an action, by digest, in REAPI's encoding.
//!
//! Trees are given by `root_directory_digest`, the duration is `virtual_execution_duration`, and the annotation is an
//! entry of `auxiliary_metadata` whose type name has its version. Anything that a later version adds to the message
//! makes it unreadable here: an unknown result is a miss, never read in part.

use facet::Facet;
use prost::Message as _;

use crate::wire::{
    WireActionResult, WireAny, WireDigest, WireDuration, WireFormatError, WireMetadata, WireOutputDirectory,
    WireOutputFile, decode_exact,
};
use crate::{Digest, RootedPath, formats};

/// Type name of [`ActionResult::annotation`] in the encoding; ends with the version of the whole format.
fn annotation_type() -> String {
    format!("type.googleapis.com/vx.Annotation.{}", formats::ACTION_RESULT)
}

/// A file that an action wrote.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputFile {
    /// Where it was written.
    pub path: RootedPath,
    /// Content.
    pub digest: Digest,
    /// Whether the file is executable.
    pub is_executable: bool,
}

/// A directory that an action wrote.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputTree {
    /// Where it was written.
    pub path: RootedPath,
    /// Digest of the encoded top-level [`crate::Directory`]; the levels below are separate blobs.
    pub root: Digest,
}

/// The outputs of a successful action. Failures are never stored.
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
    /// The duration of the run, in milliseconds.
    pub duration_ms: u64,
    /// The planner's data about the result, opaque to the store.
    pub annotation: Vec<u8>,
}

impl ActionResult {
    /// The encoding for the action cache.
    pub fn encode(&self) -> Vec<u8> {
        let mut files = self.files.clone();
        let mut trees = self.trees.clone();
        files.sort();
        trees.sort();
        let message = WireActionResult {
            output_files: files.into_iter().map(WireOutputFile::from).collect(),
            output_directories: trees.into_iter().map(WireOutputDirectory::from).collect(),
            stdout_digest: self.stdout.map(WireDigest::from),
            stderr_digest: self.stderr.map(WireDigest::from),
            execution_metadata: Some(WireMetadata {
                auxiliary_metadata: vec![WireAny {
                    type_url: annotation_type(),
                    value: self.annotation.clone(),
                }],
                virtual_execution_duration: Some(WireDuration::from_millis(self.duration_ms)),
            }),
        };
        message.encode_to_vec()
    }

    /// Reads what [`ActionResult::encode`] of this version wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, ActionResultError> {
        let message: WireActionResult = decode_exact(bytes)?;
        let metadata = message.execution_metadata.ok_or(ActionResultError::Version)?;
        let annotation = match <[WireAny; 1]>::try_from(metadata.auxiliary_metadata) {
            Ok([any]) if any.type_url == annotation_type() => any.value,
            _ => return Err(ActionResultError::Version),
        };
        let duration = metadata.virtual_execution_duration.ok_or(ActionResultError::Version)?;
        let decoded = Self {
            files: message
                .output_files
                .into_iter()
                .map(OutputFile::try_from)
                .collect::<Result<_, _>>()?,
            trees: message
                .output_directories
                .into_iter()
                .map(OutputTree::try_from)
                .collect::<Result<_, _>>()?,
            stdout: optional("stdout", message.stdout_digest.as_ref())?,
            stderr: optional("stderr", message.stderr_digest.as_ref())?,
            duration_ms: duration.millis().ok_or(ActionResultError::Duration)?,
            annotation,
        };
        let is_sorted = decoded.files.is_sorted() && decoded.trees.is_sorted();
        is_sorted.then_some(decoded).ok_or(ActionResultError::Order)
    }
}

/// The bytes are not an encoded [`ActionResult`] of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionResultError {
    /// Not canonical protobuf.
    #[error("not the encoding of an action result")]
    Format(#[from] WireFormatError),
    /// Written by another version of vx, or by another program.
    #[error("an action result of another version")]
    Version,
    /// This output has no valid digest.
    #[error("the output {0:?} has no valid digest")]
    Digest(String),
    /// This output is not below a root.
    #[error("the output {0:?} is not below a root")]
    Path(String),
    /// Outputs are not sorted.
    #[error("the outputs of the action result are out of order")]
    Order,
    /// The duration is negative or not in whole milliseconds.
    #[error("the duration is not a number of milliseconds")]
    Duration,
}

impl WireDuration {
    fn from_millis(millis: u64) -> Self {
        Self {
            // Both fit: a 64-bit number divided by 1000, and less than 10^9.
            seconds: (millis / 1000).cast_signed(),
            nanos: ((millis % 1000) * 1_000_000) as i32,
        }
    }

    fn millis(self) -> Option<u64> {
        let seconds = u64::try_from(self.seconds).ok()?;
        let nanos = u64::try_from(self.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        if nanos % 1_000_000 != 0 {
            return None;
        }
        seconds.checked_mul(1000)?.checked_add(nanos / 1_000_000)
    }
}

impl From<OutputFile> for WireOutputFile {
    fn from(file: OutputFile) -> Self {
        Self {
            path: file.path.to_string(),
            digest: Some(file.digest.into()),
            is_executable: file.is_executable,
        }
    }
}

impl From<OutputTree> for WireOutputDirectory {
    fn from(tree: OutputTree) -> Self {
        Self {
            path: tree.path.to_string(),
            root_directory_digest: Some(tree.root.into()),
        }
    }
}

impl TryFrom<WireOutputFile> for OutputFile {
    type Error = ActionResultError;

    fn try_from(file: WireOutputFile) -> Result<Self, ActionResultError> {
        Ok(Self {
            digest: required(&file.path, file.digest.as_ref())?,
            path: rooted(file.path)?,
            is_executable: file.is_executable,
        })
    }
}

impl TryFrom<WireOutputDirectory> for OutputTree {
    type Error = ActionResultError;

    fn try_from(tree: WireOutputDirectory) -> Result<Self, ActionResultError> {
        Ok(Self {
            root: required(&tree.path, tree.root_directory_digest.as_ref())?,
            path: rooted(tree.path)?,
        })
    }
}

/// Only paths that are lexically below the root, because results are materialized.
fn rooted(text: String) -> Result<RootedPath, ActionResultError> {
    let plain = |path: &RootedPath| {
        let is_plain = |component: &str| !matches!(component, "" | "." | "..") && !component.contains('\0');
        path.path.is_empty() || path.path.split('/').all(is_plain)
    };
    let parsed = text.parse().ok().filter(plain);
    parsed.ok_or(ActionResultError::Path(text))
}

fn required(output: &str, wire: Option<&WireDigest>) -> Result<Digest, ActionResultError> {
    wire.and_then(WireDigest::digest)
        .ok_or_else(|| ActionResultError::Digest(output.to_owned()))
}

fn optional(output: &str, wire: Option<&WireDigest>) -> Result<Option<Digest>, ActionResultError> {
    wire.map(|wire| required(output, Some(wire))).transpose()
}
