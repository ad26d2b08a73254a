//! A build from its request to its summary.
//!
//! `request` is the whole of it; `plans` finds the plan, `snapshot` is the short cut if nothing has changed. `run`
//! performs all units over a shared `context`, in which `progress` says which may continue and `ledger` collects what
//! was learned, and `memory` keeps it for later builds. `outputs` writes the final artifacts.

mod context;
mod ledger;
mod memory;
mod outputs;
mod plans;
mod progress;
mod request;
mod run;
mod sandbox;
mod snapshot;
mod view;

pub(crate) use context::Context;
pub(crate) use plans::Plans;
pub(crate) use progress::{Compiled, Progress};
pub(crate) use request::{Build, Registered, UnderWay};
pub(crate) use snapshot::Snapshots;
pub(crate) use view::{View, shows, shows_beside};
