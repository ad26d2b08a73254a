//! Why no toolchain could be chosen, and what the user can do.

use std::io;

use camino::Utf8PathBuf;

use super::{RequestedBy, ToolchainFileError};
use crate::AcquireError;

/// No toolchain could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// The requested toolchain is not on this machine.
    #[error("toolchain `{name}`, requested by {requested_by}, is not installed")]
    NotInstalled {
        /// What was requested.
        name: String,
        /// Who requested it.
        requested_by: RequestedBy,
        /// Names of the installed toolchains, sorted.
        installed: Vec<String>,
        /// Where they are.
        directory: Utf8PathBuf,
    },
    /// A toolchain was requested by name, but rustup is not installed.
    #[error("toolchain `{name}` is requested by {requested_by}, but rustup is not installed")]
    NoRustup {
        /// What was requested.
        name: String,
        /// Who requested it.
        requested_by: RequestedBy,
    },
    /// The requested toolchain is not on this machine, or lacks something, and could not be acquired.
    #[error("failed to install toolchain `{name}`, requested by {requested_by}")]
    Acquire {
        /// What was requested.
        name: String,
        /// Who requested it.
        requested_by: RequestedBy,
        /// Why.
        source: Box<AcquireError>,
    },
    /// A name that no toolchain can have.
    #[error("invalid toolchain name `{name}`, requested by {requested_by}")]
    InvalidName {
        /// What was requested.
        name: String,
        /// Who requested it.
        requested_by: RequestedBy,
    },
    /// The toolchain file names components or targets that the toolchain does not have.
    #[error("toolchain `{name}` does not have what {requested_by} requests: {}", missing.join(", "))]
    Incomplete {
        /// The toolchain.
        name: String,
        /// Who requested it.
        requested_by: RequestedBy,
        /// `component rust-src`, `target wasm32-unknown-unknown`, …
        missing: Vec<String>,
        /// The command that adds them.
        remedy: String,
    },
    /// A directory that should be a toolchain has no such program.
    #[error("{path} does not exist in the toolchain requested by {requested_by}")]
    MissingProgram {
        /// The program that is missing.
        path: Utf8PathBuf,
        /// Who requested it.
        requested_by: RequestedBy,
    },
    /// Nothing requests a toolchain, and `PATH` holds none.
    #[error("no toolchain is selected, and `{program}` is not on PATH")]
    NothingOnPath {
        /// `rustc` or `cargo`.
        program: &'static str,
        /// A rustup proxy that was found instead: rustup is installed, but has no toolchain to run.
        proxy: Option<Utf8PathBuf>,
    },
    /// A toolchain file cannot be used.
    #[error("invalid toolchain file {path}")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: ToolchainFileError,
    },
    /// rustup's settings cannot be parsed.
    #[error("failed to parse the rustup settings {path}")]
    Settings {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A compiler did not run, or printed something unexpected.
    #[error("`{command}` failed: {reason}")]
    Rustc {
        /// The command line.
        command: String,
        /// Exit status and standard error, or what was missing in the output.
        reason: String,
    },
    /// The disk.
    #[error("failed to read {path}")]
    Io {
        /// File or directory.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ToolchainError {
    /// What the person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotInstalled {
                name,
                installed,
                directory,
                ..
            } => {
                let installed = match installed.as_slice() {
                    [] => format!("none is installed in {directory}"),
                    names => format!("installed in {directory}: {}", names.join(", ")),
                };
                Some(format!(
                    "run `rustup toolchain install {name}`, or request another one; {installed}"
                ))
            }
            Self::NoRustup { .. } => {
                Some("install rustup, set RUSTUP_HOME, or use the `rustc` and `cargo` on PATH by requesting no toolchain".to_owned())
            }
            Self::Acquire { source, .. } => source.help().map(str::to_owned),
            Self::InvalidName { .. } => Some(
                "toolchain names look like `stable`, `1.95` or `nightly-2026-05-20`, or as listed by `rustup toolchain list`".to_owned(),
            ),
            Self::Incomplete { remedy, .. } => Some(format!("run `{remedy}`")),
            Self::MissingProgram { .. } => Some("reinstall the toolchain, or request another one".to_owned()),
            Self::NothingOnPath { proxy: Some(proxy), .. } => Some(format!(
                "{proxy} belongs to rustup, which has no default toolchain; run `rustup default stable`, or set RUSTUP_HOME"
            )),
            Self::NothingOnPath { proxy: None, .. } => {
                Some("install Rust with rustup, or put `rustc` and `cargo` on PATH".to_owned())
            }
            Self::File { .. } | Self::Settings { .. } | Self::Rustc { .. } | Self::Io { .. } => None,
        }
    }
}
