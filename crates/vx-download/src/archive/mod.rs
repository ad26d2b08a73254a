//! Unpacks archives that may be hostile, file by file as they arrive.
//!
//! No path or link leads outside, and nothing exceeds its limit. A [`Layout`] decides where the entries of an archive
//! go, and what it must contain.

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
