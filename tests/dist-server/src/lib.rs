//! A real HTTP dist server for tests: genuine component archives and channel manifests on a loopback port.
//!
//! It counts requests, and misbehaves on demand. It knows nothing about vx, so both cannot share a mistake. Only tests
//! use it, so failures panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answer;
mod archive;
mod channel;
mod installed;
mod server;
mod shelf;

pub use archive::{Archive, Format, OddEntry};
pub use channel::Channel;
pub use installed::Installed;
pub use server::{DistServer, Misbehaviour};
pub use shelf::{Content, Shelf, sha256};
