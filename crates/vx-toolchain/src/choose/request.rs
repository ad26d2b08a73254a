//! What toolchain is requested, and by whom: command line, environment, directory overrides, toolchain files, default.

use std::collections::BTreeMap;
use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};

use super::requested::{Additions, Requested};
use super::rustup::Rustup;
use super::toolchain_file::{self, ToolchainFile};
use super::{Found, ToolchainError};

/// The variable in which rustup takes the name of a toolchain.
const RUSTUP_TOOLCHAIN: &str = "RUSTUP_TOOLCHAIN";

/// Who requests a toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedBy {
    /// A `+NAME` argument.
    CommandLine,
    /// `RUSTUP_TOOLCHAIN`.
    Environment,
    /// rustup's override for a directory.
    DirectoryOverride(Utf8PathBuf),
    /// A toolchain file.
    File(Utf8PathBuf),
    /// A `--target TRIPLE` argument, which requests a part of the chosen toolchain.
    Target,
    /// rustup's default.
    Default,
    /// Nobody.
    Nobody,
}

impl fmt::Display for RequestedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("the command line (`+NAME`)"),
            Self::Environment => write!(f, "the environment variable {RUSTUP_TOOLCHAIN}"),
            Self::DirectoryOverride(directory) => write!(f, "the rustup override for {directory}"),
            Self::File(path) => write!(f, "{path}"),
            Self::Target => f.write_str("the command line (`--target`)"),
            Self::Default => f.write_str("the rustup default"),
            Self::Nobody => f.write_str("vx as the default"),
        }
    }
}

/// A toolchain that is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) requested: Requested,
    pub(super) requested_by: RequestedBy,
    /// Components and targets that it must have, and the file that requires them.
    additions: Option<(Additions, RequestedBy)>,
}

impl Request {
    /// The first that asks.
    pub(super) fn find(
        directory: &Utf8Path,
        environment: &BTreeMap<String, String>,
        plus: Option<&str>,
        rustup: Option<&Rustup>,
    ) -> Result<Self, ToolchainError> {
        if let Some(name) = plus {
            return Self::named(name, RequestedBy::CommandLine);
        }
        if let Some(name) = environment.get(RUSTUP_TOOLCHAIN).filter(|name| !name.is_empty()) {
            return Self::named(name, RequestedBy::Environment);
        }
        // rustup compares overrides with resolved paths.
        let directory = directory.canonicalize_utf8().unwrap_or_else(|_| directory.to_owned());
        for directory in directory.ancestors() {
            if let Some(name) = rustup.and_then(|rustup| rustup.directory_override(directory)) {
                return Self::named(name, RequestedBy::DirectoryOverride(directory.to_owned()));
            }
            if let Some((path, file)) = toolchain_file::read_in(directory)? {
                return Self::by_file(path, file, rustup);
            }
        }
        Self::default(rustup)
    }

    fn by_file(path: Utf8PathBuf, file: ToolchainFile, rustup: Option<&Rustup>) -> Result<Self, ToolchainError> {
        let requested_by = RequestedBy::File(path);
        let request = match file.requested {
            Some(Requested::Name(name)) => Self::named(&name, requested_by.clone())?,
            Some(requested) => Self {
                requested,
                requested_by: requested_by.clone(),
                additions: None,
            },
            None => Self::default(rustup)?,
        };
        Ok(Self {
            additions: Some((file.additions, requested_by)),
            ..request
        })
    }

    fn default(rustup: Option<&Rustup>) -> Result<Self, ToolchainError> {
        match rustup.and_then(Rustup::default_toolchain) {
            Some(name) => Self::named(name, RequestedBy::Default),
            None => Ok(Self::anything()),
        }
    }

    fn named(name: &str, requested_by: RequestedBy) -> Result<Self, ToolchainError> {
        let path = Utf8Path::new(name);
        let requested = if path.is_absolute() {
            Requested::Path(path.to_owned())
        } else if is_name(name) {
            Requested::Name(name.to_owned())
        } else {
            let name = name.to_owned();
            return Err(ToolchainError::InvalidName { name, requested_by });
        };
        Ok(Self {
            requested,
            requested_by,
            additions: None,
        })
    }

    fn anything() -> Self {
        Self {
            requested: Requested::Anything,
            requested_by: RequestedBy::Nobody,
            additions: None,
        }
    }

    /// The same, which must have `targets` too. Target descriptions (`*.json`) have no prebuilt standard library.
    pub(super) fn with_targets(mut self, targets: &[String]) -> Self {
        // Cargo's name for the host, whose library every toolchain has.
        let is_host = |target: &&String| *target == "host-tuple";
        let targets = targets
            .iter()
            .filter(|target| super::name::is_triple(target) && !is_host(target));
        for target in targets {
            let (additions, _) = self
                .additions
                .get_or_insert_with(|| (Additions::default(), RequestedBy::Target));
            if !additions.targets.contains(target) {
                additions.targets.push(target.clone());
            }
        }
        self
    }

    /// What it must have besides what every toolchain has.
    pub(super) fn additions(&self) -> Option<&Additions> {
        self.additions.as_ref().map(|(additions, _)| additions)
    }

    /// Refuses a toolchain that lacks components or targets that the toolchain file names.
    pub(super) fn check(&self, found: &Found) -> Result<(), ToolchainError> {
        let (Some((additions, requested_by)), Some(directory)) = (&self.additions, &found.directory) else {
            return Ok(());
        };
        let missing = additions.missing_in(directory)?;
        if missing.is_empty() {
            return Ok(());
        }
        Err(ToolchainError::Incomplete {
            name: found.name.clone(),
            requested_by: requested_by.clone(),
            remedy: missing.remedy(&found.name),
            missing: missing.describe(),
        })
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
    name.chars().all(is_allowed) && name.starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "stable",
            "1.95.0",
            "nightly-2026-05-20-x86_64-unknown-linux-gnu",
            "my_own+x",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "../stable", "a/b", "-x", ".", "a b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
