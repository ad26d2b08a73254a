//! The job budget: how many processes run at once on this machine, and which action is next.
//!
//! Every running action holds one token of a GNU make jobserver; rustc, make and others take the remaining tokens for
//! their own threads and children through the jobserver's pipe. Waiting actions are served by priority, and with equal
//! priority in the order of arrival.
//!
//! A killed child loses the tokens that it had drawn from the pipe, and nobody knows how many. So the pipe is replaced
//! after such a death. Later actions use a new one, and tokens that return to the old one are moved over. Once the old
//! pipe's last action has ended, the tokens that never returned are replaced.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use jobserver::{Acquired, Client};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// The budget of the machine. Dropping it rejects waiting actions.
#[derive(Debug)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

/// No more jobs are available: execd is shutting down, or the jobserver's pipe broke.
#[derive(Debug, thiserror::Error)]
#[error("the job budget is closed")]
pub(crate) struct BudgetClosed;

/// The right to run one process; returned when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    shared: Arc<Shared>,
    pool: PoolId,
    token: Option<Acquired>,
    lossy: bool,
}

/// What a child needs to reach the jobserver.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jobserver {
    /// Variables for its environment, as Cargo sets them.
    pub(crate) environment: Vec<(String, String)>,
    /// Descriptors that it must inherit, under the same numbers.
    pub(crate) descriptors: Vec<RawFd>,
}

/// How busy the budget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Permits given out.
    pub(crate) running: usize,
    /// Actions that wait for one.
    pub(crate) waiting: usize,
}

type PoolId = u64;

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Waiting actions, and perhaps some that have given up.
    waiting: BinaryHeap<Waiter>,
    arrivals: u64,
    running: usize,
    /// The pipe that new actions use; all others are retired.
    current: PoolId,
    pools: BTreeMap<PoolId, Pool>,
    closed: bool,
}

/// One jobserver pipe.
#[derive(Debug)]
struct Pool {
    client: Client,
    /// Tokens that belong to this pipe, wherever they are.
    tokens: usize,
    /// Actions that hold a permit of it.
    users: usize,
}

#[derive(Debug)]
struct Waiter {
    rank: (u64, Reverse<u64>),
    grant: oneshot::Sender<Permit>,
}

impl PartialEq for Waiter {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Waiter {}

impl PartialOrd for Waiter {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiter {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl Budget {
    /// A budget of `jobs` parallel processes; at least one.
    pub(crate) fn new(jobs: usize) -> io::Result<Self> {
        let jobs = jobs.max(1);
        let client = Client::new(jobs)?;
        let pool = Pool {
            client,
            tokens: jobs,
            users: 0,
        };
        let state = State {
            waiting: BinaryHeap::new(),
            arrivals: 0,
            running: 0,
            current: 0,
            pools: BTreeMap::from([(0, pool)]),
            closed: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        shared.serve_pool(0)?;
        Ok(Self { shared })
    }

    /// Waits for a job; the largest priority is served first. Dropping the future leaves the queue.
    pub(crate) async fn acquire(&self, priority: u64) -> Result<Permit, BudgetClosed> {
        let (grant, granted) = oneshot::channel();
        {
            let mut state = self.shared.lock();
            if state.closed {
                return Err(BudgetClosed);
            }
            let rank = (priority, Reverse(state.arrivals));
            state.arrivals += 1;
            state.waiting.push(Waiter { rank, grant });
        }
        self.shared.changed.notify_all();
        granted.await.map_err(|_| BudgetClosed)
    }

    /// How busy it is.
    pub(crate) fn load(&self) -> Load {
        let state = self.shared.lock();
        Load {
            running: state.running,
            waiting: state.waiting.iter().filter(|waiter| !waiter.grant.is_closed()).count(),
        }
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.waiting.clear();
        for pool in state.pools.values() {
            // Wakes the thread that may be reading the pipe, which is not used from here on.
            let _ = pool.client.release_raw();
        }
        self.shared.changed.notify_all();
    }
}

impl Permit {
    /// Notes that the action was killed, so tokens may be lost.
    pub(crate) fn set_lossy(&mut self) {
        self.lossy = true;
    }

