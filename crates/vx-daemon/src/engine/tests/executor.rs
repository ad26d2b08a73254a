//! An executor that does not start processes: their effect is a function of the request. Runs can be held at a gate.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use vx_proto::{Dispatch, ExecuteEvent, ExecuteRequest, ExecuteResult, Observation, WireError};

use super::memory::Memory;
use crate::engine::{ExecuteEvents, Executor};

/// What a process does.
pub(super) trait Behaviour: Fn(&ExecuteRequest, &Memory) -> ExecuteResult + Send + Sync + 'static {}

impl<F: Fn(&ExecuteRequest, &Memory) -> ExecuteResult + Send + Sync + 'static> Behaviour for F {}

/// An executor without processes.
pub(super) struct FakeExecutor {
    memory: Arc<Memory>,
    behaviour: Box<dyn Behaviour>,
    /// What was run, in order.
    requests: Mutex<Vec<ExecuteRequest>>,
    /// Each run takes a permit; a closed gate has none.
    gate: Arc<Semaphore>,
    running: watch::Sender<usize>,
    dropped: Arc<AtomicUsize>,
}

impl Debug for FakeExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeExecutor").finish_non_exhaustive()
    }
}

/// More than any test runs.
const OPEN: usize = 1000;

impl FakeExecutor {
    pub(super) fn new(memory: Arc<Memory>, behaviour: impl Behaviour) -> Self {
        Self {
            memory,
            behaviour: Box::new(behaviour),
            requests: Mutex::default(),
            gate: Arc::new(Semaphore::new(OPEN)),
            running: watch::Sender::new(0),
            dropped: Arc::default(),
        }
    }

    /// Prevents processes from ending.
    pub(super) fn close_gate(&self) {
        self.gate.forget_permits(OPEN);
    }

    /// Lets all processes end.
    pub(super) fn open_gate(&self) {
        self.gate.add_permits(OPEN);
    }

    /// Waits until this many processes were started in total.
    pub(super) async fn started(&self, number: usize) {
        let mut running = self.running.subscribe();
        running.wait_for(|started| *started >= number).await.unwrap();
    }

    /// What was run since the last call.
    pub(super) fn take_requests(&self) -> Vec<ExecuteRequest> {
        std::mem::take(&mut self.requests.lock())
    }

    /// How many processes were cancelled.
    pub(super) fn cancelled(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }
}

/// Counts a run that is dropped before its end.
struct Process {
    has_ended: bool,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended {
            self.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Executor for FakeExecutor {
    async fn uncontained(&self) -> Result<Option<String>, WireError> {
        Ok(None)
    }

    async fn execute(&self, request: ExecuteRequest, _dispatch: Dispatch) -> Result<ExecuteEvents, WireError> {
        let missing: Vec<_> = request
            .inputs
            .iter()
            .map(|input| input.digest)
            .filter(|digest| self.memory.get(*digest).is_none())
            .collect();
        if !missing.is_empty() {
            return Ok(futures::stream::iter([Ok(ExecuteEvent::MissingInputs(missing))]).boxed());
        }
        self.requests.lock().push(request.clone());
        let started = ExecuteEvent::Started {
            pid: 1,
            stamp_ns: now_ns(),
        };
        let result = (self.behaviour)(&request, &self.memory);
        let process = Process {
            has_ended: false,
            dropped: self.dropped.clone(),
        };
        let gate = self.gate.clone();
        self.running.send_modify(|running| *running += 1);
        let end = async move {
            let mut process = process;
            let _permit = gate.acquire().await;
            process.has_ended = true;
            Ok(ExecuteEvent::Finished(result))
        };
        let events = futures::stream::iter([Ok(started)]).chain(futures::stream::once(end));
        Ok(events.boxed())
    }
}

/// A process that has succeeded without outputs.
pub(super) fn success() -> ExecuteResult {
    ExecuteResult {
        exit_code: Some(0),
        signal: None,
        files: Vec::new(),
        inline: Vec::new(),
        trees: Vec::new(),
        stdout: None,
        stderr: None,
        duration_ms: 1,
        network: false,
        services: false,
        left_view: false,
        observation: Observation::NotAsked,
    }
}

/// The time by the clock that stamps files.
fn now_ns() -> u64 {
    let stamped = tempfile::tempfile().unwrap().metadata().unwrap().modified().unwrap();
    let now = stamped.duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}
