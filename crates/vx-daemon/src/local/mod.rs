//! The engine's doors to the services of this machine: casd stores, execd runs. No decisions are made here.

mod cas;
mod exec;

use std::sync::Arc;

use vx_service::Store;

use self::exec::Execd;
use crate::engine::Doors;
use crate::services::Services;

/// Doors to casd and execd, which `services` starts and restarts.
pub(crate) fn doors(services: &Services) -> Doors {
    let casd = Arc::new(Store::new(services.clone()));
    Doors {
        executor: Arc::new(Execd::new(services.clone())),
        cache: casd.clone(),
        blobs: casd.clone(),
        records: casd,
    }
}
