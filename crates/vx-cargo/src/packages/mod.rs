//! Packages for Cargo: what the lock file names, fetched and offered as directory sources and git checkouts.
//!
//! Packages of registries are downloaded by vx, vendored ones copied; git repositories, and registries that want to know
//! who the user is, are fetched by Cargo into a home of its own. The lock file itself is Cargo's: where it is missing or
//! does not fit the manifests, Cargo makes or mends it.

mod lock_file;
mod prepare;

pub(crate) use lock_file::mend_lockfile;
pub use prepare::prepare_packages;
pub(crate) use prepare::{fetch_again, prepare_again};

/// Tells the user what is going on: a verb, a text.
pub type Status<'a> = dyn Fn(&str, String) + Send + Sync + 'a;
