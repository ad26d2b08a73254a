//! What a finished build stood on, so that the next one can be answered by looking whether it still stands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use vx_proto::{BuildEvent, BuildRequest, BuildSummary, MessageFormat, UnitLabel};

use super::environment::Environment;
use super::files::FileDigests;
use super::questions::{Answers, World};

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
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The identity of its toolchain.
    pub(crate) toolchain: vx_model::Digest,
    /// The environment that its processes got.
    pub(crate) environment: Environment,
    /// Root directory of its workspace.
    pub(crate) workspace: String,
    /// Everything that it asked, and its own final outputs.
    pub(crate) answers: Answers,
    /// Diagnostics to show again.
    pub(crate) replay: Vec<BuildEvent>,
    /// What it ended with.
    pub(crate) summary: BuildSummary,
    /// Its units.
    pub(crate) units: Vec<UnitLabel>,
}

impl Snapshot {
    /// Whether every answer is still the same.
    pub(crate) fn holds(&self, files: &FileDigests) -> bool {
        let roots = vx_model::Roots::default().with(vx_model::Root::Workspace, self.workspace.clone());
        let nothing = |_: &str| None;
        let world = World {
            roots: &roots,
            files,
            environment: &nothing,
        };
        self.answers
            .iter()
            .all(|(question, answer)| world.answer(question) == *answer)
    }
}

/// Snapshots by request.
pub(crate) type Snapshots = Mutex<HashMap<SnapshotKey, Arc<Snapshot>>>;
