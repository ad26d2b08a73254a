//! Packages on this machine: named by lock files, fetched, unpacked once, never changed.
//!
//! Source replacement by Cargo's configuration is not decided here.

mod cargo_home;
#[doc(hidden)]
pub mod fuzzing;
mod git;
mod lockfile;
mod registry;
mod source;
mod spread;
mod store;
mod tree;
mod unpack;
mod vendored;
mod view;

pub use cargo_home::CargoHome;
pub use git::GitStore;
pub use lockfile::{GitPackage, LockedPackage, Lockfile, LockfileError};
pub use registry::{CRATES_IO_INDEX, Registry, RegistryError};
pub use source::{GitReference, GitSource, ParseSourceError, RegistrySource, Source};
pub use store::{Origin, PackageDir, PackageError, PackageStore};
pub use tree::TreeError;
pub use vendored::{VendorError, VendoredPackage};
pub use view::source_view;
