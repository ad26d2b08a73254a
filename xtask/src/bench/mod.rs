//! `cargo xtask bench`: the same published program built by cargo and by vx, side by side, on this machine.
//!
//! Both use the same toolchain, profile and environment, each its own copies of the sources. Downloads are made before and
//! do not count; unpacking them, starting the daemon and reading the toolchain count for vx. The builders take turns, and
//! another one begins in each round, so that none has the warmer machine. Reported are medians.
//!
//! With `--baseline`, a second vx takes part in the same rounds: before and after of a change are measured in one run.

mod builders;
mod edit;
mod idle;
mod page;
mod record;
mod report;
mod samples;

use std::fs;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::published::Release;
use crate::workspace;
use builders::Contest;
use page::Page;
use record::Record;
use report::{Case, Goal, Report};
use samples::{Samples, Who};

/// Results that were kept, in the workspace.
const RECORDS: &str = "docs/bench/results.jsonl";

/// The page that is made of them.
const PAGE: &str = "docs/bench/README.md";

/// Rounds of what takes milliseconds: at least so many.
const FAST_ROUNDS: usize = 20;

/// What to build, and how often.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Published program to build
    #[arg(long, value_name = "NAME@VERSION", default_value = "ripgrep@15.2.0")]
    project: Release,
    /// Build with the release profile
    #[arg(short, long)]
    release: bool,
    /// Number of rounds of full builds and of edits; builds that take milliseconds have at least twenty
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Measure this vx instead of building one
    #[arg(long, value_name = "PATH")]
    vx: Option<Utf8PathBuf>,
    /// Also measure this vx, in the same rounds, and compare with it
    #[arg(long, value_name = "PATH")]
    baseline: Option<Utf8PathBuf>,
    /// Keep the results in `docs/bench/results.jsonl` and update the page beside it; only for the vx of this tree
    #[arg(long, conflicts_with = "vx")]
    save: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// Measures, prints a table or JSON, and keeps the results if asked to.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let given = |path: &Utf8PathBuf| path.canonicalize_utf8().with_context(|| format!("cannot find {path}"));
    let baseline = arguments.baseline.as_ref().map(given).transpose()?;
    let vx = match &arguments.vx {
        Some(path) => given(path)?,
        None => workspace::release_vx()?,
    };
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let scratch = Utf8Path::from_path(scratch.path()).context("the path of the temporary directory is not UTF-8")?;
    let contest = Contest::new(&arguments.project, vx, baseline, scratch, arguments.release)?;
    let report = measure(&contest, arguments)?;
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    if arguments.save {
        save(report)?;
    }
    Ok(())
}

fn save(report: Report) -> Result<()> {
    let root = workspace::root();
    let records = root.join(RECORDS);
    Record::now(report, root)?.append(&records)?;
    let page = root.join(PAGE);
    let text = Page(&Record::read_all(&records)?).to_string();
    fs::write(&page, text).with_context(|| format!("cannot write {page}"))
}

fn measure(contest: &Contest, arguments: &Arguments) -> Result<Report> {
    let rounds = arguments.runs as usize;
    let mut cold = Samples::default();
    let mut builders = Vec::new();
    for round in 0..rounds {
        eprintln!("cold build, round {} of {rounds}", round + 1);
        // The services of the round before end here.
        builders.clear();
        builders = contest.fresh_builders()?;
        cold.take_turns(round, &builders, |builder| builder.build())?;
    }

    eprintln!("nothing changed");
    let mut unchanged = Samples::default();
    for round in 0..rounds.max(FAST_ROUNDS) {
        unchanged.take_turns(round, &builders, |builder| builder.build())?;
    }

    eprintln!("new checkout");
    let mut checkout = Samples::default();
    // What cargo does there is a build from nothing, which has been measured.
    checkout.copy(Who::Cargo, &cold);
    let (_, all_vx) = builders.split_first().context("no round was run")?;
    for round in 0..rounds {
        checkout.take_turns(round, all_vx, |builder| builder.build_in(&contest.checkout()?))?;
    }

    eprintln!("edits");
    let (mut edited, mut undone) = (Samples::default(), Samples::default());
    for round in 0..rounds {
        builders.iter().try_for_each(|builder| builder.edit(round))?;
        edited.take_turns(round, &builders, |builder| builder.build())?;
        builders.iter().try_for_each(|builder| builder.undo())?;
        undone.take_turns(round, &builders, |builder| builder.build())?;
    }

    eprintln!("idle daemon");
    let measured = builders.iter().find(|builder| builder.who == Who::Vx);
    let sandbox = measured
        .and_then(|builder| builder.sandbox())
        .context("vx has no home")?;
    let idle = idle::measure(sandbox)?;
    let seconds = |samples: &Samples| samples.median(Who::Cargo).unwrap_or_default();
    let at_rest = Goal::new("1/10 of cargo, nothing changed", seconds(&unchanged) / 10.0);
    let in_checkout = Goal::new("1/200 of cargo, cold", seconds(&cold) / 200.0);
    Ok(Report {
        project: arguments.project.to_string(),
        profile: if arguments.release { "release" } else { "dev" }.to_owned(),
        runs: arguments.runs,
        cases: vec![
            Case::new(
                "cold build, empty store",
                &cold,
                Goal::new("1.03 of cargo", seconds(&cold) * 1.03),
            )?,
            Case::new("nothing changed", &unchanged, at_rest.clone())?,
            Case::new("new checkout, warm store", &checkout, in_checkout)?,
            Case::new("one line edited", &edited, Goal::new("1.00 of cargo", seconds(&edited)))?,
            Case::new("edit undone", &undone, at_rest)?,
        ],
        idle,
    })
}
