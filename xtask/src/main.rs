//! Tasks of the project itself: `cargo xtask TASK`. Nothing here is part of vx.
//!
//! Built before anything else on a fresh clone, so it depends on little. Rules about the project that need no task are
//! ordinary tests, in `tests/`.

mod attack;
mod bench;
mod conformance;
mod demo;
mod interrupt;
mod leftovers;
mod program;
mod published;
mod sandbox;
mod soak;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Tasks of the vx project
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
enum Task {
    /// Run all tests in both profiles, and all doctests
    Test(test::Arguments),
    /// Build and run a published program with vx, first with an empty store and then from the store
    Try(demo::Arguments),
    /// Build a published program with cargo and with vx, in turns, and compare the times
    Bench(bench::Arguments),
    /// Build the corpus with cargo and with vx, and compare the compilers and build scripts that they start
    Conformance(conformance::Arguments),
    /// Try to get wrong results from vx, and to do harm, with small projects
    Attack(attack::Arguments),
    /// Run the tests of the command line repeatedly, and look for processes left behind
    Soak(soak::Arguments),
}

fn main() -> ExitCode {
    if let Ok(file) = std::env::var(conformance::RECORD) {
        return exit_code(conformance::record(&file));
    }
    let task = Task::parse();
    let result = interrupt::install().and_then(|()| {
        match task {
            Task::Attack(arguments) => return attack::run(&arguments),
            Task::Test(arguments) => test::run(&arguments),
            Task::Try(arguments) => demo::run(&arguments),
            Task::Bench(arguments) => bench::run(&arguments),
            Task::Conformance(arguments) => conformance::run(&arguments),
            Task::Soak(arguments) => soak::run(&arguments),
        }?;
        Ok(ExitCode::SUCCESS)
    });
    exit_code(result)
}

fn exit_code(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
