//! The engine's doors to the services of this machine: casd keeps, execd runs. No decision is made here.

mod cas;
mod exec;

use std::sync::Arc;

use vx_proto::{ErrorKind, WireError};
use vx_transport::CallError;

use self::cas::Casd;
use self::exec::Execd;
use crate::engine::Doors;
use crate::services::Services;

/// Doors to casd and execd, which `services` starts and starts again.
pub(crate) fn doors(services: &Services) -> Doors {
    let casd = Arc::new(Casd::new(services.clone()));
    Doors {
        executor: Arc::new(Execd::new(services.clone())),
        cache: casd.clone(),
        blobs: casd.clone(),
        records: casd,
    }
}

/// A service that did not answer, in the words of the person who waits.
fn unavailable(service: &str, error: &CallError) -> WireError {
    let mut wire = WireError::from_error(ErrorKind::Unavailable, error);
    wire.causes.insert(0, std::mem::take(&mut wire.message));
    wire.message = format!("{service} of vx stopped answering");
    wire.with_help("run the command again; the log files are in $VX_HOME/log")
}
