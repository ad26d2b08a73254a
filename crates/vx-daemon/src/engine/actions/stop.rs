//! Why there is no result.

use vx_proto::WireError;

/// Why a unit or an action has no result.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// A dependency has no result, or the build is ending.
    Skipped,
    /// The build starts again.
    Again(Again),
    /// It failed.
    Failed(WireError),
}

/// Why a build starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// A blob vanished from the store between lookup and use.
    MissingBlob,
    /// An action has to run at the real paths, but others already use an output of its first run.
    RealPaths,
    /// The output directory of a build script is needed after all.
    OutDir,
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Failed(error)
    }
}
