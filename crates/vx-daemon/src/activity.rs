//! How busy the daemon is: decides idle shutdown, and whether a shutdown "if idle" may go ahead.
//!
//! One state behind one lock, so that a build cannot begin between the question and the shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Counts connections and builds. Clones share the counts.
#[derive(Debug, Clone)]
pub(crate) struct Activity {
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct State {
    connections: usize,
    builds: usize,
    stopping: bool,
}

/// Why a shutdown did not go ahead: so many builds are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) builds: usize,
}

/// A connection or a build that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    state: Arc<watch::Sender<State>>,
    count: fn(&mut State) -> &mut usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.state.send_modify(|state| *(self.count)(state) -= 1);
    }
}

impl Activity {
    /// Nothing is going on yet.
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }

    /// Counts a connection.
    pub(crate) fn connection(&self) -> Counted {
        self.count(|state| &mut state.connections)
    }

    /// Counts a build; none once the daemon is stopping.
    pub(crate) fn build(&self) -> Option<Counted> {
        let begun = self.state.send_if_modified(|state| {
            state.builds += usize::from(!state.stopping);
            !state.stopping
        });
        begun.then(|| Counted {
            state: self.state.clone(),
            count: |state| &mut state.builds,
        })
    }

    /// Decides to stop, whatever is going on.
    pub(crate) fn stop(&self) {
        self.state.send_modify(|state| state.stopping = true);
    }

    /// Decides to stop unless a build is under way.
    pub(crate) fn stop_if_idle(&self) -> Result<(), Busy> {
        let mut answer = Ok(());
        self.state.send_modify(|state| match state.builds {
            0 => state.stopping = true,
            builds => answer = Err(Busy { builds }),
        });
        answer
    }

    /// Returns once it is decided to stop.
    pub(crate) async fn stopping(&self) {
        self.wait_for(|state| state.stopping).await;
    }

    /// Returns once no build is under way.
    pub(crate) async fn builds_ended(&self) {
        self.wait_for(|state| state.builds == 0).await;
    }

    /// Decides to stop after there was neither a connection nor a build for `limit`.
    pub(crate) async fn stop_after_idling(&self, limit: Duration) {
        let is_idle = |state: &State| state.connections == 0 && state.builds == 0;
        let mut states = self.state.subscribe();
        loop {
            self.wait_for(is_idle).await;
            states.mark_unchanged();
            // Any change counts: a visit may be over before this task is woken.
            if timeout(limit, states.changed()).await.is_ok() {
                continue;
            }
            // Only now, under the lock: somebody may have come in the last moment.
            let stopped = self.state.send_if_modified(|state| {
                state.stopping |= is_idle(state);
                state.stopping
            });
            if stopped {
                return;
            }
        }
    }

    fn count(&self, count: fn(&mut State) -> &mut usize) -> Counted {
        self.state.send_modify(|state| *count(state) += 1);
        Counted {
            state: self.state.clone(),
            count,
        }
    }

    async fn wait_for(&self, condition: impl FnMut(&State) -> bool) {
        // Fails only when the sender is gone, and `self` holds it.
        let _ = self.state.subscribe().wait_for(condition).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn no_build_begins_once_it_stops() {
        let activity = Activity::new();
        let build = activity.build().unwrap();
        assert_eq!(activity.stop_if_idle(), Err(Busy { builds: 1 }));
        drop(build);
        assert_eq!(activity.stop_if_idle(), Ok(()));
        assert!(activity.build().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn idling_begins_anew_after_each_connection() {
        let activity = Activity::new();
        let limit = Duration::from_secs(60);
        let connection = activity.connection();
        let mut idle = tokio::spawn({
            let activity = activity.clone();
            async move { activity.stop_after_idling(limit).await }
        });
        assert!(timeout(limit * 10, &mut idle).await.is_err());
        assert!(activity.stopping().now_or_never().is_none());
        drop(connection);
        let before = tokio::time::Instant::now();
        idle.await.unwrap();
        assert!(before.elapsed() >= limit);
        assert!(activity.stopping().now_or_never().is_some());
    }
}
