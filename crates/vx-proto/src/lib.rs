//! How the processes of vx talk to each other: three rapace services and the types that they exchange.
//!
//! No behavior. Every method returns a [`Reply`], because rapace cannot carry a `std::result::Result`. All paths are
//! absolute UTF-8. A change to any type or method here raises [`PROTOCOL`], in `vx_model::formats`.

#![expect(missing_docs, reason = "rapace's macro writes public items without documentation")]

mod cas;
mod daemon;
mod error;
mod exec;

pub use cas::*;
pub use daemon::*;
pub use error::{ErrorKind, Reply, WireError};
pub use exec::*;

/// Version of everything in this crate; peers with another one are refused in the handshake.
pub const PROTOCOL: u32 = vx_model::formats::PROTOCOL;
