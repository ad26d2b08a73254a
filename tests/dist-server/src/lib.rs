//! A real HTTP dist server for tests: genuine component archives and channel manifests on a loopback port.
//!
//! It counts what it is asked for, and misbehaves on demand. It knows nothing of vx, so that both cannot share a mistake.
//! Whoever uses it is a test: what fails here panics.

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
