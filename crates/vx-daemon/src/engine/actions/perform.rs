//! From an action to its result: looked up, or run and published.
//!
//! What only one kind of action knows (what a result stands for, what a run depended on) is told by a [`Step`].

use std::sync::Arc;

use futures::StreamExt as _;
use tokio::sync::Semaphore;
use vx_model::{Action, ActionResult, InputSet, Key, Roots};
use vx_proto::{Dispatch, ErrorKind, ExecuteEvent, ExecuteRequest, ExecuteResult, Outcome, WireError};

use super::localise::localise;
use super::{Flights, Stop, Surroundings};
use crate::engine::doors::{ActionCache, Doors, Executor};
use crate::engine::inputs::{FileDigests, World, changed_since};

/// Actions that may wait for the executor at once; each may hold a connection.
const WAITING: usize = 64;

/// What a kind of action knows of its actions. Its methods are called in the order in which they stand here.
pub(crate) trait Step: Send {
    /// Whether a stored result can stand for a run here. Lays down what it stands for.
    fn restore(&mut self, strong: Key, result: &ActionResult) -> impl Future<Output = Result<bool, Stop>> + Send;

    /// Waits until a process may be started, and answers where it finds all roots. What is held for the run is let go in
    /// [`Step::conclude`], or when the step is dropped.
    fn start(&mut self) -> impl Future<Output = Result<Roots, Stop>> + Send;

    /// The process runs.
    fn started(&mut self, request: &ExecuteRequest);

    /// What it prints, and its early outputs.
    fn on_event(&mut self, event: ExecuteEvent);

    /// It has ended, well or not: what it depended on, and what of it is to be kept.
    fn conclude(&mut self, ran: Ran) -> impl Future<Output = Result<Conclusion, Stop>> + Send;
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How.
    pub(crate) result: ExecuteResult,
    /// The file system's time just before it started, in nanoseconds since the Unix epoch.
    pub(crate) started_ns: i128,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Conclusion {
    /// What it depended on beside its action.
    pub(crate) inputs: InputSet,
    /// What it left.
    pub(crate) result: ActionResult,
    /// False for a result that must not be found again, the reason having been told.
    pub(crate) may_keep: bool,
}

/// An action that has a result.
#[derive(Debug)]
pub(crate) struct Made {
    /// Whether it ran.
    pub(crate) outcome: Outcome,
    /// What the result depended on beside the action.
    pub(crate) inputs: InputSet,
    /// The answers to these here and now.
    pub(crate) answers: Vec<String>,
    /// The key of the action.
    pub(crate) weak: Key,
    /// The key of the result.
    pub(crate) strong: Key,
    /// The result.
    pub(crate) result: ActionResult,
    /// Whether it is found under that key.
    pub(crate) is_kept: bool,
    /// Whether something that it was made from was changed meanwhile.
    pub(crate) is_unsettled: bool,
}

/// Performs actions for all builds. Equal ones in flight run once.
#[derive(Debug)]
pub(crate) struct Actions {
    executor: Arc<dyn Executor>,
    cache: Arc<dyn ActionCache>,
    files: Arc<FileDigests>,
    flights: Flights,
    waiting: Semaphore,
}

impl Actions {
    /// Looks up and runs through `doors`.
    pub(crate) fn new(doors: &Doors, files: Arc<FileDigests>) -> Self {
        Self {
            executor: doors.executor.clone(),
            cache: doors.cache.clone(),
            files,
            flights: Flights::default(),
            waiting: Semaphore::new(WAITING),
        }
    }

    /// Finds the result of `action`, or makes and publishes it. Dropping the future cancels what runs.
    pub(crate) async fn perform(
        &self,
        action: &Action,
        surroundings: &Surroundings,
        dispatch: Dispatch,
        step: &mut impl Step,
    ) -> Result<Made, Stop> {
        let weak = action.key();
        let _flight = self.flights.enter(weak).await;
        for inputs in self.cache.input_sets(weak).await? {
            let answers = self.ask(&inputs, action, surroundings);
            let strong = Key::strong(weak, &inputs, &answers);
            let Some(result) = self.cache.get_result(strong).await? else {
                continue;
            };
            if step.restore(strong, &result).await? {
                return Ok(Made {
                    outcome: Outcome::Cached,
                    inputs,
                    answers,
                    weak,
                    strong,
                    result,
                    is_kept: true,
                    is_unsettled: false,
                });
            }
        }
        let roots = step.start().await?;
        let ran = self.run(localise(action, surroundings, &roots), dispatch, step).await?;
        let started_ns = ran.started_ns;
        let conclusion = step.conclude(ran).await?;
        let answers = self.ask(&conclusion.inputs, action, surroundings);
        self.publish(weak, &surroundings.roots, started_ns, conclusion, answers)
            .await
    }

    async fn run(&self, request: ExecuteRequest, dispatch: Dispatch, step: &mut impl Step) -> Result<Ran, Stop> {
        let _waiting = self.waiting.acquire().await;
        let mut events = self.executor.execute(request.clone(), dispatch).await?;
        let mut started_ns = 0;
        while let Some(event) = events.next().await {
            match event? {
                ExecuteEvent::Started { stamp_ns, .. } => {
                    started_ns = i128::from(stamp_ns);
                    step.started(&request);
                }
                ExecuteEvent::Finished(result) => return Ok(Ran { result, started_ns }),
                ExecuteEvent::Failed(error) => return Err(Stop::Failed(error)),
                ExecuteEvent::MissingInputs(_) => return Err(Stop::MissingBlob),
                other => step.on_event(other),
            }
        }
        let message = "the executor did not report how a process ended";
        Err(Stop::Failed(WireError::new(ErrorKind::Unavailable, message)))
    }

    /// Publishes a result under what it really depended on, with the `answers` of here and now, unless something of that
    /// was changed since the process started.
    async fn publish(
        &self,
        weak: Key,
        roots: &Roots,
        started_ns: i128,
        conclusion: Conclusion,
        answers: Vec<String>,
    ) -> Result<Made, Stop> {
        let Conclusion {
            inputs,
            result,
            may_keep,
        } = conclusion;
        let strong = Key::strong(weak, &inputs, &answers);
        let changed = tokio::task::block_in_place(|| changed_since(&inputs, roots, started_ns));
        if let Some(path) = &changed {
            tracing::info!(path, "changed while it was being read: the result is used but not kept");
        }
        let is_kept = may_keep && changed.is_none();
        if is_kept {
            self.cache
                .put_result(weak, inputs.clone(), strong, result.clone())
                .await?;
        }
        Ok(Made {
            outcome: Outcome::Ran,
            inputs,
            answers,
            weak,
            strong,
            result,
            is_kept,
            is_unsettled: changed.is_some(),
        })
    }

    fn ask(&self, inputs: &InputSet, action: &Action, surroundings: &Surroundings) -> Vec<String> {
        let world = World {
            roots: &surroundings.roots,
            files: &self.files,
            variable: &|name| surroundings.variable(action, name).cloned(),
        };
        // Asking reads files; the other tasks of this thread go on elsewhere meanwhile.
        tokio::task::block_in_place(|| world.answers(inputs))
    }
}
