//! Why no toolchain could be chosen, and what the person can do.

use std::io;

use camino::Utf8PathBuf;

use super::{AskedBy, ToolchainFileError};
use crate::AcquireError;

/// No toolchain could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// The toolchain that was asked for is not on this machine.
    #[error("toolchain `{name}` is not installed, and {asked_by} asks for it")]
    NotInstalled {
        /// What was asked for.
        name: String,
        /// Who asked.
        asked_by: AskedBy,
        /// Names of the installed toolchains, sorted.
        installed: Vec<String>,
        /// Where they are.
        directory: Utf8PathBuf,
    },
    /// A toolchain was asked for by name, and there is no rustup to know it.
    #[error("toolchain `{name}` was asked for by {asked_by}, but there are no rustup toolchains on this machine")]
    NoRustup {
        /// What was asked for.
        name: String,
        /// Who asked.
        asked_by: AskedBy,
    },
    /// The toolchain that was asked for is not on this machine, or lacks something, and could not be acquired either.
    #[error("toolchain `{name}`, chosen by {asked_by}, is not installed and cannot be acquired")]
    Acquire {
        /// What was asked for.
        name: String,
        /// Who asked.
        asked_by: AskedBy,
        /// Why.
        source: Box<AcquireError>,
    },
    /// A name that no toolchain can have.
    #[error("`{name}`, which {asked_by} asks for, is not the name of a toolchain")]
    InvalidName {
        /// What was asked for.
        name: String,
        /// Who asked.
        asked_by: AskedBy,
    },
    /// The toolchain file names components or targets that the toolchain does not have.
    #[error("toolchain `{name}` lacks what {asked_by} asks for: {}", missing.join(", "))]
    Incomplete {
        /// The toolchain.
        name: String,
        /// Who asked.
        asked_by: AskedBy,
        /// `component rust-src`, `target wasm32-unknown-unknown`, …
        missing: Vec<String>,
        /// The command that adds them.
        remedy: String,
    },
    /// A directory that should be a toolchain has no such program.
    #[error("{path} is not there, but {asked_by} asks for the toolchain that should hold it")]
    MissingProgram {
        /// The program that is missing.
        path: Utf8PathBuf,
        /// Who asked.
        asked_by: AskedBy,
    },
    /// Nothing asks for a toolchain, and `PATH` holds none.
    #[error("no toolchain is chosen, and there is no `{program}` on PATH")]
    NothingOnPath {
        /// `rustc` or `cargo`.
        program: &'static str,
        /// A rustup proxy that was found in its place: rustup is there, without a toolchain for it to run.
        proxy: Option<Utf8PathBuf>,
    },
    /// A toolchain file cannot be used.
    #[error("toolchain file {path} cannot be used")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: ToolchainFileError,
    },
    /// rustup's settings cannot be parsed.
    #[error("rustup's settings {path} cannot be parsed")]
    Settings {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// A compiler did not run, or did not answer as compilers do.
    #[error("`{command}` failed: {reason}")]
    Rustc {
        /// The command line.
        command: String,
        /// Exit status and standard error, or what was missing in the answer.
        reason: String,
    },
    /// The disk.
    #[error("{path} cannot be read")]
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
                    "run `rustup toolchain install {name}`, or ask for another; {installed}"
                ))
            }
            Self::NoRustup { .. } => {
                Some("install rustup, set RUSTUP_HOME, or leave the choice to `rustc` and `cargo` on PATH".to_owned())
            }
            Self::Acquire { source, .. } => source.help().map(str::to_owned),
            Self::InvalidName { .. } => Some(
                "names look like `stable`, `1.95`, `nightly-2026-05-20`, or as in `rustup toolchain list`".to_owned(),
            ),
            Self::Incomplete { remedy, .. } => Some(format!("run `{remedy}`")),
            Self::MissingProgram { .. } => Some("install the toolchain again, or ask for another".to_owned()),
            Self::NothingOnPath { proxy: Some(proxy), .. } => Some(format!(
                "{proxy} belongs to rustup, which has no default toolchain here: run `rustup default stable`, or set RUSTUP_HOME"
            )),
            Self::NothingOnPath { proxy: None, .. } => {
                Some("install Rust with rustup, or put `rustc` and `cargo` on PATH".to_owned())
            }
            Self::File { .. } | Self::Settings { .. } | Self::Rustc { .. } | Self::Io { .. } => None,
        }
    }
}
