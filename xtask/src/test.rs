//! `cargo xtask test`: every test, over TCP (the default profile) and over Unix sockets (the profile `uds`).
//!
//! Only the first run may download. The others find every server but those of this machine out of reach, so they pass
//! because whatever is downloaded once is kept.

use std::iter::repeat;

use anyhow::{Result, bail};
use clap::Args;

use crate::program::{cargo, output, run as run_program};
use crate::workspace;

/// Installed where no cargo-nextest is found; any version that knows the keys of `nextest.toml` is good.
const NEXTEST: &str = "0.9.143";

/// The profiles of `nextest.toml`.
const PROFILES: &[&str] = &["default", "uds"];

/// An address where nothing answers: the port of the discard service.
const NO_PROXY_THERE: &str = "http://127.0.0.1:9";

/// The tests that download something, as nextest names them.
const DOWNLOADING: &str = "binary(package_sources) + binary(registry_crates) + binary(toolchains)";

/// Servers that a test starts itself.
const THIS_MACHINE: &str = "127.0.0.1,localhost,::1";

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Run only this profile of nextest.toml
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Arguments for `cargo nextest run`; if there are any, doctests are skipped
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs everything requested, even after a failure, and reports failures at the end.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure_nextest()?;
    let mut failures = Vec::new();
    // The examples come first, so that the summaries of the real suites stand at the end.
    if arguments.profile.is_none() && arguments.arguments.is_empty() {
        failures.extend(examples().err());
    }
    let profiles = match &arguments.profile {
        Some(profile) => vec![profile.as_str()],
        None => PROFILES.to_vec(),
    };
    for (profile, network) in profiles
        .iter()
        .zip([Network::Reachable].into_iter().chain(repeat(Network::OutOfReach)))
    {
        failures.extend(suite(profile, network, &arguments.arguments).err());
    }
    if arguments.profile.is_none() && arguments.arguments.is_empty() {
        // What the first run did not need because it downloaded, the same profile must not need now.
        let downloading = ["-p", "vx", "-E", DOWNLOADING].map(str::to_owned);
        failures.extend(suite(PROFILES[0], Network::OutOfReach, &downloading).err());
    }
    match failures.len() {
        0 => Ok(()),
        count => {
            failures.iter().for_each(|failure| eprintln!("failed: {failure:#}"));
            bail!("{count} of the test runs failed")
        }
    }
}

/// Installs cargo-nextest if it is missing.
pub(crate) fn ensure_nextest() -> Result<()> {
    if output(cargo().args(["nextest", "--version"])).is_ok() {
        return Ok(());
    }
    run_program(cargo().args(["install", "--locked", "cargo-nextest", "--version", NEXTEST]))
}

/// Whether tests may download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Reachable,
    OutOfReach,
}

fn suite(profile: &str, network: Network, arguments: &[String]) -> Result<()> {
    let mut nextest = cargo();
    nextest
        .args(["nextest", "run", "--locked", "--profile", profile])
        .args(arguments);
    if network == Network::OutOfReach {
        for protocol in ["http", "https", "all"] {
            for variable in [format!("{protocol}_proxy"), format!("{protocol}_proxy").to_uppercase()] {
                nextest.env(variable, NO_PROXY_THERE);
            }
        }
        nextest.env("no_proxy", THIS_MACHINE).env("NO_PROXY", THIS_MACHINE);
    }
    run_program(nextest.current_dir(workspace::root()))
}

fn examples() -> Result<()> {
    let mut tests = cargo();
    tests.args(["test", "--locked", "--workspace", "--doc", "--quiet"]);
    run_program(tests.current_dir(workspace::root()))
}
