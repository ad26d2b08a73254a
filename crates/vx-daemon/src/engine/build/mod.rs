//! A build from its request to its summary.
//!
//! `request` leads through it; `plans` finds the plan, `snapshot` is the short cut where nothing has changed; `run` makes
//! all units over a shared `context`, in which `progress` tells who may go on and `ledger` what was learned; `outputs` lays
//! down what the user asked for.

mod context;
mod ledger;
mod outputs;
mod plans;
mod progress;
mod request;
mod run;
mod snapshot;

pub(crate) use context::Context;
pub(crate) use plans::Plans;
pub(crate) use progress::{Compiled, Progress};
pub(crate) use request::{Build, Registered, UnderWay};
pub(crate) use snapshot::Snapshots;
