//! Toolchains and registry packages: choosing, identifying, downloading, unpacking.
//!
//! Everything that vx brings onto the machine comes through here, by hash. Nothing here plans or builds.

mod checksum;
mod choose;
mod lock;
mod publish;

pub use checksum::{Checksum, ParseChecksumError};
pub use choose::{AskedBy, Toolchain, ToolchainError, ToolchainFileError, select};
