//! From an action to its result: looked up, or run and published.
//!
//! What depends on the kind of action (what a result stands for, what a run depended on) is in a [`Step`].

use std::sync::Arc;

use futures::StreamExt as _;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OnceCell, OwnedMutexGuard, Semaphore};
use vx_model::{Action, ActionResult, InputSet, Key, Roots};
use vx_proto::{BuildEvent, Dispatch, ErrorKind, ExecuteEvent, ExecuteRequest, ExecuteResult, Outcome, WireError};

use super::grants::{Denied, Grants};
use super::localize::localize;
use super::{Again, Flights, Stop, Surroundings};
use crate::engine::doors::{ActionCache, Doors, Executor};
use crate::engine::inputs::{FileDigests, Noted, World, changed_since, environment_answer};

/// How many actions may wait for the executor at once; each may hold a connection.
const WAITING: usize = 64;

/// What depends on the kind of an action. Methods are called in the order of declaration.
pub(crate) trait Step: Send {
    /// Whether a stored result can replace a run here. If so, restores the effects of the run.
    fn restore(&mut self, strong: Key, result: &ActionResult) -> impl Future<Output = Result<bool, Stop>> + Send;

    /// Waits until a process may be started, and returns the roots for it. Resources of the run are released in
    /// [`Step::conclude`], or when the step is dropped.
    fn start(&mut self) -> impl Future<Output = Result<Roots, Stop>> + Send;

    /// The process is running.
    fn started(&mut self, request: &ExecuteRequest);

    /// The process printed something, or produced an early output.
    fn on_event(&mut self, event: ExecuteEvent);

    /// Whether the process may have failed because it does not find directories where they are.
    fn may_have_missed_real_paths(&self) -> bool;

    /// The process has ended, successfully or not, and is not run again because of that.
    fn conclude(&mut self, ran: Ran) -> impl Future<Output = Result<Concluded, Stop>> + Send;

    /// Whether others already use an output of the run.
    fn is_used(&self) -> bool {
        false
    }

    /// Whether a result counts that lacks the output directory, because the place of the checkout decides that and nothing
    /// else. From now on, [`Step::restore`] takes such a result.
    fn may_lack_out_dir(&mut self) -> bool {
        false
    }
}

/// What came of a run.
#[derive(Debug)]
pub(crate) enum Concluded {
    /// What it depended on, and what to keep.
    Done(Box<Conclusion>),
    /// A path at which only contained processes find something shows in what was made. It does not count, but for what
    /// else is known of it: [`Step::may_lack_out_dir`].
    ShowsView(Option<Box<Conclusion>>),
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// How it ended.
    pub(crate) result: ExecuteResult,
    /// The file system's time shortly before the start, in nanoseconds since the Unix epoch.
    pub(crate) started_ns: i128,
    /// Paths that it tried to change and may not, if it failed.
    pub(crate) refused: Vec<String>,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Conclusion {
    /// What it depended on besides its action.
    pub(crate) inputs: InputSet,
    /// What was there when it used it.
    pub(crate) noted: Noted,
    /// Its outputs.
    pub(crate) result: ActionResult,
    /// False for a result that must not be published; the reason was reported.
    pub(crate) may_keep: bool,
}

/// What came of an action.
#[derive(Debug)]
pub(crate) enum Performed {
    /// It has a result.
    Made(Box<Made>),
    /// It has none yet: it failed, perhaps because it was denied these, or has to run at the real paths.
    Denied(Grants),
}

/// An action that has a result.
#[derive(Debug)]
pub(crate) struct Made {
    /// Whether it ran.
    pub(crate) outcome: Outcome,
    /// What the result depended on besides the action.
    pub(crate) inputs: InputSet,
    /// The current answers to these.
    pub(crate) answers: Vec<String>,
    /// The key of the action.
    pub(crate) weak: Key,
    /// The key of the result.
    pub(crate) strong: Key,
    /// The result.
    pub(crate) result: ActionResult,
    /// Whether it is stored under that key.
    pub(crate) is_kept: bool,
    /// Whether one of its inputs changed meanwhile, or is not known.
    pub(crate) is_unsettled: bool,
}

/// Performs actions for all builds. Equal actions in flight run once.
#[derive(Debug)]
pub(crate) struct Actions {
    executor: Arc<dyn Executor>,
    cache: Arc<dyn ActionCache>,
    files: Arc<FileDigests>,
    flights: Flights,
    waiting: Semaphore,
    /// Whether actions can be contained, once that is known.
    can_contain: OnceCell<bool>,
}

impl Actions {
    /// Uses `doors` for lookups and runs.
    pub(crate) fn new(doors: &Doors, files: Arc<FileDigests>) -> Self {
        Self {
            executor: doors.executor.clone(),
            cache: doors.cache.clone(),
            files,
            flights: Flights::default(),
            waiting: Semaphore::new(WAITING),
            can_contain: OnceCell::new(),
        }
    }

    /// Whether actions can be contained here. If not, the user is told once.
    pub(crate) async fn can_contain(&self, events: &UnboundedSender<BuildEvent>) -> Result<bool, Stop> {
        let asked = self.can_contain.get_or_try_init(async || {
            let refusal = self.executor.uncontained().await?;
            if let Some(reason) = &refusal {
                let text = format!(
                    "warning: this machine refuses to contain build scripts and macros ({reason}): they can read and \
                     change everything that you can"
                );
                let _ = events.send(BuildEvent::Warning(text));
            }
            Ok::<bool, WireError>(refusal.is_none())
        });
        Ok(*asked.await?)
    }

