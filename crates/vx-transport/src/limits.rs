//! What a peer may cost.

use std::time::Duration;

/// Limits on what a peer may consume. Both sides should use the same: one refuses to send what the other would refuse
/// to receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame, including its descriptor of 64 bytes. Larger ones are refused before memory is allocated.
    pub frame: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long a peer may pause in the middle of a frame. Between frames it may be silent forever.
    pub stall: Duration,
    /// Connections of a listener: this many of authenticated peers, and this many of others.
    pub connections: usize,
    /// Unanswered requests of one connection. A client delays further calls; a listener answers excess requests with
    /// `ResourceExhausted`.
    pub requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 64 << 20,
            // A millisecond, except on machines with a hundred processes for every processor.
            handshake: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            connections: 256,
            requests: 1024,
        }
    }
}
