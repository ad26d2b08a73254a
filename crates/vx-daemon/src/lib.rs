//! The daemon: builds for all clients of one home, and the life of the services that it needs for them.
//!
//! [`Engine`] builds and does not know about processes: it reaches the world through [`Doors`]. [`Services`] manages
//! processes and does not know about builds. [`serve`] offers both by RPC and decides when the daemon ends. How a
//! service process starts, claims its home and ends is in `vx-service`. Nothing here reads the environment: `vx`
//! resolves it and passes it on.

mod activity;
mod engine;
mod local;
mod server;
mod services;

pub use engine::{ActionCache, BlobStore, Doors, Engine, EngineConfig, ExecuteEvents, Executor, RecordStore};
pub use server::{DaemonConfig, DaemonError, serve};
pub use services::{Services, ServicesConfig};
