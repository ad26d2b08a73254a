//! Three endpoints that belong to one test for as long as it runs.
//!
//! A port is held by a socket that is bound and never listens: the kernel gives it to nobody who asks for a free one,
//! and lets a service that names it bind and listen, because both allow the address to be shared. A port that was freed
//! and hoped for would be somebody else's now and then. A Unix socket is the test's own by its path.

use std::net::SocketAddr;

use camino::Utf8Path;
use tokio::net::TcpSocket;

use super::is_uds_profile;

/// The values of `VX_DAEMON`, `VX_CAS` and `VX_EXEC`.
pub(crate) struct Endpoints {
    pub(crate) daemon: String,
    pub(crate) cas: String,
    pub(crate) exec: String,
    // Never listening; keeps the ports.
    _held: Vec<TcpSocket>,
}

impl Endpoints {
    /// Sockets in `directory` in the profile `uds`, reserved loopback ports otherwise.
    pub(crate) fn reserve(directory: &Utf8Path) -> Self {
        if is_uds_profile() {
            let [daemon, cas, exec] = ["daemon", "cas", "exec"].map(|name| format!("unix:{directory}/{name}.sock"));
            Self {
                daemon,
                cas,
                exec,
                _held: Vec::new(),
            }
        } else {
            let [(daemon, first), (cas, second), (exec, third)] = [hold(), hold(), hold()];
            let [daemon, cas, exec] = [daemon, cas, exec].map(|address| address.to_string());
            Self {
                daemon,
                cas,
                exec,
                _held: vec![first, second, third],
            }
        }
    }
}

fn hold() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    (socket.local_addr().unwrap(), socket)
}
