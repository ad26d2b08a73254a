//! How the processes of vx connect to each other: endpoints, the handshake, and guarded rapace sessions.
//!
//! A [`Listener`] answers on an [`Endpoint`], a [`Session`] connects to one; over TCP or a Unix socket, which makes no
//! difference to users of this crate. Before rapace sees a byte, both sides prove that they know the [`Token`] of their
//! `VX_HOME` and state their protocol and build. After that, a guard keeps frames within [`Limits`].
//!
//! This crate knows no services or messages of vx, spawns no processes, and retries nothing: if nobody is at an
//! endpoint, the caller gets a typed error and decides what to do.
//!
//! # What rapace needs from its process
//!
//! rapace ends every call that exceeds the environment's [`RPC_TIMEOUT`], whatever the deadline of [`Session::call`]. A
//! process whose calls may take longer than 30 seconds has to be started with it.

mod connection;
mod credentials;
mod endpoint;
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod handshake;
mod limits;
mod link;
mod listener;
mod session;
mod token;

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        mod socket_file;
    }
}

pub use connection::Connection;
pub use credentials::Credentials;
pub use endpoint::{Endpoint, EndpointError, EndpointErrorKind};
pub use limits::Limits;
pub use listener::{BindError, Listener};
pub use rapace::RpcError;
pub use session::{CallError, ConnectError, Session};
pub use token::{Token, TokenError};

/// Name and value of an environment variable; without it, rapace ends every call after 30 seconds.
pub const RPC_TIMEOUT: (&str, &str) = ("RAPACE_CALL_TIMEOUT_MS", "86400000");
