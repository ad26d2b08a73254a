//! `cargo xtask soak`: the tests of the command line, many times in a row and twice at once. Tests that collide, or leave
//! processes behind, do so rarely; this is how they are found.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use clap::Args;

use crate::program::{self, cargo};
use crate::{interrupt, leftovers, test, workspace};

/// How long to go on.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Number of runs in a row
    #[arg(long, value_name = "N", default_value_t = 20)]
    times: u32,
    /// Profile of nextest.toml
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    profile: String,
    /// Number of tests to run at the same time
    #[arg(long, value_name = "N", default_value_t = 16)]
    test_threads: u32,
}

/// Stops at the first run that fails or leaves a process.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    test::ensure_nextest()?;
    program::run(
        cargo()
            .args(["nextest", "run", "--locked", "-p", "vx", "--no-run"])
            .current_dir(workspace::root()),
    )?;
    let target = workspace::target()?;
    let before = leftovers::ours(&target)?;
    for number in 1..=arguments.times {
        eprintln!("run {number} of {}", arguments.times);
        program::run(&mut suite(arguments))?;
        check(&before, &target)?;
    }
    eprintln!("two runs at the same time");
    let mut both =
        [suite(arguments), suite(arguments)].map(|mut command| command.spawn().context("cannot start cargo nextest"));
    // Both are waited for before either is judged.
    let ends = both.each_mut().map(|child| child.as_mut().map(|child| child.wait()));
    interrupt::check()?;
    for end in ends {
        let Ok(Ok(status)) = end else {
            bail!("could not start or wait for one of two runs at the same time");
        };
        if !status.success() {
            bail!("one of two runs at the same time failed: {status}");
        }
    }
    check(&before, &target)?;
    println!(
        "{} runs in a row and two at the same time: no failures, no processes left",
        arguments.times
    );
    Ok(())
}

fn suite(arguments: &Arguments) -> Command {
    let mut command = cargo();
    command.args([
        "nextest",
        "run",
        "--locked",
        "-p",
        "vx",
        "--profile",
        &arguments.profile,
        "--test-threads",
    ]);
    command
        .arg(arguments.test_threads.to_string())
        .current_dir(workspace::root());
    command
}

fn check(before: &BTreeSet<i32>, target: &Utf8Path) -> Result<()> {
    let left = leftovers::since(before, target)?;
    if !left.is_empty() {
        bail!("processes were left behind:\n{}", left.join("\n"));
    }
    Ok(())
}
