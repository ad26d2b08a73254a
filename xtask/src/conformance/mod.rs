//! `cargo xtask conformance`: whether vx builds published programs as cargo does, down to the command line of each compiler.
//!
//! Every entry of the corpus is built by both with the same toolchain and options, and by vx once more at another path, where
//! nothing may run. Differences that are meant are listed in [`intended`].

mod builders;
mod compare;
mod corpus;
mod intended;
mod normal;
mod path_leak;
mod process;
mod record;
mod results;
mod toolchain;
mod verdict;

use std::fs;

use anyhow::{Result, bail};
use camino::Utf8PathBuf;
use clap::Args;

use builders::{Built, BuiltTwice, Settings, Workshop};
use corpus::Entry;
use normal::Roots;
pub(crate) use record::{RECORD, run as record};
use results::Results;
use toolchain::Toolchain;
use verdict::{HEAD, Verdict};

use crate::{interrupt, workspace};

/// What to build, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Entries of the corpus; all of them if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// List of programs
    #[arg(long, value_name = "FILE", default_value_t = workspace::root().join("tests/corpus.tsv"))]
    corpus: Utf8PathBuf,
    /// Profile to build
    #[arg(long, value_name = "PROFILE", default_value = "dev")]
    profile: String,
    /// Jobs of each builder
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
    /// Show the differences of units whose package, version or crate contains this text
    #[arg(long, value_name = "TEXT")]
    unit: Option<String>,
    /// Build again even if the results of this vx are known
    #[arg(long)]
    again: bool,
    /// Examine this vx instead of building one
    #[arg(long, value_name = "PATH")]
    vx: Option<Utf8PathBuf>,
}

/// The task: where things are, and what is known.
struct Examination {
    settings: Settings,
    of_cargo: Results,
    of_vx: Results,
    again: bool,
}

/// Builds and compares each entry; fails where one does not conform.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let entries = corpus::read(&arguments.corpus, &arguments.names)?;
    let vx = match &arguments.vx {
        Some(vx) => vx.canonicalize_utf8()?,
        None => workspace::release_vx()?,
    };
    let root = workspace::target()?.join("conformance");
    let toolchain = Toolchain::find()?;
    let results = root.join(&toolchain.release);
    let profile = &arguments.profile;
    let examination = Examination {
        of_cargo: Results::new(&results, "cargo", profile),
        of_vx: Results::new(&results, &format!("vx-{}", results::hash(&vx)?), profile),
        again: arguments.again,
        settings: Settings {
            vx,
            toolchain,
            downloads: root.join("downloads"),
            profile: profile.clone(),
            jobs: arguments.jobs,
        },
    };
    println!("{HEAD}");
    let mut conforming = 0;
    for entry in &entries {
        match examination.examine(entry) {
            Ok(verdict) => {
                conforming += usize::from(verdict.conforms());
                examination.report(entry, &verdict, arguments.unit.as_deref())?;
            }
            Err(error) => {
                interrupt::check()?;
                println!("{:<16} could not be examined: {error:#}", entry.name);
            }
        }
    }
    let all = entries.len();
    println!("{conforming} of {all} conform");
    if conforming < all {
        bail!("{} entries of the corpus do not conform", all - conforming);
    }
    Ok(())
}

impl Examination {
    fn examine(&self, entry: &Entry) -> Result<Verdict> {
        let (cargo, (vx, second)) = self.build_where_unknown(entry)?;
        let read = |results: &Results, name| process::read(&results.logs(entry).join(name));
        let theirs = read(&self.of_cargo, "actions")?;
        let ours = read(&self.of_vx, "actions")?;
        let roots = |built: &Built| Roots::new(&built.checkout, &built.outputs, &self.settings.toolchain.sysroot);
        let differences = compare::differences((&theirs, &roots(&cargo)?), (&ours, &roots(&vx)?));
        Ok(Verdict {
            name: entry.name.clone(),
            cargo,
            vx,
            second,
            units: theirs.len(),
            started_in_second: read(&self.of_vx, "second.actions")?
                .iter()
                .map(|process| process.variable("CARGO_PKG_NAME").to_owned())
                .collect(),
            differences,
        })
    }

    /// What both builders leave of an entry; builds where that is not known already.
    fn build_where_unknown(&self, entry: &Entry) -> Result<(Built, BuiltTwice)> {
        let workshop = Workshop::new(entry, &self.settings)?;
        let cargo = match self.of_cargo.known(entry) {
            Some(known) => known,
            None => {
                let built = workshop.cargo(&self.of_cargo.forget(entry)?)?;
                if built.success {
                    self.of_cargo.keep(entry, &built)?;
                }
                built
            }
        };
        let vx = match self.of_vx.known(entry).filter(|_| !self.again) {
            Some(known) => known,
            None => {
                let built = workshop.vx(&self.of_vx.forget(entry)?)?;
                if built.0.success && built.1.success {
                    self.of_vx.keep(entry, &built)?;
                }
                built
            }
        };
        Ok((cargo, vx))
    }

    fn report(&self, entry: &Entry, verdict: &Verdict, unit: Option<&str>) -> Result<()> {
        println!("{}", verdict.row());
        let logs = self.of_vx.logs(entry);
        fs::write(logs.join("differences"), verdict.details(""))?;
        if let Some(note) = verdict.note() {
            println!("    {note}");
        }
        for complaint in verdict.complaints() {
            println!("    {complaint}");
        }
        match unit {
            Some(unit) => print!("{}", verdict.details(unit)),
            None if !verdict.conforms() => {
                println!("    see {logs} (differences, log) and {}", self.of_cargo.logs(entry));
            }
            None => {}
        }
        Ok(())
    }
}
