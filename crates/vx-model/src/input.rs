//! `Input`: something that a result depended on and that can be asked for again.
//!
//! A recorded input set holds inputs without their answers. Answering them again, in this or another checkout, and adding
//! the answers to the weak key gives the strong key under which the result is stored.

use facet::Facet;
use serde::{Deserialize, Serialize};

use crate::formats;
use crate::root::RootedPath;

/// One input, as a query.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Input {
    /// What is the content of this file, if it exists and is a file?
    File(RootedPath),
    /// What is at this path: nothing, a file, a directory, a symbolic link to where?
    Kind(RootedPath),
    /// Which names, of which kinds, are in this directory? (not recursive)
    Listing(RootedPath),
    /// What is the content of this directory, recursively, without ignored files?
    Tree(RootedPath),
    /// Which directories above the workspace root have an entry of this name?
    Ancestors(String),
    /// What is the value of this environment variable, or is it unset?
    Env(String),
    /// Which variables does the process get from its surroundings, with which values?
    Environment,
    /// Where is this path, in absolute terms? Binds a result to one directory of one machine.
    Location(RootedPath),
    /// What does `lstat` say of this path: its kind, its permission bits, the length of a file, the target of a link?
    Stat(RootedPath),
}

/// The inputs whose answers decide a result, sorted, without duplicates.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct InputSet {
    inputs: Vec<Input>,
}

impl InputSet {
    /// Sorts and removes duplicates.
    pub fn new(mut inputs: Vec<Input>) -> Self {
        inputs.sort();
        inputs.dedup();
        Self { inputs }
    }

    /// The inputs in canonical order.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The encoding for the action cache: equal sets have equal encodings.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(&(formats::INPUT_SET, &self.inputs))
            .expect("inputs are texts and numbers, which all encode")
    }

    /// Reads what [`InputSet::encode`] of this version wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, InputSetError> {
        let (format, inputs): (u32, Vec<Input>) = postcard::from_bytes(bytes).map_err(|_| InputSetError::Malformed)?;
        if format != formats::INPUT_SET {
            return Err(InputSetError::Version(format));
        }
        let set = Self { inputs };
        // This finds trailing bytes, overlong numbers and inputs out of order.
        if set.inputs.is_sorted_by(|a, b| a < b) && set.encode() == bytes {
            Ok(set)
        } else {
            Err(InputSetError::NotCanonical)
        }
    }
}

/// The bytes are not an encoded [`InputSet`] of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputSetError {
    /// Not the encoding of any input set.
    #[error("not the encoding of an input set")]
    Malformed,
    /// Written by a version of vx with other inputs.
    #[error("an input set of format {0}")]
    Version(u32),
    /// Inputs out of order, or something after them.
    #[error("the encoding of an input set is not canonical")]
    NotCanonical,
}
