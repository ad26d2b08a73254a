//! The published sources of a program, as a registry has them, its own `Cargo.lock` included. Some are published without
//! one, as `cargo publish` once did; Cargo makes it then, and both builders get the same.
//!
//! Cargo fetches them: `cargo vendor` for an empty package that depends on the program. So no registry is named here, and a
//! mirror or a proxy in the user's configuration counts.

use std::fs;
use std::str::FromStr;

use anyhow::{Context as _, Error, Result, anyhow};
use camino::Utf8Path;
use cargo_metadata::{MetadataCommand, Target};
use walkdir::WalkDir;

use crate::program;

/// `NAME@VERSION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    name: String,
    version: String,
}

impl FromStr for Release {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, version) = text
            .split_once('@')
            .ok_or_else(|| anyhow!("`{text}` is not NAME@VERSION"))?;
        Ok(Self::new(name, version))
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Release {
    /// A version of a package.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    /// Puts the sources into `directory`, which must not exist, and the packages of its lock file into Cargo's cache.
    pub(crate) fn fetch(&self, directory: &Utf8Path) -> Result<()> {
        eprintln!("downloading the published sources of {self}");
        let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
        let scratch =
            Utf8Path::from_path(scratch.path()).context("the path of the temporary directory is not UTF-8")?;
        let vendored = scratch.join("vendor");
        self.write_dependant(scratch)?;
        let mut vendor = program::isolated(program::cargo_path());
        vendor
            .args(["vendor", "--quiet", "--versioned-dirs"])
            .arg(&vendored)
            .current_dir(scratch);
        program::output(&mut vendor)?;
        let sources = vendored.join(format!("{}-{}", self.name, self.version));
        copy_tree(&sources, directory)?;
        fs::remove_file(directory.join(".cargo-checksum.json")).context("cargo vendor did not write checksums")?;
        let cargo = |arguments: &[&str]| {
            let mut cargo = program::isolated(program::cargo_path());
            program::output(cargo.args(arguments).arg("--quiet").current_dir(directory))
        };
        if !directory.join("Cargo.lock").exists() {
            cargo(&["generate-lockfile"])?;
        }
        cargo(&["fetch", "--locked"])?;
        Ok(())
    }

    fn write_dependant(&self, directory: &Utf8Path) -> Result<()> {
        let Self { name, version } = self;
        let manifest = format!(
            "[package]\nname = \"dependant\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{name} = \"={version}\"\n"
        );
        let write = || {
            fs::write(directory.join("Cargo.toml"), manifest)?;
            fs::create_dir(directory.join("src"))?;
            fs::write(directory.join("src/lib.rs"), "")
        };
        write().with_context(|| format!("cannot write a package in {directory}"))
    }
}

/// The program of a package: its first binary.
pub(crate) fn program_of(package: &Utf8Path) -> Result<Target> {
    let mut command = MetadataCommand::new();
    let metadata = command.manifest_path(package.join("Cargo.toml")).no_deps().exec()?;
    let targets = metadata.packages.into_iter().flat_map(|package| package.targets);
    let mut programs = targets.filter(Target::is_bin);
    programs
        .next()
        .with_context(|| format!("{package} does not have a program"))
}

/// Copies a directory with all that is below it; `to` must not exist.
pub(crate) fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    for entry in WalkDir::new(from) {
        let entry = entry.with_context(|| format!("cannot list {from}"))?;
        let path =
            Utf8Path::from_path(entry.path()).with_context(|| format!("{} is not UTF-8", entry.path().display()))?;
        let copy = to.join(
            path.strip_prefix(from)
                .expect("an entry lies below the root of its walk"),
        );
        let result = match entry.file_type().is_dir() {
            true => fs::create_dir_all(&copy),
            false => fs::copy(path, &copy).map(drop),
        };
        result.with_context(|| format!("cannot copy {path} to {copy}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_a_name_and_a_version() {
        let release: Release = "ripgrep@15.2.0".parse().unwrap();
        assert_eq!(release.to_string(), "ripgrep 15.2.0");
        assert!("ripgrep".parse::<Release>().is_err());
    }
}
