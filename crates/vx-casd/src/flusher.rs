//! The thread that makes the index durable in quiet moments.
//!
//! Syncing takes milliseconds at best and much longer on a busy disk, and no entry of a cache is worth that. So nothing
//! waits for it: some time after the first change, preferably in a pause, everything is synced at once.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// A pause of this length is long enough.
const QUIET: Duration = Duration::from_millis(500);
/// No change waits for much longer than this, pause or not.
const LONGEST: Duration = Duration::from_secs(10);

/// Whether there is anything to make durable.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dirt(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    /// The first and the last change since the last flush.
    changes: Option<(Instant, Instant)>,
    stopping: bool,
}

impl Dirt {
    /// Notes a change.
    pub(crate) fn note(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        match &mut state.changes {
            Some((_, last)) => *last = now,
            changes @ None => {
                *changes = Some((now, now));
                self.0.1.notify_all();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock()
    }

    /// Waits until it is time to flush; false if it is time to stop.
    fn wait(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return false;
            }
            let Some((first, last)) = state.changes else {
                self.0.1.wait(&mut state);
                continue;
            };
            let due = (last + QUIET).min(first + LONGEST);
            let Some(left) = due
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                state.changes = None;
                return true;
            };
            self.0.1.wait_for(&mut state, left);
        }
    }
}

/// The thread. It ends when this is dropped; the owner then flushes what is left.
#[derive(Debug)]
pub(crate) struct Flusher {
    dirt: Dirt,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts it.
    pub(crate) fn start(dirt: Dirt, flush: impl Fn() + Send + 'static) -> std::io::Result<Self> {
        let waiting = dirt.clone();
        let run = move || {
            while waiting.wait() {
                flush();
            }
        };
        let thread = thread::Builder::new().name("vx-casd-flush".into()).spawn(run)?;
        Ok(Self {
            dirt,
            thread: Some(thread),
        })
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.dirt.lock().stopping = true;
        self.dirt.0.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // It panics only if flushing did, which was logged.
            let _ = thread.join();
        }
    }
}
