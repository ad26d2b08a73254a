//! How busy the daemon is: decides on idle shutdown, and whether a shutdown "if idle" is possible.
//!
//! One state behind one lock, so a build cannot begin between the check and the shutdown.

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

/// Why a shutdown was refused: this many builds are running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) builds: usize,
}

/// A connection or a build, counted until this is dropped.
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
    /// No connections and no builds.
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(State::default())),
        }
    }

    /// Counts a connection.
    pub(crate) fn connection(&self) -> Counted {
        self.count(|state| &mut state.connections)
    }

    /// Counts a build; `None` once the daemon is stopping.
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

    /// Decides to stop, busy or not.
    pub(crate) fn stop(&self) {
        self.state.send_modify(|state| state.stopping = true);
    }

    /// Decides to stop unless a build is running.
    pub(crate) fn stop_if_idle(&self) -> Result<(), Busy> {
        let mut answer = Ok(());
        self.state.send_modify(|state| match state.builds {
            0 => state.stopping = true,
            builds => answer = Err(Busy { builds }),
        });
        answer
    }

    /// Returns once the decision to stop was made.
    pub(crate) async fn stopping(&self) {
        self.wait_for(|state| state.stopping).await;
    }

    /// Returns once no build is running.
    pub(crate) async fn builds_ended(&self) {
        self.wait_for(|state| state.builds == 0).await;
    }

    /// Decides to stop after `limit` without a connection or a build.
    pub(crate) async fn stop_after_idling(&self, limit: Duration) {
        let is_idle = |state: &State| state.connections == 0 && state.builds == 0;
        let mut states = self.state.subscribe();
        loop {
            self.wait_for(is_idle).await;
            states.mark_unchanged();
            // Any change counts: a connection may be over before this task is woken.
            if timeout(limit, states.changed()).await.is_ok() {
                continue;
            }
            // Checked again under the lock: a client may have connected at the last moment.
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
        // Fails only if the sender is dropped, and `self` holds it.
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
