//! `cargo xtask bench`: the same published program built by cargo and by vx, side by side, on this machine.
//!
//! Both use the same toolchain, profile and environment, each its own copies of the sources. Downloads are made before and
//! do not count; unpacking them, starting the daemon and reading the toolchain count for vx. The two take turns, and the
//! one that begins changes from round to round, so that neither has the warmer machine. Reported are medians.

mod builders;
mod edit;
mod idle;
mod report;
mod samples;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use clap::Args;

use crate::published::Release;
use crate::workspace;
use builders::Contest;
use report::{Case, Goal, Report};
use samples::Pair;

/// Rounds of what takes milliseconds: at least so many.
const FAST_ROUNDS: usize = 20;

/// What to build, and how often.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A program of the registry
    #[arg(long, value_name = "NAME@VERSION", default_value = "ripgrep@15.2.0")]
    project: Release,
    /// Build with the release profile
    #[arg(short, long)]
    release: bool,
    /// Rounds of full builds and of edits; what takes milliseconds has twenty at least
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// Measures, and prints a table or JSON.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let vx = workspace::release_vx()?;
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let scratch = Utf8Path::from_path(scratch.path()).context("the temporary directory has no UTF-8 path")?;
    let contest = Contest::new(&arguments.project, &vx, scratch, arguments.release)?;
    let report = measure(&contest, arguments)?;
    match arguments.json {
        true => println!("{}", serde_json::to_string_pretty(&report)?),
        false => print!("{report}"),
    }
    Ok(())
}

fn measure(contest: &Contest, arguments: &Arguments) -> Result<Report> {
    let rounds = arguments.runs as usize;
    let mut cold = Pair::default();
    let mut last = None;
    for round in 0..rounds {
        eprintln!("cold build, round {} of {rounds}", round + 1);
        // The services of the round before end here.
        drop(last.take());
        let pair = contest.fresh_pair()?;
        cold.alternate(round, || pair.cargo(), || pair.vx())?;
        last = Some(pair);
    }
    let pair = last.context("no round was run")?;

    eprintln!("nothing changed");
    let mut unchanged = Pair::default();
    for round in 0..rounds.max(FAST_ROUNDS) {
        unchanged.alternate(round, || pair.cargo(), || pair.vx())?;
    }

    eprintln!("new checkout");
    let mut checkout = Pair::default();
    for _ in 0..rounds {
        let place = contest.checkout()?;
        checkout.vx.push(pair.vx_in(&place)?);
    }
    // What cargo does there is a build from nothing, which has been measured.
    checkout.cargo = cold.cargo.clone();

    eprintln!("edits");
    let (mut edited, mut undone) = (Pair::default(), Pair::default());
    for round in 0..rounds {
        pair.edit(round)?;
        edited.alternate(round, || pair.cargo(), || pair.vx())?;
        pair.undo()?;
        undone.alternate(round, || pair.cargo(), || pair.vx())?;
    }

    eprintln!("idle daemon");
    let idle = idle::measure(pair.sandbox())?;
    let (cold_seconds, unchanged_seconds, edited_seconds) =
        (cold.cargo.median(), unchanged.cargo.median(), edited.cargo.median());
    let at_rest = Goal::new("1/10 of cargo, nothing changed", unchanged_seconds / 10.0);
    Ok(Report {
        project: arguments.project.to_string(),
        profile: if arguments.release { "release" } else { "dev" },
        cases: vec![
            Case::new(
                "cold build, empty store",
                &cold,
                Goal::new("1.03 of cargo", cold_seconds * 1.03),
            ),
            Case::new("nothing changed", &unchanged, at_rest.clone()),
            Case::new(
                "new checkout, warm store",
                &checkout,
                Goal::new("1/200 of cargo, cold", cold_seconds / 200.0),
            ),
            Case::new("one line edited", &edited, Goal::new("1.00 of cargo", edited_seconds)),
            Case::new("edit undone", &undone, at_rest),
        ],
        idle,
    })
}
