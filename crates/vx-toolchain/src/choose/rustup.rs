//! rustup's state on this machine: its settings and the toolchains that it has installed or linked. Read, never written.

use std::collections::BTreeMap;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::name::{ChannelName, assumed_host};
use super::{Found, RequestedBy, ToolchainError};

/// `$RUSTUP_HOME`, by default `~/.rustup`.
#[derive(Debug)]
pub(super) struct Rustup {
    toolchains: Utf8PathBuf,
    settings: Settings,
}

/// The part of `settings.toml` that matters here.
#[derive(Debug, Default, Deserialize)]
struct Settings {
    default_toolchain: Option<String>,
    default_host_triple: Option<String>,
    #[serde(default)]
    overrides: BTreeMap<Utf8PathBuf, String>,
}

/// Channels whose cargo is used for linked toolchains without one, as in rustup.
const CARGO_FALLBACKS: [&str; 3] = ["nightly", "beta", "stable"];

impl Rustup {
    /// `None` if there are neither toolchains nor settings of rustup.
    pub(super) fn find(environment: &BTreeMap<String, String>) -> Result<Option<Self>, ToolchainError> {
        let variable = |name| environment.get(name).filter(|value| !value.is_empty());
        let home = match (variable("RUSTUP_HOME"), variable("HOME")) {
            (Some(home), _) => Utf8PathBuf::from(home),
            (None, Some(home)) => Utf8Path::new(home).join(".rustup"),
            (None, None) => return Ok(None),
        };
        let toolchains = home.join("toolchains");
        match Settings::read(&home.join("settings.toml"))? {
            Some(settings) => Ok(Some(Self { toolchains, settings })),
            None if toolchains.is_dir() => Ok(Some(Self {
                toolchains,
                settings: Settings::default(),
            })),
            None => Ok(None),
        }
    }

    pub(super) fn default_toolchain(&self) -> Option<&str> {
        self.settings
            .default_toolchain
            .as_deref()
            .filter(|name| *name != "none")
    }

    /// The host of toolchains whose names have none, if the settings name it.
    pub(super) fn default_host(&self) -> Option<&str> {
        self.settings.default_host_triple.as_deref()
    }

    /// The override set for exactly this directory.
    pub(super) fn directory_override(&self, directory: &Utf8Path) -> Option<&str> {
        self.settings.overrides.get(directory).map(String::as_str)
    }

    /// The installed toolchain that `name` means.
    pub(super) fn find_named(&self, name: &str, requested_by: &RequestedBy) -> Result<Found, ToolchainError> {
        let installed = self.installed()?;
        let Some(full_name) = self.resolve(name, &installed) else {
            return Err(ToolchainError::NotInstalled {
                name: name.to_owned(),
                requested_by: requested_by.clone(),
                directory: self.toolchains.clone(),
                installed,
            });
        };
        let found = Self::at_path(&self.toolchains.join(full_name), requested_by);
        let found = found.or_else(|error| self.with_other_cargo(error, full_name, &installed, requested_by))?;
        Ok(Found {
            name: full_name.to_owned(),
            ..found
        })
    }

    /// The toolchain in a directory.
    pub(super) fn at_path(path: &Utf8Path, requested_by: &RequestedBy) -> Result<Found, ToolchainError> {
        let program = |name| program(path, name, requested_by);
        // Resolved, so that a link to a toolchain is the same as the toolchain.
        let directory = path.canonicalize_utf8().map_err(|_| ToolchainError::MissingProgram {
            path: path.to_owned(),
            requested_by: requested_by.clone(),
        })?;
        Ok(Found {
            name: path.to_string(),
            rustc: directory.join(program("rustc")?),
            cargo: directory.join(program("cargo")?),
            directory: Some(directory),
        })
    }

    /// A compiler linked from its build directory often has no cargo beside it.
    fn with_other_cargo(
        &self,
        error: ToolchainError,
        full_name: &str,
        installed: &[String],
        requested_by: &RequestedBy,
    ) -> Result<Found, ToolchainError> {
        let is_linked = ChannelName::parse(full_name).is_none();
        let lender = CARGO_FALLBACKS.iter().find_map(|name| self.resolve(name, installed));
        let (true, Some(lender)) = (is_linked, lender) else {
            return Err(error);
        };
        let directory = self.toolchains.join(full_name);
        let rustc = program(&directory, "rustc", requested_by)?;
        let lender = Self::at_path(&self.toolchains.join(lender), requested_by)?;
        let io_error = |source| ToolchainError::Io {
            path: directory.clone(),
            source,
        };
        let directory = directory.canonicalize_utf8().map_err(io_error)?;
        Ok(Found {
            name: full_name.to_owned(),
            rustc: directory.join(rustc),
            cargo: lender.cargo,
            directory: Some(directory),
        })
    }

    fn resolve<'a>(&self, name: &str, installed: &'a [String]) -> Option<&'a str> {
        if let Some(exact) = installed.iter().find(|installed| *installed == name) {
            return Some(exact);
        }
        let request = ChannelName::parse(name)?;
        let assumed = assumed_host();
        let host = self.settings.default_host_triple.as_ref().unwrap_or(&assumed);
        let answers = installed.iter().filter_map(|name| {
            let rank = ChannelName::parse(name)?.answers(&request, host)?;
            Some((rank, name.as_str()))
        });
        answers.max().map(|(_, name)| name)
    }

    /// Names of toolchains, sorted.
    pub(super) fn installed(&self) -> Result<Vec<String>, ToolchainError> {
        let io_error = |source| ToolchainError::Io {
            path: self.toolchains.clone(),
            source,
        };
        let entries = match self.toolchains.read_dir_utf8() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(io_error)?;
            // A directory, or a link to one.
            if entry.path().is_dir() {
                names.push(entry.file_name().to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

impl Settings {
    fn read(path: &Utf8Path) -> Result<Option<Self>, ToolchainError> {
        let path = path.to_owned();
        match std::fs::read_to_string(&path) {
            Ok(text) => match toml::from_str(&text) {
                Ok(settings) => Ok(Some(settings)),
                Err(error) => Err(ToolchainError::Settings {
                    path,
                    source: Box::new(error),
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ToolchainError::Io { path, source }),
        }
    }
}

/// `bin/NAME` of a toolchain, relative to its directory.
fn program(directory: &Utf8Path, name: &str, requested_by: &RequestedBy) -> Result<Utf8PathBuf, ToolchainError> {
    let relative = Utf8Path::new("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let path = directory.join(&relative);
    if path.is_file() {
        return Ok(relative);
    }
    let requested_by = requested_by.clone();
    Err(ToolchainError::MissingProgram { path, requested_by })
}
