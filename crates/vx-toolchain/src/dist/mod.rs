//! Acquiring toolchains: channels of a dist server, their manifests, the components in them, unpacked once per machine.
//!
//! Every fetch goes through the download cache. Which toolchain is requested is not decided here.

mod channel;
pub(crate) mod component;
mod error;
mod install;
mod kept;
mod lookup;
pub(crate) mod manifest;
mod select;
mod server;
mod store;

pub use error::{AcquireError, ManifestError};
pub use kept::KeptToolchain;
pub use server::DistServer;
pub use store::{Acquired, ToolchainSpec, ToolchainStore};
