//! The nouns of vx: digests, trees, keys, inputs, templates, results.
//!
//! Types and their canonical encodings only. Nothing here reads a disk, runs a process or opens a socket. Where the
//! Remote Execution API (REAPI) v2 has a message for a thing, the encoding here is byte for byte that message.

mod action_result;
mod digest;
mod directory;
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod key;
mod template;
mod wire;

pub use action_result::{ActionResult, ActionResultError, OutputFile, OutputTree};
pub use digest::{Digest, DigestHasher, ParseDigestError, hex, unhex};
pub use directory::{Directory, DirectoryError, DirectoryNode, FileNode, SymlinkNode};
pub use input::{Input, InputSet, InputSetError};
pub use key::{Key, KeyBuilder, KeyPart};
pub use template::{Part, Root, RootedPath, Roots, Template};
pub use wire::WireFormatError;
