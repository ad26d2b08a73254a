//! One at a time per key: equal actions of several builds run once, and the others find the result in the store.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use vx_model::Key;

/// Locks by key, removed when nobody holds or awaits them.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    locks: Mutex<HashMap<Key, Weak<AsyncMutex<()>>>>,
}

impl Flights {
    /// Waits until nobody else works on `key`. Dropping the guard, by cancellation too, lets the next one continue.
    pub(crate) async fn enter(&self, key: Key) -> OwnedMutexGuard<()> {
        self.lock(key).lock_owned().await
    }

    fn lock(&self, key: Key) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock();
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_per_key() {
        let flights = Flights::default();
        let (one, two) = (Key { hash: [1; 32] }, Key { hash: [2; 32] });
        let first = flights.enter(one).await;
        let _other = flights.enter(two).await;
        let mut second = Box::pin(flights.enter(one));
        assert!(futures::poll!(second.as_mut()).is_pending());
        drop(first);
        assert!(futures::poll!(second.as_mut()).is_ready());
    }
}
