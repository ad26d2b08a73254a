//! What one build has learned: answers, counts, durations, explanations.

use std::collections::HashMap;

use vx_cargo::UnitIndex;
use vx_model::{Input, KeyPart};
use vx_proto::{Explanation, Outcome, WireError};

use super::questions::Answers;

/// Notes of one build, behind one lock.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Every question that the build stands on, in absolute terms.
    pub(crate) answers: Answers,
    /// Whether the world changed while the build looked, or something could not be seen: its answers prove nothing.
    pub(crate) unsettled: bool,
    /// How each unit came to be, as far as they are done.
    pub(crate) outcomes: HashMap<UnitIndex, Outcome>,
    /// Diagnostics to show again when nothing has changed.
    pub(crate) replay: Vec<vx_proto::BuildEvent>,
    /// The first failures, in order.
    pub(crate) failures: Vec<WireError>,
    /// Whether a blob vanished.
    pub(crate) hole: bool,
    /// Milliseconds that units took, by identity.
    pub(crate) durations: HashMap<String, u64>,
    /// What happened to each unit.
    pub(crate) explanations: Vec<Explanation>,
    /// The parts of each unit's key, by the unit's name.
    pub(crate) parts: HashMap<String, Vec<KeyPart>>,
}

impl Ledger {
    /// Notes an answer. Two answers to one question mean that the world changed meanwhile.
    pub(crate) fn note(&mut self, question: Input, answer: String) {
        if let Some(earlier) = self.answers.insert(question, answer.clone())
            && earlier != answer
        {
            self.unsettled = true;
        }
    }

    /// How many units came to be in this way.
    pub(crate) fn count(&self, outcome: Outcome) -> u32 {
        self.outcomes.values().filter(|other| **other == outcome).count() as u32
    }
}
