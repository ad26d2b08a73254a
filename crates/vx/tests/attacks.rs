//! The quick ones of the attacks in `tests/attacks`, a test each. `cargo xtask attack` runs all.

use std::process::ExitCode;

use camino::Utf8Path;
use libtest_mimic::{Arguments, Failed, Trial};
use vx_attack_suite::{Attack, Known, fixtures, read_all, run};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let attacks = read_all(fixtures()).expect("the attacks can be read");
    // The list is read whole by each test: it is short, and a test is a process of its own.
    let known = || Known::read(&fixtures().join("known.txt"), &read_all(fixtures())?);
    let quick = attacks.into_iter().filter(|attack| attack.is_quick);
    let trial = |attack: Attack| Trial::test(attack.name.clone(), move || check(&attack, &known()?));
    libtest_mimic::run(&arguments, quick.map(trial).collect()).exit_code()
}

fn check(attack: &Attack, known: &Known) -> Result<(), Failed> {
    let verdict = run(attack, Utf8Path::new(env!("CARGO_BIN_EXE_vx")), known);
    if verdict.is_good() {
        return Ok(());
    }
    let (about, outcome, details) = (&attack.about, &verdict.outcome, &verdict.details);
    Err(format!("{about}\n{outcome:?}\n{details}").into())
}