    /// Waits until no equal action is performed, and keeps others from it.
    pub(crate) async fn enter<'a>(&'a self, action: &'a Action, surroundings: &'a Surroundings) -> Entered<'a> {
        let weak = action.key();
        Entered {
            actions: self,
            action,
            surroundings,
            weak,
            _flight: self.flights.enter(weak).await,
        }
    }

    async fn execute(&self, request: ExecuteRequest, dispatch: Dispatch, step: &mut impl Step) -> Result<Ran, Stop> {
        let _waiting = self.waiting.acquire().await;
        let mut events = self.executor.execute(request.clone(), dispatch).await?;
        let mut started_ns = 0;
        while let Some(event) = events.next().await {
            match event? {
                ExecuteEvent::Started { stamp_ns, .. } => {
                    started_ns = i128::from(stamp_ns);
                    step.started(&request);
                }
                ExecuteEvent::Finished(result) => {
                    return Ok(Ran {
                        result,
                        started_ns,
                        refused: Vec::new(),
                    });
                }
                ExecuteEvent::Failed(error) => return Err(Stop::Failed(error)),
                ExecuteEvent::MissingInputs(_) => return Err(Stop::Again(Again::MissingBlob)),
                other => step.on_event(other),
            }
        }
        let message = "the executor did not report how a process ended";
        Err(Stop::Failed(WireError::new(ErrorKind::Unavailable, message)))
    }
}

/// An action that is looked up or run; no equal one is meanwhile.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    actions: &'a Actions,
    action: &'a Action,
    surroundings: &'a Surroundings,
    weak: Key,
    _flight: OwnedMutexGuard<()>,
}

impl Entered<'_> {
    /// A stored result, whose effects are restored.
    pub(crate) async fn look_up(&self, step: &mut impl Step) -> Result<Option<Made>, Stop> {
        let (cache, weak) = (&self.actions.cache, self.weak);
        for inputs in cache.input_sets(weak).await? {
            let answers = self.ask(&inputs);
            let strong = Key::strong(weak, &inputs, &answers);
            let Some(result) = cache.get_result(strong).await? else {
                continue;
            };
            if step.restore(strong, &result).await? {
                return Ok(Some(Made {
                    outcome: Outcome::Cached,
                    inputs,
                    answers,
                    weak,
                    strong,
                    result,
                    is_kept: true,
                    is_unsettled: false,
                }));
            }
        }
        Ok(None)
    }

    /// Runs it and publishes the result. Dropping the future cancels the run.
    pub(crate) async fn run(&self, dispatch: Dispatch, step: &mut impl Step) -> Result<Performed, Stop> {
        let Self {
            actions,
            action,
            surroundings,
            ..
        } = self;
        let roots = step.start().await?;
        let request = localize(action, surroundings, &roots);
        let mut ran = actions.execute(request, dispatch, step).await?;
        let mut denied = Denied::of(action, &ran.result, &roots, &surroundings.environment);
        if action.view().is_some() && ran.result.exit_code != Some(0) {
            denied.grants.real_paths |= step.may_have_missed_real_paths();
        }
        if !denied.grants.is_empty() {
            return Ok(Performed::Denied(denied.grants));
        }
        ran.refused = denied.refused;
        let started_ns = ran.started_ns;
        let asked_others = ran.result.services;
        let mut conclusion = match step.conclude(ran).await? {
            Concluded::Done(conclusion) => *conclusion,
            Concluded::ShowsView(rest) => {
                if let Some(rest) = rest.filter(|_| !asked_others) {
                    self.publish(started_ns, *rest).await?;
                }
                return Ok(Performed::Denied(Grants::real_paths()));
            }
        };
        if asked_others {
            tracing::info!("an action asked another process, whose answers are not known: the result is not stored");
            conclusion.may_keep = false;
        }
        let mut made = self.publish(started_ns, conclusion).await?;
        // It might answer otherwise in the next build.
        made.is_unsettled |= asked_others;
        Ok(Performed::Made(Box::new(made)))
    }

    /// Publishes a result under what it really depended on, with the current answers, unless an input changed since the
    /// process started.
    async fn publish(&self, started_ns: i128, conclusion: Conclusion) -> Result<Made, Stop> {
        let Conclusion {
            inputs,
            noted,
            result,
            may_keep,
        } = conclusion;
        let weak = self.weak;
        let roots = &self.surroundings.roots;
        let answers = self.ask(&inputs);
        let strong = Key::strong(weak, &inputs, &answers);
        let changed = tokio::task::block_in_place(|| {
            let noted = || noted.changed(started_ns).map(ToString::to_string);
            changed_since(&inputs, roots, started_ns).or_else(noted)
        });
        if let Some(path) = &changed {
            tracing::info!(
                path,
                "changed while it was being read: the result is used but not stored"
            );
        }
        let is_kept = may_keep && changed.is_none();
        if is_kept {
            let cache = &self.actions.cache;
            cache.put_result(weak, inputs.clone(), strong, result.clone()).await?;
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

    fn ask(&self, inputs: &InputSet) -> Vec<String> {
        let Self {
            action, surroundings, ..
        } = self;
        let world = World {
            roots: &surroundings.roots,
            files: &self.actions.files,
            variable: &|name| surroundings.variable(action, name).cloned(),
            environment: &|| environment_answer(surroundings.found_by(action)),
        };
        // Answering reads files; the other tasks of this thread continue elsewhere meanwhile.
        tokio::task::block_in_place(|| world.answers(inputs))
    }
}
