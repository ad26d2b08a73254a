//! What a peer may cost.

use std::time::Duration;

/// What a peer may cost. Both sides should use the same: one refuses to send what the other would refuse to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame, its descriptor of 64 bytes included. Larger ones are refused before memory is allocated.
    pub frame: usize,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long a peer may pause in the middle of a frame. Between frames it may be silent for ever.
    pub stall: Duration,
    /// Connections of a listener: so many of peers that have proved themselves, and so many of others.
    pub connections: usize,
    /// Requests of one connection that are not answered yet. A client lets its further calls wait; a listener answers
    /// what exceeds this with `ResourceExhausted`.
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
