//! Packages for Cargo: what the lock file names, fetched and offered as directory sources and git checkouts.
//!
//! vx downloads packages of registries and copies vendored ones. Cargo fetches git repositories, and registries that
//! need credentials, into a home of its own. The lock file itself is Cargo's: if it is missing or does not match the
//! manifests, Cargo creates or updates it.

mod lock_file;
mod prepare;

pub(crate) use lock_file::mend_lockfile;
pub use prepare::prepare_packages;
pub(crate) use prepare::{fetch_again, prepare_again};

/// Shows the user what happens: a verb, a text.
pub type Status<'a> = dyn Fn(&str, String) + Send + Sync + 'a;
