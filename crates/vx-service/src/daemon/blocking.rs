//! Blocking waits that do not keep an asynchronous program from ending.

use std::thread;

use tokio::sync::oneshot;
use vx_proto::{ErrorKind, WireError};

/// Runs `work` on a thread of its own, for which an interrupted program does not wait.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || sender.send(work()));
    receiver
        .await
        .map_err(|error| WireError::from_error(ErrorKind::Internal, &error))
}
