//! A service whose methods do what a test needs a service to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rapace::Streaming;
use tokio::sync::Notify;
use vx_transport::Connection;

/// A stranger's idea of the service.
#[rapace::service]
pub trait Strange {
    async fn unheard_of(&self) -> u32;
}

#[rapace::service]
pub trait ProbeService {
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    /// Answers when so many calls of it are under way.
    async fn meet(&self, count: u32) -> u32;
    async fn panic(&self) -> u32;
    async fn zeros(&self, size: u64) -> Vec<u8>;
    /// Numbers without end.
    async fn count(&self) -> Streaming<u32>;
    /// So many numbers.
    async fn count_to(&self, end: u32) -> Streaming<u32>;
    async fn sum(&self, numbers: Vec<u64>) -> u64;
}

pub(crate) use ProbeServiceClient as ProbeClient;
pub(crate) use ProbeServiceServer as ProbeServer;

/// What has happened in a service.
#[derive(Default)]
pub(crate) struct ProbeState {
    meeting: AtomicUsize,
    met: Notify,
    /// Numbers that endless streams have given.
    pub(crate) counted: AtomicUsize,
    /// Endless streams that were dropped.
    pub(crate) streams_dropped: Notify,
    connections: Mutex<Vec<Connection>>,
}

impl ProbeState {
    pub(crate) fn connected(&self, connection: Connection) {
        self.connections.lock().unwrap().push(connection);
    }

    /// The connections so far, in their order.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.connections.lock().unwrap().clone()
    }

    /// Calls of `meet` that are waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.meeting.load(Ordering::SeqCst)
    }

    /// Returns when so many calls of `meet` are waiting.
    pub(crate) async fn until_waiting(&self, count: usize) {
        loop {
            let changed = self.met.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if self.waiting() >= count {
                return;
            }
            changed.await;
        }
    }
}

pub(crate) struct Probe {
    state: Arc<ProbeState>,
}

impl Probe {
    pub(crate) fn of(state: &Arc<ProbeState>) -> Self {
        Self { state: state.clone() }
    }
}

/// Notes its end.
struct Counting {
    state: Arc<ProbeState>,
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.state.streams_dropped.notify_one();
    }
}

impl ProbeService for Probe {
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    async fn meet(&self, count: u32) -> u32 {
        self.state.meeting.fetch_add(1, Ordering::SeqCst);
        self.state.met.notify_waiters();
        self.state.until_waiting(count as usize).await;
        count
    }

    async fn panic(&self) -> u32 {
        panic!("as asked")
    }

    async fn zeros(&self, size: u64) -> Vec<u8> {
        vec![0; size as usize]
    }

    async fn count(&self) -> Streaming<u32> {
        let counting = Counting {
            state: self.state.clone(),
        };
        Box::pin(futures::stream::unfold(
            (counting, 0u32),
            |(counting, number)| async move {
                counting.state.counted.fetch_add(1, Ordering::SeqCst);
                Some((Ok(number), (counting, number.wrapping_add(1))))
            },
        ))
    }

    async fn count_to(&self, end: u32) -> Streaming<u32> {
        Box::pin(futures::stream::iter((0..end).map(Ok)))
    }

    async fn sum(&self, numbers: Vec<u64>) -> u64 {
        numbers.iter().sum()
    }
}

/// The number of `sum` among rapace's methods.
pub(crate) const SUM: u32 = PROBE_SERVICE_METHOD_ID_SUM;
