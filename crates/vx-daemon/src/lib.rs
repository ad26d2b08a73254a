//! The daemon: builds for all clients of one home, and the life of the services that it needs for them.
//!
//! [`Engine`] knows builds and no processes, and reaches the world through [`Doors`]; [`Services`] knows processes and no
//! builds; [`serve`] puts an RPC face on both and decides when the daemon ends. How a service process starts, claims its
//! home and dies is in `vx-service`. Nothing here reads the environment: `vx` resolves it and hands it down.

mod activity;
mod engine;
mod local;
mod server;
mod services;

pub use engine::{ActionCache, BlobStore, Doors, Engine, EngineConfig, ExecuteEvents, Executor, RecordStore};
pub use server::{DaemonConfig, DaemonError, serve};
pub use services::{Services, ServicesConfig};
