//! Toolchains acquired from a real server, which behaves and misbehaves.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod archives;
mod channels;
mod choosing;
mod interrupted;
mod world;
