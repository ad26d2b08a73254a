//! The builders that are compared, and the directories in which they build.

use std::cell::Cell;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::edit::Source;
use super::samples::Who;
use crate::published::{self, Release};
use crate::sandbox::Sandbox;
use crate::{interrupt, program};

/// The project, and what is shared by all rounds.
pub(super) struct Contest {
    programs: Vec<(Who, Utf8PathBuf)>,
    scratch: Utf8PathBuf,
    sources: Utf8PathBuf,
    release: bool,
    checkouts: Cell<u32>,
}

/// One builder with a copy of the sources; vx has a home, too.
pub(super) struct Builder {
    /// Which one.
    pub(super) who: Who,
    checkout: Utf8PathBuf,
    source: Source,
    sandbox: Option<Sandbox>,
    log: Utf8PathBuf,
    release: bool,
}

impl Contest {
    /// Downloads the sources and the packages that the builders need. `baseline` is a second vx to compare with.
    pub(super) fn new(
        project: &Release,
        vx: Utf8PathBuf,
        baseline: Option<Utf8PathBuf>,
        scratch: &Utf8Path,
        release: bool,
    ) -> Result<Self> {
        let sources = scratch.join("sources");
        project.fetch(&sources)?;
        let baseline = baseline.map(|baseline| (Who::Before, baseline));
        let contest = Self {
            programs: baseline.into_iter().chain([(Who::Vx, vx)]).collect(),
            scratch: scratch.to_owned(),
            sources,
            release,
            checkouts: Cell::new(0),
        };
        for (who, vx) in &contest.programs {
            let sandbox = contest.sandbox(*who, vx, scratch.join(format!("fetch-{who}")));
            program::output(sandbox.vx().args(["fetch", "--locked"]).current_dir(&contest.sources))?;
        }
        Ok(contest)
    }

    /// All builders, with nothing built and nothing known.
    pub(super) fn fresh_builders(&self) -> Result<Vec<Builder>> {
        let vx = self.programs.iter().map(|(who, program)| (*who, Some(program)));
        [(Who::Cargo, None)]
            .into_iter()
            .chain(vx)
            .map(|(who, program)| self.fresh_builder(who, program))
            .collect()
    }

    fn fresh_builder(&self, who: Who, vx: Option<&Utf8PathBuf>) -> Result<Builder> {
        let checkout = self.checkout()?;
        let program = published::program_of(&self.sources)?;
        let main = program
            .src_path
            .strip_prefix(&self.sources)
            .context("the program lies outside its package")?;
        Ok(Builder {
            who,
            source: Source::read(checkout.join(main))?,
            sandbox: vx.map(|vx| self.sandbox(who, vx, checkout.with_extension("home"))),
            log: self.scratch.join("log"),
            release: self.release,
            checkout,
        })
    }

    /// Each vx has downloads of its own: another version may keep them in another form.
    fn sandbox(&self, who: Who, vx: &Utf8Path, home: Utf8PathBuf) -> Sandbox {
        Sandbox::new(vx, home, self.scratch.join(format!("downloads-{who}")))
    }

    /// The sources in a directory where they never were.
    pub(super) fn checkout(&self) -> Result<Utf8PathBuf> {
        let number = self.checkouts.replace(self.checkouts.get() + 1);
        let checkout = self.scratch.join(format!("checkout-{number}"));
        published::copy_tree(&self.sources, &checkout)?;
        Ok(checkout)
    }
}

impl Builder {
    /// Builds its copy.
    pub(super) fn build(&self) -> Result<Duration> {
        self.build_in(&self.checkout)
    }

    /// Builds any copy.
    pub(super) fn build_in(&self, checkout: &Utf8Path) -> Result<Duration> {
        let (mut command, arguments) = match &self.sandbox {
            None => (
                program::isolated(program::cargo_path()),
                ["build", "--locked", "--offline"].as_slice(),
            ),
            Some(sandbox) => (sandbox.vx(), ["build", "--locked"].as_slice()),
        };
        command.args(arguments).current_dir(checkout);
        if self.release {
            command.arg("--release");
        }
        self.time(command)
    }

    /// Changes a line, another change in each round.
    pub(super) fn edit(&self, round: usize) -> Result<()> {
        self.source.edit(round)
    }

    /// Takes the change back, as an editor does: the file is written again.
    pub(super) fn undo(&self) -> Result<()> {
        self.source.undo()
    }

    /// Where the services run; `None` for cargo.
    pub(super) fn sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref()
    }

    fn time(&self, mut command: Command) -> Result<Duration> {
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
