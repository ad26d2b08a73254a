//! Sessions between real peers over real sockets of both kinds, and what hostile peers can do to them: nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod death;
mod handshake;
mod hostile;
mod limits;
mod sessions;
mod streams;
mod support;
