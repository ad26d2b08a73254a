//! What one build has learned: answers, counts, durations, explanations.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vx_cargo::UnitIndex;
use vx_model::{Action, Input};
use vx_proto::{Outcome, UnitLabel, WireError};

use crate::engine::actions::{Again, Made};
use crate::engine::inputs::Answers;

/// Notes of one build, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Every input that the build depends on, with absolute paths.
    pub(crate) answers: Answers,
    /// Whether an input changed during the build, or something could not be observed: then the answers prove nothing.
    pub(crate) unsettled: bool,
    /// The outcome of each unit that is done.
    pub(crate) outcomes: HashMap<UnitIndex, Outcome>,
    /// Build scripts whose output directory is absent, because nothing needed it so far.
    pub(crate) absent_out_dirs: HashSet<UnitIndex>,
    /// How many processes ran once more.
    pub(crate) ran_again: u32,
    /// Diagnostics to show again if nothing has changed.
    pub(crate) replay: Vec<vx_proto::BuildEvent>,
    /// The failures, in order.
    pub(crate) failures: Vec<WireError>,
    /// Why the build has to start again, if it has.
    pub(crate) again: Option<Again>,
    /// Durations of units in milliseconds, by identity.
    pub(crate) durations: HashMap<String, u64>,
    /// What happened to each unit that is done, in order.
    pub(crate) units: Vec<UnitNote>,
}

/// What happened to a unit.
#[derive(Debug)]
pub(crate) struct UnitNote {
    /// The unit's name for explanations.
    pub(crate) name: String,
    /// For people.
    pub(crate) label: UnitLabel,
    /// Its action.
    pub(crate) action: Arc<Action>,
    /// What came of it.
    pub(crate) made: Arc<Made>,
}

impl Ledger {
    /// Records an answer. Two answers to one input mean that it changed meanwhile.
    pub(crate) fn note(&mut self, input: Input, answer: String) {
        if let Some(earlier) = self.answers.insert(input, answer.clone())
            && earlier != answer
        {
            self.unsettled = true;
        }
    }

    /// The number of units with this outcome.
    pub(crate) fn count(&self, outcome: Outcome) -> u32 {
        self.outcomes.values().filter(|other| **other == outcome).count() as u32
    }
}
