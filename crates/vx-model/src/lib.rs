//! The nouns of vx: digests, trees, keys, inputs, templates, results.
//!
//! Types and their canonical encodings only. Nothing here reads a disk, runs a process or opens a socket. Where the
//! Remote Execution API (REAPI) v2 has a message for a thing, the encoding here is byte for byte that message.

mod action_result;
mod digest;
mod directory;
mod input;
mod key;
mod template;

pub use action_result::{ActionResult, OutputFile, OutputTree};
pub use digest::{Digest, DigestHasher, ParseDigestError};
pub use directory::{Directory, DirectoryNode, FileNode, SymlinkNode};
pub use input::{Input, InputSet};
pub use key::{Key, KeyBuilder, KeyPart};
pub use template::{Part, Root, RootedPath, Roots, Template};
