//! Why there is no result.

use vx_proto::WireError;

/// Why a unit or an action has no result.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// A dependency has no result, or the build is ending.
    Skipped,
    /// A blob vanished from the store between lookup and use: the build starts again.
    MissingBlob,
    /// It failed.
    Failed(WireError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Failed(error)
    }
}
