//! Toolchains and registry packages: choosing, identifying, downloading, unpacking.
//!
//! Everything that vx brings onto the machine comes through here, by hash. Nothing here plans or builds.

mod checksum;
mod choose;
mod dist;
mod download;
mod lock;
mod lockfile;
mod packages;
mod publish;

pub use checksum::{Checksum, ParseChecksumError};
pub use choose::{AskedBy, Caller, Toolchain, ToolchainError, ToolchainFileError, obtain, select};
pub use dist::{AcquireError, Acquired, ComponentError, DistServer, ManifestError, ToolchainStore, ToolchainWish};
pub use download::{DownloadCache, DownloadError, ProgressHook, Transferred};
pub use lockfile::{CRATES_IO_SOURCES, LockedPackage, Lockfile, LockfileError, OtherPackage, OtherSource};
pub use packages::{CRATES_IO_INDEX, PackageDir, PackageError, PackageStore, Registry, UnpackError, source_view};
