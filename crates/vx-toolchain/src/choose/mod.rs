//! Chooses a toolchain as rustup would, and identifies it by content.
//!
//! `+NAME`, then `RUSTUP_TOOLCHAIN`, then the nearest directory override or toolchain file, then rustup's default; the
//! `rustc` and `cargo` on `PATH` if nothing requests a toolchain. A matching installed one is used in place; for
//! another, [`obtain`] asks a [`ToolchainStore`]. rustup's toolchains are read, never written.

mod acquire;
mod error;
mod facts;
mod identity;
mod name;
mod path;
mod request;
mod requested;
mod rustup;
pub(crate) mod toolchain_file;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use vx_model::Digest;

pub use error::ToolchainError;
pub use facts::KnownToolchains;
pub(crate) use name::{Channel, ChannelName};
pub use request::RequestedBy;
pub use toolchain_file::ToolchainFileError;

use crate::ToolchainStore;
use request::Request;
use requested::Requested;
use rustup::Rustup;

/// A toolchain on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Its name for people: `stable-x86_64-unknown-linux-gnu`, or `rustc on PATH`.
    pub name: String,
    /// The sysroot, absolute, symbolic links resolved.
    pub sysroot: Utf8PathBuf,
    /// Whether it is the one on `PATH`, and not an installed one that rustup's programs could be told to use.
    pub is_on_path: bool,
    /// rustc, absolute; below the sysroot if possible.
    pub rustc: Utf8PathBuf,
    /// cargo, absolute.
    pub cargo: Utf8PathBuf,
    /// Digest of its version and of every file that decides what it produces. It does not depend on the toolchain's
    /// path.
    pub identity: Digest,
    /// `1.95.0`.
    pub release: String,
    /// The whole of `rustc -vV`.
    pub verbose_version: String,
    /// Host triple.
    pub host: String,
}

/// Whose toolchain is chosen.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Where the command runs, absolute.
    pub directory: &'a Utf8Path,
    /// The whole environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The `NAME` of a `+NAME` argument.
    pub plus: Option<&'a str>,
    /// Requested targets besides the host, if the toolchain can be acquired with them.
    pub targets: &'a [String],
}

/// Chooses among the toolchains on this machine for a user in `directory` (absolute) with `environment`; `plus` is the
/// `NAME` of a `+NAME` argument.
///
/// While the files of one of the `known` toolchains are unchanged, no process is started and only their metadata is read.
/// Blocks: file system, and at first a process and hashing.
pub fn select(
    directory: &Utf8Path,
    environment: &BTreeMap<String, String>,
    plus: Option<&str>,
    known: &KnownToolchains,
) -> Result<Toolchain, ToolchainError> {
    let rustup = Rustup::find(environment)?;
    let request = Request::find(directory, environment, plus, rustup.as_ref())?;
    let found = installed(&request, rustup.as_ref(), environment)?;
    know(found, environment, known)
}

/// As [`select`], and acquires from `store` what is requested and not installed. On a machine without rustup, toolchain
/// files and `RUSTUP_TOOLCHAIN` are still respected, and `stable` is acquired if nothing requests another and `PATH`
/// has none.
///
/// `status` receives, as a verb and a text, each step that takes time. Needs a multi-threaded runtime.
pub async fn obtain(
    caller: Caller<'_>,
    store: &ToolchainStore,
    known: &KnownToolchains,
    status: &(dyn Fn(&str, String) + Send + Sync),
) -> Result<Toolchain, ToolchainError> {
    let Caller {
        directory,
        environment,
        plus,
        targets,
    } = caller;
    let look = || {
        let rustup = Rustup::find(environment)?;
        let request = Request::find(directory, environment, plus, rustup.as_ref())?;
        let request = request.with_targets(targets);
        let found = installed(&request, rustup.as_ref(), environment);
        Ok((rustup, request, found))
    };
    let (rustup, request, found) = tokio::task::block_in_place(look)?;
    let found = match found {
        Ok(found) => found,
        Err(error) => acquire::acquire(&request, rustup.as_ref(), error, store, status).await?,
    };
    tokio::task::block_in_place(|| know(found, environment, known))
}

/// The names of the toolchains that rustup has installed or linked, sorted.
pub fn rustup_toolchains(environment: &BTreeMap<String, String>) -> Result<Vec<String>, ToolchainError> {
    Rustup::find(environment)?.map_or(Ok(Vec::new()), |rustup| rustup.installed())
}

/// Determines the facts about a toolchain.
fn know(
    found: Found,
    environment: &BTreeMap<String, String>,
    known: &KnownToolchains,
) -> Result<Toolchain, ToolchainError> {
    let facts = known.facts(&found.rustc, &found.cargo, environment)?;
    Ok(facts.into_toolchain(found))
}

/// Where a toolchain is, before anything else is known about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    name: String,
    rustc: Utf8PathBuf,
    cargo: Utf8PathBuf,
    /// The directory of an installed toolchain; `None` for programs on `PATH`.
    directory: Option<Utf8PathBuf>,
}

/// A toolchain on this machine with everything that is requested.
fn installed(
    request: &Request,
    rustup: Option<&Rustup>,
    environment: &BTreeMap<String, String>,
) -> Result<Found, ToolchainError> {
    let found = find(request, rustup, environment)?;
    request.check(&found)?;
    Ok(found)
}

fn find(
    request: &Request,
    rustup: Option<&Rustup>,
    environment: &BTreeMap<String, String>,
) -> Result<Found, ToolchainError> {
    match (&request.requested, rustup) {
        (Requested::Path(path), _) => Rustup::at_path(path, &request.requested_by),
        (Requested::Name(name), Some(rustup)) => rustup.find_named(name, &request.requested_by),
        (Requested::Name(name), None) => Err(ToolchainError::NoRustup {
            name: name.clone(),
            requested_by: request.requested_by.clone(),
        }),
        (Requested::Anything, _) => path::find(environment),
    }
}

#[cfg(test)]
mod tests;
