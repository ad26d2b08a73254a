//! `cargo xtask attack`: small projects that try to get a wrong result from vx, or to do harm. What they are, and which of
//! them are known to succeed, is in `tests/attacks`; how one is carried out, in the crate `vx-attack-suite`.

mod table;

use std::num::NonZero;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use vx_attack_suite::{Attack, Known, Outcome, Verdict, fixtures, read_all};

use crate::{interrupt, workspace};

/// What to try.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Attacks, or the beginnings of their names; all if there are none
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// List the attacks and do nothing
    #[arg(long)]
    list: bool,
    /// Only those that are among the tests
    #[arg(long)]
    quick: bool,
    /// Where the kernel refuses namespaces, so that nothing is contained
    #[arg(long)]
    uncontained: bool,
    /// Number of attacks to run at the same time [default: number of CPUs]
    #[arg(short, long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    /// Attack this `vx` instead of the release version of this workspace
    #[arg(long, value_name = "PATH")]
    vx: Option<Utf8PathBuf>,
}

/// Tries them, and reports each and all; the exit code is 1 if one is not as it should be.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.uncontained && std::env::var_os(REFUSED).is_none() {
        return where_namespaces_are_refused();
    }
    let mut all = read_all(fixtures())?;
    let mut list = "known.txt";
    if arguments.uncontained {
        list = "known-uncontained.txt";
        all = all.into_iter().map(Attack::uncontained).collect();
    }
    let known = Known::read(&fixtures().join(list), &all)?;
    let attacks = chosen(all, arguments)?;
    if arguments.list {
        for attack in &attacks {
            let mark = if known.reason(&attack.name).is_some() {
                " (known)"
            } else {
                ""
            };
            println!("{:<50} {}{mark}", attack.name, attack.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let vx = match &arguments.vx {
        Some(vx) => vx.canonicalize_utf8().with_context(|| format!("cannot find {vx}"))?,
        None => workspace::release_vx()?,
    };
    let jobs = arguments.jobs.or(thread::available_parallelism().ok());
    let verdicts = run_all(&attacks, &vx, &known, jobs.map_or(1, NonZero::get));
    interrupt::check()?;
    print!("\n{}", table::table(&verdicts));
    let is_good = verdicts.iter().all(|(_, verdict)| verdict.is_good());
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Is set for whatever runs where namespaces are refused.
const REFUSED: &str = "VX_XTASK_NAMESPACES_REFUSED";

/// Runs this command again in a user namespace that allows no other.
fn where_namespaces_are_refused() -> Result<ExitCode> {
    let this = std::env::current_exe().context("cannot find this program")?;
    let mut again = Command::new("unshare");
    again.args([
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"",
    ]);
    again.arg(this).args(std::env::args_os().skip(1)).env(REFUSED, "1");
    let status = again.status().context("cannot start unshare")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Those that are named, in the order of their names.
fn chosen(all: Vec<Attack>, arguments: &Arguments) -> Result<Vec<Attack>> {
    let names = &arguments.names;
    if let Some(unknown) = names
        .iter()
        .find(|name| !all.iter().any(|attack| attack.name.starts_with(*name)))
    {
        bail!("there is no attack `{unknown}`; `--list` shows all");
    }
    let is_named = |attack: &Attack| names.is_empty() || names.iter().any(|name| attack.name.starts_with(name));
    let attacks = all
        .into_iter()
        .filter(|attack| is_named(attack) && (attack.is_quick || !arguments.quick));
    Ok(attacks.collect())
}

/// Some at a time; none is begun after an interrupt.
fn run_all(attacks: &[Attack], vx: &Utf8Path, known: &Known, jobs: usize) -> Vec<(Attack, Verdict)> {
    let queue = Mutex::new(attacks.iter());
    let verdicts = Mutex::new(Vec::new());
    let next = || queue.lock().expect("no other thread panicked").next();
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(attack) = next()
                    && interrupt::check().is_ok()
                {
                    let verdict = vx_attack_suite::run(attack, vx, known);
                    // Its builders were interrupted too, so their results mean nothing.
                    if interrupt::check().is_err() {
                        break;
                    }
                    // Under the lock, so that lines of one attack stay together.
                    let mut verdicts = verdicts.lock().expect("no other thread panicked");
                    show(attack, &verdict);
                    verdicts.push((attack.clone(), verdict));
                }
            });
        }
    });
    let mut verdicts = verdicts.into_inner().expect("no other thread panicked");
    verdicts.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    verdicts
}

fn show(attack: &Attack, verdict: &Verdict) {
    let word = match &verdict.outcome {
        Outcome::Holds => "holds",
        Outcome::Known(_) => "known",
        Outcome::Succeeds => "SUCCEEDS",
        Outcome::NoLongerSucceeds => "NO LONGER",
        Outcome::Broken => "BROKEN",
    };
    println!("{word:<10} {:<50} {:>5.1} s", attack.name, verdict.time.as_secs_f64());
    if !verdict.is_good() {
        println!("    {}", attack.about);
        verdict.details.lines().for_each(|line| println!("    {line}"));
    }
}
