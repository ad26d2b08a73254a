//! Toolchains and registry packages: choosing, identifying, downloading, unpacking.
//!
//! Everything that vx brings onto the machine comes through here, by hash. Nothing here plans or builds.

mod checksum;
mod choose;
mod dist;
mod download;
#[doc(hidden)]
pub mod fuzzing;
mod lock;
mod lockfile;
mod packages;
mod publish;
mod source;

pub use checksum::{Checksum, ParseChecksumError};
pub use choose::{AskedBy, Caller, Toolchain, ToolchainError, ToolchainFileError, obtain, rustup_toolchains, select};
pub use dist::{
    AcquireError, Acquired, ComponentError, DistServer, KeptToolchain, ManifestError, ToolchainStore, ToolchainWish,
};
pub use download::{DownloadCache, DownloadError, ProgressHook, Transferred};
pub use lockfile::{GitPackage, LockedPackage, Lockfile, LockfileError};
pub use packages::{
    CRATES_IO_INDEX, CargoHome, GitStore, Origin, PackageDir, PackageError, PackageStore, Registry, TreeError,
    UnpackError, VendorError, VendoredPackage, source_view,
};
pub use source::{GitReference, GitSource, ParseSourceError, RegistrySource, Source};
