//! Why planning failed, and what the user can do.

use std::io;

use camino::Utf8PathBuf;
use vx_packages::{LockfileError, PackageError, TreeError, VendorError};
use vx_proto::{ErrorKind, WireError};

/// Planning failed.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Cargo refused; its message is the whole explanation.
    #[error("{}", stderr.trim_end())]
    Cargo {
        /// Its standard error.
        stderr: String,
        /// Its exit code; 101 if a signal ended it.
        code: i32,
    },
    /// The project or its configuration needs something that vx does not support yet.
    #[error("vx does not support {what} yet{}", of_package(package.as_deref()))]
    Unsupported {
        /// In the plural or with an article: `artifact dependencies`.
        what: String,
        /// The package that needs it, if there is one.
        package: Option<String>,
        /// What the person can do.
        help: Option<String>,
    },
    /// Clippy is requested, but not in the toolchain.
    #[error("Clippy is not installed for toolchain `{toolchain}`")]
    NoClippy {
        /// The toolchain.
        toolchain: String,
    },
    /// There is no manifest in the directory or above it.
    #[error("could not find `Cargo.toml` in `{directory}` or any parent directory")]
    NoManifest {
        /// Where the search began.
        directory: Utf8PathBuf,
    },
    /// A manifest, a lock file or a configuration file cannot be parsed.
    #[error("failed to parse {path}")]
    Toml {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: Box<toml::de::Error>,
    },
    /// The lock file cannot be used.
    #[error("failed to parse the lock file {path}")]
    Lockfile {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: LockfileError,
    },
    /// A package cannot be had.
    #[error(transparent)]
    Package(Box<PackageError>),
    /// Cargo could not fetch something for vx; its message is the whole explanation.
    #[error("{}", stderr.trim_end())]
    Fetch {
        /// Its standard error.
        stderr: String,
    },
    /// A vendored package cannot be used.
    #[error(transparent)]
    Vendored(#[from] VendorError),
    /// A checkout of git's cannot be taken into the store.
    #[error("failed to copy a git dependency to the package store")]
    Tree(#[from] TreeError),
    /// A program of the toolchain printed something that this version of vx does not expect.
    #[error("`{command}` did not answer as expected: {reason}")]
    Answer {
        /// The command.
        command: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// A program of the toolchain could not be started.
    #[error("failed to start `{program}`")]
    Start {
        /// The program.
        program: Utf8PathBuf,
        /// Why.
        source: io::Error,
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

fn of_package(package: Option<&str>) -> String {
    package.map_or_else(String::new, |package| format!(" (package `{package}`)"))
}

impl PlanError {
    pub(crate) fn unsupported(what: impl Into<String>, package: Option<&str>) -> Self {
        Self::Unsupported {
            what: what.into(),
            package: package.map(str::to_owned),
            help: None,
        }
    }

    pub(crate) fn io(path: impl Into<Utf8PathBuf>, source: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            source,
        }
    }
}

impl From<PackageError> for PlanError {
    fn from(error: PackageError) -> Self {
        Self::Package(Box::new(error))
    }
}

impl From<PlanError> for WireError {
    fn from(error: PlanError) -> Self {
        let kind = match &error {
            PlanError::Cargo { .. }
            | PlanError::Vendored(VendorError::Changed { .. } | VendorError::Checksums { .. }) => {
                ErrorKind::BuildFailed
            }
            PlanError::NoManifest { .. } | PlanError::Toml { .. } | PlanError::Lockfile { .. } => ErrorKind::Usage,
            PlanError::Package(_) | PlanError::Fetch { .. } => ErrorKind::Download,
            PlanError::Unsupported { .. } | PlanError::NoClippy { .. } => ErrorKind::Unsupported,
            PlanError::Answer { .. } => ErrorKind::Internal,
            PlanError::Start { .. } | PlanError::Io { .. } | PlanError::Tree(_) | PlanError::Vendored(_) => {
                ErrorKind::Machine
            }
        };
        let help = match &error {
            PlanError::Unsupported { help, .. } => help.clone(),
            PlanError::NoClippy { toolchain } => Some(format!(
                "run `rustup component add clippy --toolchain {toolchain}`, or add `clippy` to the components in \
                 rust-toolchain.toml"
            )),
            PlanError::Vendored(VendorError::Changed { .. }) => {
                Some("run `cargo vendor` again, or use `[patch]` to change a dependency".to_owned())
            }
            _ => None,
        };
        Self {
            help,
            ..Self::from_error(kind, &error)
        }
    }
}
