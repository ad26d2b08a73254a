//! One entry built by cargo and by vx, in directories of their own, which are gone afterwards. Only logs and facts stay.

use std::fs::File;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use walkdir::WalkDir;

use super::corpus::Entry;
use super::path_leak;
use super::record::RECORD;
use super::toolchain::Toolchain;
use crate::sandbox::Sandbox;
use crate::{interrupt, program, published};

/// The build time that programs report (seconds since 1970); otherwise each build would differ from every other.
const RELEASED: &str = "1700000000";

/// The variable that chooses a toolchain.
const TOOLCHAIN: &str = "RUSTUP_TOOLCHAIN";

/// What a build left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Built {
    /// Whether it succeeded.
    pub(super) success: bool,
    /// Wall-clock time.
    pub(super) seconds: f64,
    /// Names of the files in the directory of the profile, sorted.
    pub(super) artifacts: Vec<String>,
    /// What the smoke command printed, and how it ended.
    pub(super) smoke: String,
    /// Where the sources were.
    pub(super) checkout: Utf8PathBuf,
    /// Cargo's target directory, or the home of vx.
    pub(super) outputs: Utf8PathBuf,
    /// Packages whose build scripts leak the path of the checkout into what they write, as cargo built them; sorted.
    pub(super) bound: Vec<String>,
}

/// What vx left of an entry, in the first checkout and in the second.
pub(super) type BuiltTwice = (Built, Built);

/// A temporary directory in which one entry is built. It lies outside of this workspace, to which Cargo would count it.
#[derive(Debug)]
pub(super) struct Workshop<'a> {
    entry: &'a Entry,
    settings: &'a Settings,
    root: Utf8PathBuf,
    _directory: TempDir,
}

/// What is the same for all entries.
#[derive(Debug)]
pub(super) struct Settings {
    /// The vx to examine.
    pub(super) vx: Utf8PathBuf,
    /// The toolchain that both use.
    pub(super) toolchain: Toolchain,
    /// Downloads of vx, kept.
    pub(super) downloads: Utf8PathBuf,
    /// Profile to build.
    pub(super) profile: String,
    /// `--jobs`.
    pub(super) jobs: Option<u32>,
}

impl<'a> Workshop<'a> {
    /// An empty workshop.
    pub(super) fn new(entry: &'a Entry, settings: &'a Settings) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("vx-conformance-").tempdir();
        let directory = directory.context("cannot make a temporary directory")?;
        let root = Utf8Path::from_path(directory.path()).context("the path of the temporary directory is not UTF-8")?;
        Ok(Self {
            entry,
            settings,
            root: root.to_owned(),
            _directory: directory,
        })
    }

    /// Builds with cargo. `logs` gets `log`, what cargo printed, and `actions`, what it started.
    pub(super) fn cargo(&self, logs: &Utf8Path) -> Result<Built> {
        let target = self.root.join("target");
        let programs = self.settings.toolchain.sysroot.join("bin");
        // Without rustup's proxies, which need time and set variables.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(programs.clone().into_std_path_buf()).chain(std::env::split_paths(&path));
        let mut cargo = program::isolated(programs.join("cargo"));
        cargo
            .args(["build", "--locked", "--offline"])
            .env("PATH", std::env::join_paths(path)?)
            // It does not read this, but programs report it.
            .env(TOOLCHAIN, &self.settings.toolchain.sysroot)
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTC_WRAPPER", std::env::current_exe()?)
            .env(RECORD, logs.join("actions"));
        let roots = (self.checkout("of-cargo")?, target.clone());
        let built = self.build(cargo, roots, &target, &logs.join("log"))?;
        let bound = path_leak::packages_bound_to(&built.checkout, &target)?;
        Ok(Built { bound, ..built })
    }

    /// Builds with vx in two checkouts, one after the other. `logs` gets `log` and `actions` of the first, `second.log` and
    /// `second.actions` of the second.
    pub(super) fn vx(&self, logs: &Utf8Path) -> Result<BuiltTwice> {
        let home = self.root.join("home");
        let Settings {
            vx,
            downloads,
            toolchain,
            ..
        } = self.settings;
        let sandbox = Sandbox::new(vx, home.clone(), downloads.clone());
        let build = |name: &str, prefix: &str| {
            let mut vx = sandbox.vx();
            vx.args(["build", "--locked", "--action-log"])
                .arg(logs.join(format!("{prefix}actions")))
                // Sources may name a toolchain of their own, which cargo itself does not read: only rustup's proxy does.
                .env(TOOLCHAIN, &toolchain.sysroot);
            let checkout = self.checkout(name)?;
            let final_outputs = checkout.join(".vx/build");
            let log = logs.join(format!("{prefix}log"));
            self.build(vx, (checkout, home.clone()), &final_outputs, &log)
        };
        Ok((build("of-vx", "")?, build("elsewhere/second", "second.")?))
    }

    /// A copy of the published sources.
    fn checkout(&self, name: &str) -> Result<Utf8PathBuf> {
        let sources = self.root.join("sources");
        if !sources.exists() {
            self.entry.release().fetch(&sources)?;
        }
        let checkout = self.root.join(name);
        published::copy_tree(&sources, &checkout)?;
        Ok(checkout)
    }

    fn build(
        &self,
        mut command: Command,
        (checkout, outputs): (Utf8PathBuf, Utf8PathBuf),
        final_outputs: &Utf8Path,
        log: &Utf8Path,
    ) -> Result<Built> {
        let Settings { profile, jobs, .. } = self.settings;
        command.env("SOURCE_DATE_EPOCH", RELEASED);
        command.args(["--profile", profile]).args(&self.entry.flags);
        command.args(jobs.map(|jobs| format!("--jobs={jobs}")));
        let file = File::create(log).with_context(|| format!("cannot write {log}"))?;
        command.current_dir(&checkout).stdout(file.try_clone()?).stderr(file);
        interrupt::check()?;
        let started = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("cannot start `{}`", program::display(&command)))?;
        let seconds = started.elapsed().as_secs_f64();
        interrupt::check()?;
        let programs = final_outputs.join(directory_of(profile));
        Ok(Built {
            success: status.success(),
            seconds,
            artifacts: artifacts(&programs),
            smoke: smoke(self.entry, &programs),
            checkout,
            outputs,
            bound: Vec::new(),
        })
    }
}

/// Where Cargo puts what it builds with a profile.
fn directory_of(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        other => other,
    }
}

/// The files that a build leaves for its user: not Cargo's `.d` files, which serve Make, nor its lock.
fn artifacts(directory: &Utf8Path) -> Vec<String> {
    let entries = WalkDir::new(directory).min_depth(1).max_depth(1).sort_by_file_name();
    entries
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !name.ends_with(".d"))
        .collect()
}

/// What the smoke command prints, and how it ends.
fn smoke(entry: &Entry, outputs: &Utf8Path) -> String {
    let Some((name, arguments)) = entry.smoke.split_first() else {
        return String::new();
    };
    let mut command = program::isolated(outputs.join(name));
    match command.args(arguments).output() {
        Ok(output) => format!("{}{}", String::from_utf8_lossy(&output.stdout), output.status),
        Err(error) => format!("cannot start {name}: {error}"),
    }
}
