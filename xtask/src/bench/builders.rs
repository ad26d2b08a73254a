//! The two builders, and the directories in which they build.

use std::cell::Cell;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::edit::Source;
use crate::published::{self, Release};
use crate::sandbox::Sandbox;
use crate::{interrupt, program};

/// The project, and what is shared by all rounds.
pub(super) struct Contest {
    vx: Utf8PathBuf,
    scratch: Utf8PathBuf,
    sources: Utf8PathBuf,
    release: bool,
    places: Cell<u32>,
}

/// A copy of the sources for each builder, and a home for vx.
pub(super) struct BuildPair {
    cargo: Utf8PathBuf,
    vx: Utf8PathBuf,
    sandbox: Sandbox,
    sources: [Source; 2],
    log: Utf8PathBuf,
    release: bool,
}

impl Contest {
    /// Fetches the sources, and the packages that both builders need.
    pub(super) fn new(project: &Release, vx: &Utf8Path, scratch: &Utf8Path, release: bool) -> Result<Self> {
        let sources = scratch.join("sources");
        project.fetch(&sources)?;
        let contest = Self {
            vx: vx.to_owned(),
            scratch: scratch.to_owned(),
            sources,
            release,
            places: Cell::new(0),
        };
        Ok(contest)
    }

    /// Nothing built, nothing known.
    pub(super) fn fresh_pair(&self) -> Result<BuildPair> {
        let (cargo, vx) = (self.checkout()?, self.checkout()?);
        let program = published::program_of(&self.sources)?;
        let main = program
            .src_path
            .strip_prefix(&self.sources)
            .context("the program lies outside its package")?;
        let sources = [Source::read(cargo.join(main))?, Source::read(vx.join(main))?];
        let home = vx.with_extension("home");
        Ok(BuildPair {
            sandbox: Sandbox::new(&self.vx, home, self.scratch.join("downloads")),
            log: self.scratch.join("log"),
            release: self.release,
            cargo,
            vx,
            sources,
        })
    }

    /// The sources at a place where they never were.
    pub(super) fn checkout(&self) -> Result<Utf8PathBuf> {
        let number = self.places.replace(self.places.get() + 1);
        let place = self.scratch.join(format!("place-{number}"));
        published::copy_tree(&self.sources, &place)?;
        Ok(place)
    }
}

impl BuildPair {
    /// Cargo in its copy.
    pub(super) fn cargo(&self) -> Result<Duration> {
        let mut cargo = program::isolated(program::cargo_path());
        cargo.args(["build", "--locked", "--offline"]).current_dir(&self.cargo);
        self.time(cargo)
    }

    /// vx in its copy.
    pub(super) fn vx(&self) -> Result<Duration> {
        self.vx_in(&self.vx)
    }

    /// vx in any copy.
    pub(super) fn vx_in(&self, place: &Utf8Path) -> Result<Duration> {
        let mut vx = self.sandbox.vx();
        vx.args(["build", "--locked"]).current_dir(place);
        self.time(vx)
    }

    /// Changes a line in both copies, another change in each round.
    pub(super) fn edit(&self, round: usize) -> Result<()> {
        self.sources.iter().try_for_each(|source| source.edit(round))
    }

    /// Takes the change back, as an editor does: the file is written again.
    pub(super) fn undo(&self) -> Result<()> {
        self.sources.iter().try_for_each(Source::undo)
    }

    /// Where the services of vx run.
    pub(super) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn time(&self, mut command: Command) -> Result<Duration> {
        if self.release {
            command.arg("--release");
        }
        interrupt::check()?;
        let log = fs::File::create(&self.log).with_context(|| format!("cannot write {}", self.log))?;
        command.stdout(Stdio::null()).stderr(log);
        let started = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("cannot start `{}`", program::display(&command)))?;
        let elapsed = started.elapsed();
        interrupt::check()?;
        if !status.success() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            bail!("`{}`: {status}\n{log}", program::display(&command));
        }
        Ok(elapsed)
    }
}
