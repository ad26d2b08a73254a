//! The nouns of vx: digests, trees, actions, inputs, keys, results, templates.
//!
//! Types and their canonical encodings only. Nothing here reads a disk, runs a process or opens a socket. If the Remote
//! Execution API (REAPI) v2 has a message for a type, the encoding here is byte for byte that message.

mod action;
mod action_result;
mod command;
mod digest;
mod directory;
pub mod formats;
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod key;
pub mod os_text;
mod root;
mod template;
mod wire;

pub use action::{Access, Action, Containment, DeclaredInput, EncodedAction, Observation};
pub use action_result::{ActionResult, ActionResultError, OutputFile, OutputTree};
pub use command::{Command, OutputKind, OutputPath};
pub use digest::{Digest, DigestHasher, ParseDigestError};
pub use directory::{Directory, DirectoryError, DirectoryNode, FileNode, SymlinkNode};
pub use input::{Input, InputSet, InputSetError};
pub use key::{Key, KeyBuilder, KeyPart};
pub use root::{ParseRootedPathError, Root, RootedPath, Roots, VIEW, VIEW_TOP, View};
pub use template::{Part, Template};
pub use wire::WireFormatError;
