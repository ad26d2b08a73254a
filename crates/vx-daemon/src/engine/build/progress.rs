//! The progress of each unit of a build, and waiting for it.

use std::sync::Arc;

use tokio::sync::watch;
use vx_cargo::{Needs, ScriptOutput, UnitIndex};
use vx_model::OutputFile;

use crate::engine::actions::Stop;

/// The outputs of a compile unit.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    /// Output files, in `out` of the exec root.
    pub(crate) files: Vec<OutputFile>,
}

impl Compiled {
    /// The output with this file name.
    pub(crate) fn file(&self, name: &str) -> Option<&OutputFile> {
        self.files.iter().find(|file| file.path.file_name() == name)
    }
}

/// The progress of a unit.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// Nothing is available yet.
    Waiting,
    /// Its metadata is in the store; its code is being generated.
    Metadata(OutputFile),
    /// Compiled.
    Compiled(Arc<Compiled>),
    /// A build script has run.
    Ran(Arc<ScriptOutput>),
    /// It failed, or will not run.
    Failed,
}

impl Progress {
    fn satisfies(&self, needs: Needs) -> bool {
        match self {
            Self::Waiting => false,
            Self::Metadata(_) => needs == Needs::Metadata,
            Self::Compiled(_) | Self::Ran(_) | Self::Failed => true,
        }
    }
}

/// The progress of all units of a build.
#[derive(Debug)]
pub(crate) struct Board {
    units: Vec<watch::Sender<Progress>>,
}

impl Board {
    /// All units waiting.
    pub(crate) fn new(units: usize) -> Self {
        Self {
            units: (0..units).map(|_| watch::Sender::new(Progress::Waiting)).collect(),
        }
    }

    /// Sets the progress of `unit`.
    pub(crate) fn set(&self, unit: UnitIndex, progress: Progress) {
        self.units[unit].send_replace(progress);
    }

    /// Waits until the needed outputs of `unit` are available.
    pub(crate) async fn wait(&self, unit: UnitIndex, needs: Needs) -> Result<Progress, Stop> {
        let mut receiver = self.units[unit].subscribe();
        // The sender lives as long as the board, so waiting does not end early.
        match receiver.wait_for(|progress| progress.satisfies(needs)).await.as_deref() {
            Ok(Progress::Failed) | Err(_) => Err(Stop::Skipped),
            Ok(progress) => Ok(progress.clone()),
        }
    }

    /// The output of the build script of `unit`; `None` if it has not run.
    pub(crate) fn script(&self, unit: UnitIndex) -> Option<Arc<ScriptOutput>> {
        match &*self.units[unit].borrow() {
            Progress::Ran(output) => Some(output.clone()),
            _ => None,
        }
    }

    /// The outputs of `unit`; `None` if it was not compiled.
    pub(crate) fn compiled(&self, unit: UnitIndex) -> Option<Arc<Compiled>> {
        match &*self.units[unit].borrow() {
            Progress::Compiled(compiled) => Some(compiled.clone()),
            _ => None,
        }
    }
}
