//! Tests of the engine with doors in memory: planning is real, but no actions are run and no sockets are opened.
//!
//! `actions` performs single actions, `builds` whole builds of a small workspace; `memory` stores results, and
//! `executor` stands for processes.

mod actions;
mod builds;
mod executor;
mod memory;

use std::sync::Arc;

use self::executor::{Behaviour, FakeExecutor};
use self::memory::Memory;
use crate::engine::Doors;

/// Doors to `memory`, and to an executor that behaves as `behaviour` says.
fn doors(memory: &Arc<Memory>, behaviour: impl Behaviour) -> (Doors, Arc<FakeExecutor>) {
    let executor = Arc::new(FakeExecutor::new(memory.clone(), behaviour));
    let doors = Doors {
        executor: executor.clone(),
        cache: memory.clone(),
        blobs: memory.clone(),
        records: memory.clone(),
    };
    (doors, executor)
}
