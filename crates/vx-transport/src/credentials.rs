//! What a process states and proves about itself when it connects.

use crate::Token;

/// What a process states and proves about itself when it connects.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The secret of its `VX_HOME`.
    pub token: Token,
    /// Its build, for people and for comparison: at most 255 printable ASCII characters; others are replaced by `?`.
    pub build_version: String,
    /// The version of what it sends after the handshake. Peers with another one are refused.
    pub protocol: u32,
}
