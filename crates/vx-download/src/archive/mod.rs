//! Unpacking archives that may be hostile, file by file as they come.
//!
//! Nothing leads outside, neither by path nor by link; nothing is larger than it may be. Where the entries of an archive
//! go, and what else it has to hold, is said by a [`Layout`].

mod decoder;
mod error;
mod names;
mod paths;
mod unpacker;

pub use decoder::Format;
pub use error::ArchiveError;
pub use unpacker::{Destination, Layout, Limits, Rules, Unpacker};

#[cfg(test)]
mod tests;
