//! The protobuf messages behind the encodings: REAPI's, with REAPI's field numbers.
//!
//! Written by hand, because generated ones (`bazel-remote-apis`) bring tonic and all of Google's APIs for these few
//! messages, and no REAPI message may carry fields that are unknown here.
//!
//! Kept private: the types of this crate define what is allowed, these define how it is written. A reader decodes,
//! converts, encodes again and compares. So anything that another writer added, reordered or spelled differently is
//! refused instead of dropped, and one digest cannot stand for two encodings.

use prost::Message;

use crate::Digest;
use crate::digest::unhex;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireDigest {
    #[prost(string, tag = "1")]
    pub(crate) hash: String,
    #[prost(int64, tag = "2")]
    pub(crate) size_bytes: i64,
}

impl From<Digest> for WireDigest {
    fn from(digest: Digest) -> Self {
        Self {
            hash: digest.hex(),
            // REAPI's type; no file is larger.
            size_bytes: digest.size_bytes.cast_signed(),
        }
    }
}

impl WireDigest {
    /// The digest that this names; `None` if it is malformed.
    pub(crate) fn digest(&self) -> Option<Digest> {
        Some(Digest {
            hash: unhex(&self.hash)?,
            size_bytes: u64::try_from(self.size_bytes).ok()?,
        })
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireDirectory {
    #[prost(message, repeated, tag = "1")]
    pub(crate) files: Vec<WireFileNode>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) directories: Vec<WireDirectoryNode>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) symlinks: Vec<WireSymlinkNode>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireFileNode {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) digest: Option<WireDigest>,
    #[prost(bool, tag = "4")]
    pub(crate) is_executable: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireDirectoryNode {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) digest: Option<WireDigest>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireSymlinkNode {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) target: String,
}

/// REAPI's `Action`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireAction {
    #[prost(message, optional, tag = "1")]
    pub(crate) command_digest: Option<WireDigest>,
    #[prost(message, optional, tag = "2")]
    pub(crate) input_root_digest: Option<WireDigest>,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) salt: Vec<u8>,
    #[prost(message, optional, tag = "10")]
    pub(crate) platform: Option<WirePlatform>,
}

/// REAPI's `Command`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireCommand {
    #[prost(string, repeated, tag = "1")]
    pub(crate) arguments: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) environment_variables: Vec<WireVariable>,
    #[prost(string, tag = "6")]
    pub(crate) working_directory: String,
    #[prost(string, repeated, tag = "7")]
    pub(crate) output_paths: Vec<String>,
}

/// REAPI's `Command.EnvironmentVariable`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireVariable {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// REAPI's `Platform`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WirePlatform {
    #[prost(message, repeated, tag = "1")]
    pub(crate) properties: Vec<WireProperty>,
}

/// REAPI's `Platform.Property`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireProperty {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// The parts of an action that have no field in REAPI: the content of `Action.salt`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireTerms {
    #[prost(uint32, tag = "1")]
    pub(crate) format: u32,
    #[prost(string, tag = "2")]
    pub(crate) kind: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) host_facts: Vec<WireProperty>,
    #[prost(bool, tag = "4")]
    pub(crate) environment: bool,
    #[prost(string, repeated, tag = "5")]
    pub(crate) writable: Vec<String>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) private: Vec<String>,
    #[prost(bool, tag = "7")]
    pub(crate) file_accesses: bool,
    #[prost(bool, tag = "8")]
    pub(crate) artifact_notices: bool,
    #[prost(message, repeated, tag = "9")]
    pub(crate) outputs: Vec<WireProperty>,
    #[prost(string, tag = "10")]
    pub(crate) salt: String,
    #[prost(message, optional, tag = "11")]
    pub(crate) containment: Option<WireContainment>,
}

/// What a contained action may change and cannot see.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireContainment {
    #[prost(string, repeated, tag = "1")]
    pub(crate) writable: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) read_only: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) hidden: Vec<String>,
    #[prost(bool, tag = "4")]
    pub(crate) network: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) view: Option<WireView>,
    #[prost(string, repeated, tag = "6")]
    pub(crate) scratch: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireView {
    #[prost(string, tag = "1")]
    pub(crate) workspace: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) directories: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireActionResult {
    #[prost(message, repeated, tag = "2")]
    pub(crate) output_files: Vec<WireOutputFile>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) output_directories: Vec<WireOutputDirectory>,
    #[prost(message, optional, tag = "6")]
    pub(crate) stdout_digest: Option<WireDigest>,
    #[prost(message, optional, tag = "8")]
    pub(crate) stderr_digest: Option<WireDigest>,
    #[prost(message, optional, tag = "9")]
    pub(crate) execution_metadata: Option<WireMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireOutputFile {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) digest: Option<WireDigest>,
    #[prost(bool, tag = "4")]
    pub(crate) is_executable: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireOutputDirectory {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    #[prost(message, optional, tag = "5")]
    pub(crate) root_directory_digest: Option<WireDigest>,
}

/// REAPI's `ExecutedActionMetadata`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireMetadata {
    #[prost(message, repeated, tag = "11")]
    pub(crate) auxiliary_metadata: Vec<WireAny>,
    #[prost(message, optional, tag = "12")]
    pub(crate) virtual_execution_duration: Option<WireDuration>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireAny {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct WireDuration {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// Decodes a message if `bytes` is its canonical encoding, without anything that this crate does not know.
pub(crate) fn decode_exact<M: Message + Default>(bytes: &[u8]) -> Result<M, WireFormatError> {
    let message = M::decode(bytes).map_err(|error| WireFormatError::Malformed(error.to_string()))?;
    if message.encode_to_vec() == bytes {
        Ok(message)
    } else {
        Err(WireFormatError::NotCanonical)
    }
}

/// The bytes are not what this crate would write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireFormatError {
    /// Not protobuf, or fields of the wrong types.
    #[error("malformed protobuf: {0}")]
    Malformed(String),
    /// Unknown fields, fields out of order, explicit defaults, or overlong numbers.
    #[error("the encoding is not canonical")]
    NotCanonical,
}
