//! Toolchains: choosing, identifying and acquiring them.
//!
//! Nothing here knows about packages, plans or builds.

mod choose;
mod dist;
#[doc(hidden)]
pub mod fuzzing;

pub use choose::{
    Caller, KnownToolchains, RequestedBy, Toolchain, ToolchainError, ToolchainFileError, obtain, rustup_toolchains,
    select,
};
pub use dist::{AcquireError, Acquired, DistServer, KeptToolchain, ManifestError, ToolchainSpec, ToolchainStore};
