//! Runs an attack in all modes, compares what was seen, and judges.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use camino::Utf8Path;

use crate::fixture::{Attack, Right};
use crate::known::Known;
use crate::mode::Mode;
use crate::replay::{Replay, Seen, replay, tail};
use crate::world::World;

/// How an attack ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// vx gave the right result in every mode.
    Holds,
    /// vx gave a wrong result; the attack is listed as one that succeeds, for this reason.
    Known(String),
    /// vx gave a wrong result.
    Succeeds,
    /// The attack is listed as one that succeeds, and does not.
    NoLongerSucceeds,
    /// The attack itself could not be carried out.
    Broken,
}

/// How an attack ended, and what was seen.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The judgement.
    pub outcome: Outcome,
    /// What was wrong: one or more lines, or nothing.
    pub details: String,
    /// How long it took.
    pub time: Duration,
}

impl Verdict {
    /// Whether this is as it should be, or as it is known to be.
    pub fn is_good(&self) -> bool {
        matches!(self.outcome, Outcome::Holds | Outcome::Known(_))
    }
}

/// Tries an attack on this `vx`.
pub fn run(attack: &Attack, vx: &Utf8Path, known: &Known) -> Verdict {
    let begun = Instant::now();
    let wrong = wrong_results(attack, vx);
    let (outcome, details) = match (wrong, known.reason(&attack.name)) {
        (Err(error), _) => (Outcome::Broken, format!("{error:#}")),
        (Ok(None), None) => (Outcome::Holds, String::new()),
        (Ok(None), Some(_)) => (
            Outcome::NoLongerSucceeds,
            "it does not succeed any more: take it off `tests/attacks/known.txt`".to_owned(),
        ),
        (Ok(Some(wrong)), Some(reason)) => (Outcome::Known(reason.to_owned()), wrong),
        (Ok(Some(wrong)), None) => (Outcome::Succeeds, wrong),
    };
    Verdict {
        outcome,
        details,
        time: begun.elapsed(),
    }
}

/// What vx got wrong, if it did.
fn wrong_results(attack: &Attack, vx: &Utf8Path) -> Result<Option<String>> {
    let mut world = World::new(&attack.base, vx)?;
    let right = match attack.right {
        Right::Cargo => replay(attack, &mut world, Mode::Cargo)?.seen,
        Right::EmptyHome => replay(attack, &mut world, Mode::Clean)?.seen,
        Right::Expected => expected(attack),
    };
    if attack.right != Right::Expected {
        check_reference(attack, &right)?;
    }
    let mut wrong = Differences::default();
    for mode in Mode::OF_VX {
        wrong.add(mode, &right, &replay(attack, &mut world, mode)?);
    }
    Ok(wrong.shown())
}

/// What each step says that it expects.
fn expected(attack: &Attack) -> Vec<Seen> {
    let seen = attack.steps.iter().map(|step| Seen {
        is_built: !step.fails,
        said: step.expect.clone().unwrap_or_default().trim_end().to_owned(),
    });
    seen.collect()
}

/// An attack that changes nothing attacks nothing.
fn check_reference(attack: &Attack, reference: &[Seen]) -> Result<()> {
    for (number, (step, seen)) in attack.steps.iter().zip(reference).enumerate() {
        if let Some(expect) = &step.expect {
            ensure!(
                expect.trim_end() == seen.said,
                "step {}: the right result is not what is expected:\n    {:?}\n    {expect:?}",
                number + 1,
                seen.said
            );
        }
    }
    let differs = reference.windows(2).any(|pair| pair[0] != pair[1]);
    if differs == attack.is_constant {
        bail!(
            "the right results of the steps {}: {reference:#?}",
            if differs { "differ" } else { "are all the same" }
        );
    }
    Ok(())
}

/// What was seen and is not right, each with the modes in which it was.
#[derive(Debug, Default)]
struct Differences {
    found: Vec<(String, Vec<&'static str>)>,
}

impl Differences {
    fn add(&mut self, mode: Mode, right: &[Seen], replay: &Replay) {
        for (number, (seen, right)) in replay.seen.iter().zip(right).enumerate() {
            let step = number + 1;
            if seen.is_built != right.is_built {
                let ended = if seen.is_built { "succeeded" } else { "failed" };
                let log = tail(&replay.logs[number]);
                self.push(mode, format!("step {step}: the build {ended}\n{log}"));
            } else if seen.said != right.said {
                self.push(mode, format!("step {step}: {:?}, right is {:?}", seen.said, right.said));
            }
        }
        if !replay.left.is_empty() {
            self.push(mode, format!("processes were left: {}", replay.left.join(", ")));
        }
    }

    fn push(&mut self, mode: Mode, what: String) {
        match self.found.iter_mut().find(|(known, _)| *known == what) {
            Some((_, modes)) => modes.push(mode.name()),
            None => self.found.push((what, vec![mode.name()])),
        }
    }

    fn shown(&self) -> Option<String> {
        let lines = self
            .found
            .iter()
            .map(|(what, modes)| format!("{}: {what}", modes.join(", ")));
        let lines: Vec<String> = lines.collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}
