//! How far each unit of a build is, and waiting for it.

use std::sync::Arc;

use tokio::sync::watch;
use vx_cargo::{Needs, ScriptOutput, UnitIndex};
use vx_model::OutputFile;

use crate::engine::actions::Stop;

/// What a compile unit left.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    /// Output files, in `out` of the exec root.
    pub(crate) files: Vec<OutputFile>,
}

impl Compiled {
    /// The output of this file name.
    pub(crate) fn file(&self, name: &str) -> Option<&OutputFile> {
        self.files.iter().find(|file| file.path.file_name() == name)
    }
}

/// How far a unit is.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// Not yet anything of use.
    Waiting,
    /// Its metadata is in the store; its code is being generated.
    Metadata(OutputFile),
    /// Compiled.
    Compiled(Arc<Compiled>),
    /// A build script has run.
    Ran(Arc<ScriptOutput>),
    /// It will not be made.
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

    /// Tells how far `unit` is.
    pub(crate) fn set(&self, unit: UnitIndex, progress: Progress) {
        self.units[unit].send_replace(progress);
    }

    /// Waits until of `unit` there is what is needed.
    pub(crate) async fn wait(&self, unit: UnitIndex, needs: Needs) -> Result<Progress, Stop> {
        let mut receiver = self.units[unit].subscribe();
        // The sender lives as long as the board, so waiting ends only with what was waited for.
        match receiver.wait_for(|progress| progress.satisfies(needs)).await.as_deref() {
            Ok(Progress::Failed) | Err(_) => Err(Stop::Skipped),
            Ok(progress) => Ok(progress.clone()),
        }
    }

    /// What the build script of `unit` said; none where it has not run.
    pub(crate) fn script(&self, unit: UnitIndex) -> Option<Arc<ScriptOutput>> {
        match &*self.units[unit].borrow() {
            Progress::Ran(output) => Some(output.clone()),
            _ => None,
        }
    }

    /// What `unit` compiled to; none where it has not.
    pub(crate) fn compiled(&self, unit: UnitIndex) -> Option<Arc<Compiled>> {
        match &*self.units[unit].borrow() {
            Progress::Compiled(compiled) => Some(compiled.clone()),
            _ => None,
        }
    }
}
