//! Verified downloads by SHA-256, shared by all processes of a machine, and what turns them into directories.
//!
//! What is fetched, and where its checksum comes from, is not decided here.

pub mod archive;
mod cache;
mod checksum;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod partial;
mod progress;
mod proxies;
mod publish;

pub use cache::DownloadCache;
pub use checksum::{Checksum, ParseChecksumError};
pub use error::DownloadError;
pub use progress::{ProgressHook, Transferred};
pub use publish::publish_directory;
