//! Keeps a thread that stops often on the tracer's own processor, while it does.
//!
//! Each stop wakes the tracer, and the tracer wakes the thread. Between two processors, each of these wakes an idle
//! one, which takes longer than everything else together. The CPU affinity of a thread is restored as soon as it starts
//! another, executes something, asks for its affinity, or makes no call for a while, so the tree does not notice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// After this many stops a thread counts as one that stops often.
const MANY: u32 = 32;
/// A thread without a call for this long is computing, and may do so anywhere.
const QUIET: Duration = Duration::from_millis(2);

/// Which threads of one tree are pinned to the tracer's processor.
#[derive(Debug)]
pub(super) struct CpuAffinity {
    stops: HashMap<Pid, u32>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Where the tree may run.
    anywhere: CpuSet,
    tracer: Pid,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pinned: HashSet<Pid>,
    /// Stops so far.
    stops: u64,
    is_over: bool,
}

impl CpuAffinity {
    /// For the tree that this thread traces; `None` if there is one processor, or affinities cannot be read.
    pub(super) fn new() -> Option<Self> {
        let anywhere = sched_getaffinity(None).ok()?;
        if anywhere.count() < 2 {
            return None;
        }
        let shared = Arc::new(Shared {
            anywhere,
            tracer: gettid(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let watched = shared.clone();
        std::thread::Builder::new()
            .name("tracer-affinity".to_owned())
            .spawn(move || watched.unpin_when_quiet())
            .ok()?;
        Some(Self {
            stops: HashMap::new(),
            shared,
        })
    }

    /// A thread has stopped at a call.
    pub(super) fn stopped(&mut self, thread: Pid) {
        let stops = self.stops.entry(thread).or_default();
        *stops += 1;
        let is_often = stops.is_multiple_of(MANY);
        let mut state = self.shared.lock();
        state.stops += 1;
        if is_often && !state.pinned.contains(&thread) {
            self.shared.pin(&mut state, thread);
        }
    }

    /// A thread has begun, or does something that pinning would affect.
    pub(super) fn release(&mut self, thread: Pid) {
        self.stops.remove(&thread);
        let mut state = self.shared.lock();
        state.pinned.remove(&thread);
        // A new thread inherits the affinity of the one that started it. It may be gone.
        let _ = sched_setaffinity(Some(thread), &self.shared.anywhere);
    }

    /// Unpins all permanently: the tree sets affinities of its own.
    pub(super) fn end(self) {
        let mut state = self.shared.lock();
        self.shared.unpin_all(&mut state);
    }

    /// A thread has ended.
    pub(super) fn forget(&mut self, thread: Pid) {
        self.stops.remove(&thread);
        self.shared.lock().pinned.remove(&thread);
    }
}

impl Drop for CpuAffinity {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn pin(&self, state: &mut State, thread: Pid) {
        let mut here = CpuSet::new();
        here.set(sched_getcpu());
        if state.pinned.is_empty() && sched_setaffinity(Some(self.tracer), &here).is_err() {
            return;
        }
        if sched_setaffinity(Some(thread), &here).is_ok() {
            state.pinned.insert(thread);
            self.changed.notify_one();
        }
    }

    /// Unpins all whenever no thread has stopped for a while, until the tree is gone.
    fn unpin_when_quiet(&self) {
        let mut state = self.lock();
        while !state.is_over {
            if state.pinned.is_empty() {
                self.changed.wait(&mut state);
                continue;
            }
            let before = state.stops;
            self.changed.wait_for(&mut state, QUIET);
            if state.stops == before {
                self.unpin_all(&mut state);
            }
        }
    }

    fn unpin_all(&self, state: &mut State) {
        for thread in std::mem::take(&mut state.pinned).into_iter().chain([self.tracer]) {
            // It may be gone.
            let _ = sched_setaffinity(Some(thread), &self.anywhere);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn may_use(thread: Pid) -> u32 {
        sched_getaffinity(Some(thread)).unwrap().count()
    }

    #[test]
    fn a_thread_that_stops_often_is_kept_until_it_is_quiet() {
        let Some(mut affinity) = CpuAffinity::new() else { return };
        let all = may_use(gettid());
        let mut other = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let thread = Pid::from_child(&other);
        for _ in 0..MANY {
            affinity.stopped(thread);
        }
        assert!(may_use(thread) == 1 || affinity.shared.lock().pinned.is_empty());
        let deadline = Instant::now() + Duration::from_secs(20);
        while may_use(thread) != all || may_use(gettid()) != all {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }

        for _ in 0..MANY {
            affinity.stopped(thread);
        }
        affinity.release(thread);
        assert_eq!(may_use(thread), all);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
