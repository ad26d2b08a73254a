//! Waiting that blocks, without keeping an asynchronous program from ending.

use std::thread;

use tokio::sync::oneshot;
use vx_proto::{ErrorKind, WireError};

/// Runs `work` on a thread of its own, which a program that is interrupted does not wait for.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || sender.send(work()));
    receiver
        .await
        .map_err(|error| WireError::from_error(ErrorKind::Internal, &error))
}
