//! Attacks on the cache of vx: small projects that are built, changed and built again, each of which would get a wrong
//! result if vx missed what it depends on. What they are lies in `tests/attacks`, one file each; this crate runs them.
//!
//! It knows vx as a program only, so that the two cannot share a mistake. `cargo xtask attack` runs all of them, the
//! test `attacks` of `vx` the quick ones.

mod fixture;
mod known;
mod mode;
mod process;
mod project;
mod replay;
mod verdict;
mod world;

use camino::Utf8Path;

pub use fixture::{Attack, read_all};
pub use known::Known;
pub use verdict::{Outcome, Verdict, run};

/// The directory of the attacks in this repository.
pub fn fixtures() -> &'static Utf8Path {
    Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../attacks"))
}
