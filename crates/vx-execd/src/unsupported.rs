//! Replaces everything else on systems where processes cannot be supervised yet.

use tokio_util::sync::CancellationToken;
use vx_transport::{Credentials, Listener};

use crate::{Config, ExecdError};

/// Refuses.
pub async fn serve(
    _config: Config,
    _listener: Listener,
    _credentials: Credentials,
    _shutdown: CancellationToken,
) -> Result<(), ExecdError> {
    Err(ExecdError::Unsupported)
}
