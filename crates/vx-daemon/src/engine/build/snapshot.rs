//! What a finished build depended on, so that the next one is done at once if nothing has changed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use vx_model::{Digest, Roots};
use vx_proto::{BuildEvent, BuildRequest, BuildSummary, MessageFormat, UnitLabel};

use crate::engine::inputs::{Answers, Environment, Evidence, FileDigests, World};

/// Identifies builds that are equal except for the answers to inputs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SnapshotKey {
    directory: String,
    toolchain: Option<String>,
    selection: String,
    message_format: MessageFormat,
    strict: bool,
}

impl SnapshotKey {
    /// The key of a request.
    pub(crate) fn of(request: &BuildRequest) -> Self {
        Self {
            directory: request.directory.clone(),
            toolchain: request.toolchain.clone(),
            selection: format!("{:?}", request.selection),
            message_format: request.message_format,
            strict: request.strict,
        }
    }
}

/// A build that succeeded.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The identity of its toolchain.
    pub(crate) toolchain: Digest,
    /// The environment of its processes.
    pub(crate) environment: Environment,
    /// The directories of its roots. Answers name paths by them.
    pub(crate) roots: Roots,
    /// All its inputs, and its final outputs.
    pub(crate) answers: Answers,
    /// Diagnostics to show again.
    pub(crate) replay: Vec<BuildEvent>,
    /// Its summary.
    pub(crate) summary: BuildSummary,
    /// Its units, by name, with their labels for people.
    pub(crate) units: Vec<(String, UnitLabel)>,
    /// That the answers hold: taken when they were last found again.
    pub(crate) evidence: Mutex<Option<Evidence>>,
}

impl Snapshot {
    /// Whether all answers are still the same.
    pub(crate) fn holds(&self, files: &FileDigests) -> bool {
        let world = World {
            roots: &self.roots,
            files,
            variable: &|_| None,
            environment: &String::new,
        };
        let mut evidence = self.evidence.lock();
        if evidence
            .as_ref()
            .is_some_and(|evidence| evidence.holds(&self.answers, &world))
        {
            return true;
        }
        *evidence = Evidence::take(&self.answers, &self.roots);
        let mut answers = self.answers.iter();
        let holds = answers.all(|(input, answer)| world.answer(input) == *answer);
        if !holds {
            *evidence = None;
        }
        holds
    }
}

/// Snapshots by request.
pub(crate) type Snapshots = Mutex<HashMap<SnapshotKey, Arc<Snapshot>>>;
