//! What a finished build stood on, so that the next one can be answered by looking whether it still stands.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use vx_model::{Digest, Roots};
use vx_proto::{BuildEvent, BuildRequest, BuildSummary, MessageFormat, UnitLabel};

use crate::engine::inputs::{Answers, Environment, FileDigests, World};

/// Which builds are the same but for the state of the world.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SnapshotKey {
    directory: String,
    toolchain: Option<String>,
    selection: String,
    message_format: MessageFormat,
}

impl SnapshotKey {
    /// The key of a request.
    pub(crate) fn of(request: &BuildRequest) -> Self {
        Self {
            directory: request.directory.clone(),
            toolchain: request.toolchain.clone(),
            selection: format!("{:?}", request.selection),
            message_format: request.message_format,
        }
    }
}

/// A build that succeeded.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The identity of its toolchain.
    pub(crate) toolchain: Digest,
    /// The environment that its processes got.
    pub(crate) environment: Environment,
    /// Where its roots were. Answers name paths by them.
    pub(crate) roots: Roots,
    /// Everything that it asked, and its own final outputs.
    pub(crate) answers: Answers,
    /// Diagnostics to show again.
    pub(crate) replay: Vec<BuildEvent>,
    /// What it ended with.
    pub(crate) summary: BuildSummary,
    /// Its units, by name, with what people call them.
    pub(crate) units: Vec<(String, UnitLabel)>,
}

impl Snapshot {
    /// Whether every answer is still the same.
    pub(crate) fn holds(&self, files: &FileDigests) -> bool {
        let world = World {
            roots: &self.roots,
            files,
            variable: &|_| None,
        };
        self.answers
            .iter()
            .all(|(input, answer)| world.answer(input) == *answer)
    }
}

/// Snapshots by request.
pub(crate) type Snapshots = Mutex<HashMap<SnapshotKey, Arc<Snapshot>>>;
