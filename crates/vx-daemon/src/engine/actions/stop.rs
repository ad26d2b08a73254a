//! Why something was not made.

use vx_proto::WireError;

/// Why a unit or an action came to no result.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// Something that it needs was not made, or the build is ending.
    Skipped,
    /// A blob vanished from the store between its lookup and its use: the build looks again from the start.
    MissingBlob,
    /// It failed.
    Failed(WireError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Failed(error)
    }
}