    /// What the action's process needs to share the budget.
    pub(crate) fn jobserver(&self) -> Jobserver {
        let state = self.shared.lock();
        state
            .pools
            .get(&self.pool)
            .map(|pool| describe(&pool.client))
            .unwrap_or_default()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // Returned under the lock: a thread that sees `users` fall to zero also sees the token in the pipe.
        self.token = None;
        state.running -= 1;
        let Some(pool) = state.pools.get_mut(&self.pool) else {
            return;
        };
        pool.users -= 1;
        let replaceable = self.lossy && pool.users > 0 && self.pool == state.current;
        if replaceable && let Err(error) = self.shared.replace_pool(&mut state) {
            tracing::warn!(%error, "the job tokens of a killed action are lost until no action runs");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Retires the current pipe and starts an empty one, which is filled with tokens that return to the retired one.
    fn replace_pool(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let id = state.current + 1;
        let pool = Pool {
            client: Client::new(0)?,
            tokens: 0,
            users: 0,
        };
        state.pools.insert(id, pool);
        if let Err(error) = self.serve_pool(id) {
            state.pools.remove(&id);
            return Err(error);
        }
        state.current = id;
        self.changed.notify_all();
        Ok(())
    }

    /// Starts the thread that draws tokens from a pipe.
    fn serve_pool(self: &Arc<Self>, id: PoolId) -> io::Result<()> {
        let shared = self.clone();
        let name = format!("jobs {id}");
        std::thread::Builder::new()
            .name(name)
            .spawn(move || shared.draw_tokens(id))
            .map(drop)
    }

    fn draw_tokens(self: &Arc<Self>, id: PoolId) {
        while let Some(client) = self.wait_for_need(id) {
            let token = match client.acquire() {
                Ok(token) => token,
                Err(error) => {
                    tracing::error!(%error, "the jobserver's pipe broke");
                    self.lock().waiting.clear();
                    return;
                }
            };
            let state = self.lock();
            if state.closed {
                return;
            }
            if state.current == id {
                self.hand_out(state, id, token);
            } else if move_over(state, id, token) {
                return;
            }
        }
    }

    /// Waits until a token of this pipe is requested, by an action or because the pipe is retired. `None` at the end.
    fn wait_for_need(&self, id: PoolId) -> Option<Client> {
        let idle = |state: &mut State| !state.closed && state.current == id && state.waiting.is_empty();
        let mut state = self.lock();
        self.changed.wait_while(&mut state, idle);
        let pool = state.pools.get(&id).filter(|_| !state.closed)?;
        Some(pool.client.clone())
    }

    /// Gives a token to the first in the queue, or back to the pipe if all have given up.
    fn hand_out(self: &Arc<Self>, mut state: MutexGuard<'_, State>, id: PoolId, token: Acquired) {
        let Some(pool) = state.pools.get_mut(&id) else { return };
        if pool.users == 0 {
            pool.settle();
        }
        let first = loop {
            match state.waiting.pop() {
                Some(waiter) if waiter.grant.is_closed() => {}
                first => break first,
            }
        };
        let Some(waiter) = first else { return };
        state.running += 1;
        if let Some(pool) = state.pools.get_mut(&id) {
            pool.users += 1;
        }
        // A permit takes the lock when it is dropped, which happens here if the waiter gave up just now.
        drop(state);
        let _ = waiter.grant.send(Permit {
            shared: self.clone(),
            pool: id,
            token: Some(token),
            lossy: false,
        });
    }
}

/// Moves a token of a retired pipe to the current one; returns whether the pipe is finished.
fn move_over(mut state: MutexGuard<'_, State>, id: PoolId, token: Acquired) -> bool {
    token.drop_without_releasing();
    let Some(pool) = state.pools.get_mut(&id) else {
        return true;
    };
    let done = pool.users == 0;
    let moved = if done { pool.tokens } else { 1 };
    pool.tokens -= moved;
    if done {
        state.pools.remove(&id);
    }
    let current = state.current;
    if let Some(pool) = state.pools.get_mut(&current) {
        pool.tokens += moved;
        pool.write(moved);
    }
    done
}

impl Pool {
    /// Replaces lost tokens. Must be called when the caller holds a token and nobody else does.
    fn settle(&self) {
        let available = self.client.available().unwrap_or(self.tokens);
        self.write(self.tokens.saturating_sub(available + 1));
    }

    fn write(&self, tokens: usize) {
        for _ in 0..tokens {
            if let Err(error) = self.client.release_raw() {
                tracing::error!(%error, "cannot write to the jobserver's pipe");
            }
        }
    }
}

/// What `client` would configure in a child, read from a command that is never run: processes here are not started by
/// `std::process`, see [`crate::process`].
fn describe(client: &Client) -> Jobserver {
    let mut command = std::process::Command::new("");
    client.configure(&mut command);
    let environment: Vec<(String, String)> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value?.to_str()?.to_owned())))
        .collect();
    let descriptors = environment
        .iter()
        .flat_map(|(_, value)| value.split_whitespace())
        .filter_map(|argument| argument.strip_prefix("--jobserver-auth="))
        .flat_map(|pair| pair.split(','))
        .filter_map(|number| number.parse().ok())
        .collect();
    Jobserver {
        environment,
        descriptors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws tokens as a child would.
    fn client(permit: &Permit) -> Client {
        permit.shared.lock().pools[&permit.pool].client.clone()
    }

    fn available(permit: &Permit) -> usize {
        client(permit).available().unwrap()
    }

    #[tokio::test]
    async fn each_permit_takes_one_token_and_gives_it_back() {
        let budget = Budget::new(3).unwrap();
        let first = budget.acquire(0).await.unwrap();
        let second = budget.acquire(0).await.unwrap();
        assert_eq!(available(&first), 1);
        drop(second);
        assert_eq!(available(&first), 2);
        assert_eq!(budget.load(), Load { running: 1, waiting: 0 });
    }

    #[tokio::test]
    async fn the_largest_priority_is_served_first_and_equals_by_arrival() {
        let budget = Budget::new(1).unwrap();
        let running = budget.acquire(0).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiters = futures::stream::FuturesUnordered::new();
        for (name, priority) in [("low", 1), ("high", 9), ("high too", 9), ("middle", 5)] {
            let (order, budget) = (order.clone(), &budget);
            let mut waiter = Box::pin(async move {
                let permit = budget.acquire(priority).await.unwrap();
                order.lock().push(name);
                drop(permit);
            });
            // Takes its place in the queue.
            assert!(futures::poll!(&mut waiter).is_pending());
            waiters.push(waiter);
        }
        assert_eq!(budget.load(), Load { running: 1, waiting: 4 });
        drop(running);
        while futures::StreamExt::next(&mut waiters).await.is_some() {}
        assert_eq!(*order.lock(), ["high", "high too", "middle", "low"]);
    }

    #[tokio::test]
    async fn who_gave_up_is_passed_over() {
        let budget = Budget::new(1).unwrap();
        let running = budget.acquire(0).await.unwrap();
        let mut quitter = Box::pin(budget.acquire(9));
        assert!(futures::poll!(&mut quitter).is_pending());
        let mut patient = Box::pin(budget.acquire(1));
        assert!(futures::poll!(&mut patient).is_pending());
        drop(quitter);
        drop(running);
        let permit = patient.await.unwrap();
        assert_eq!(available(&permit), 0);
    }

    #[tokio::test]
    async fn tokens_of_a_killed_child_come_back_when_nothing_runs() {
        let budget = Budget::new(4).unwrap();
        let mut permit = budget.acquire(0).await.unwrap();
        client(&permit).acquire_raw().unwrap();
        client(&permit).acquire_raw().unwrap();
        permit.set_lossy();
        drop(permit);
        let permit = budget.acquire(0).await.unwrap();
        assert_eq!(available(&permit), 3);
    }

    #[tokio::test]
    async fn tokens_of_a_killed_child_come_back_while_others_run() {
        let budget = Budget::new(4).unwrap();
        let survivor = budget.acquire(0).await.unwrap();
        let mut killed = budget.acquire(0).await.unwrap();
        // One token is lost with the killed child, one is held by the survivor's children.
        client(&killed).acquire_raw().unwrap();
        let extra = client(&survivor).acquire().unwrap();
        killed.set_lossy();
        drop(killed);
        // The free token serves the next action, from a new pipe.
        let next = budget.acquire(0).await.unwrap();
        assert_ne!(next.pool, survivor.pool);
        drop(extra);
        drop(survivor);
        // All four are there again: three besides the one that `next` holds.
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(budget.acquire(0).await.unwrap());
        }
        assert_eq!(available(&next), 0);
        assert_eq!(budget.shared.lock().pools.len(), 1);
    }

    #[tokio::test]
    async fn a_closed_budget_turns_waiters_away() {
        let budget = Budget::new(1).unwrap();
        let running = budget.acquire(0).await.unwrap();
        let shared = budget.shared.clone();
        let waiter = tokio::spawn({
            let budget = Budget { shared };
            async move { budget.acquire(0).await.map(drop) }
        });
        drop(budget);
        assert!(waiter.await.unwrap().is_err());
        drop(running);
    }

    #[tokio::test]
    async fn children_are_told_as_cargo_tells_them() {
        let budget = Budget::new(2).unwrap();
        let permit = budget.acquire(0).await.unwrap();
        let jobserver = permit.jobserver();
        let [read, write] = jobserver.descriptors[..] else {
            panic!("{jobserver:?}")
        };
        let value = format!("-j --jobserver-fds={read},{write} --jobserver-auth={read},{write}");
        assert_eq!(jobserver.environment, [("CARGO_MAKEFLAGS".to_owned(), value)]);
    }
}
