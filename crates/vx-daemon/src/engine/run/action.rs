//! Looking an action up, running it, publishing its result.

use futures::StreamExt as _;
use vx_cargo::{CompileMode, UnitIndex};
use vx_model::{ActionResult, Input, InputSet, Key, KeyBuilder, KeyPart, Root, Roots};
use vx_proto::{
    BuildEvent, ErrorKind, ExecClient, ExecuteEvent, ExecuteRequest, ExecuteResult, Explanation, Observation, Outcome,
    Process, WireError,
};

use super::Run;
use crate::engine::environment::Environment;
use crate::engine::exec_roots::ExecRootPlace;
use crate::engine::explain::differences;
use crate::engine::files::touched_since;
use crate::engine::keys::strong_key;
use crate::engine::observed::{Seen, interpret};
use crate::engine::progress::Stop;
use crate::engine::questions::{World, absolute, touched_below};
use crate::engine::store::unavailable;

/// An action ready to be looked up.
pub(super) struct Action {
    /// The unit that it is of.
    pub(super) unit: UnitIndex,
    /// Everything known before running.
    pub(super) weak: KeyBuilder,
    /// The environment of the process, as far as questions may ask for it.
    pub(super) environment: Environment,
}

/// What a process did, when it succeeded.
pub(super) struct Done {
    /// How it ended.
    pub(super) result: ExecuteResult,
    /// The file system's time just before it started, in nanoseconds since the Unix epoch.
    pub(super) started_ns: i128,
}

impl Run {
    /// The stored result of `action` and its key, if there is one that holds here.
    pub(super) async fn look_up(&self, action: &Action) -> Result<Option<(Key, ActionResult)>, Stop> {
        let weak = action.weak.key();
        for set in self.engine.store.input_sets(weak).await? {
            let answers = self.ask(&set, &action.environment);
            let strong = strong_key(weak, &set, &answers);
            tracing::debug!(unit = action.unit, parts = ?strong.parts(), "looking up");
            if let Some(result) = self.engine.store.get_result(strong.key()).await? {
                self.note(action, &set, &answers, &strong, Outcome::Cached).await;
                return Ok(Some((strong.key(), result)));
            }
        }
        Ok(None)
    }

    /// Publishes the result of `action` under what it really depended on, unless something of that was changed
    /// meanwhile. `publish` is false for results that must not be found again, the reason having been told. Answers the key
    /// of what was published.
    pub(super) async fn publish(
        &self,
        action: &Action,
        set: InputSet,
        started_ns: i128,
        result: ActionResult,
        publish: bool,
    ) -> Result<Option<Key>, Stop> {
        let answers = self.ask(&set, &action.environment);
        let weak = action.weak.key();
        let strong = strong_key(weak, &set, &answers);
        self.note(action, &set, &answers, &strong, Outcome::Ran).await;
        if let Some(path) = self.changed_since(&set, started_ns) {
            tracing::info!(path, "changed while it was being read: the result is used but not kept");
            self.ledger().unsettled = true;
            return Ok(None);
        }
        if publish {
            self.engine.store.put_result(weak, set, strong.key(), result).await?;
        }
        Ok(publish.then(|| strong.key()))
    }

    /// Runs a process; `on_event` sees its output and its early artifacts.
    pub(super) async fn execute(
        &self,
        unit: UnitIndex,
        request: ExecuteRequest,
        mut on_event: impl FnMut(ExecuteEvent) + Send,
    ) -> Result<Done, Stop> {
        let _job = match &self.jobs {
            Some(jobs) => jobs.acquire().await.ok(),
            None => None,
        };
        if self.is_ending() {
            return Err(Stop::Skipped);
        }
        self.let_clock_tick().await;
        let _connection = self.engine.executions.acquire().await;
        let session = self.engine.services.exec().await?;
        let client = ExecClient::new(session.rpc());
        let process = process(&request);
        let gone = |error: &vx_transport::CallError| Stop::Failed(unavailable("the executor", error));
        let events = session.stream(async move { client.execute(request).await }).await;
        let mut events = std::pin::pin!(events.map_err(|error| gone(&error))?);
        let mut started_ns = 0;
        while let Some(event) = events.next().await {
            match event.map_err(|error| gone(&error))? {
                ExecuteEvent::Started { stamp_ns, .. } => {
                    started_ns = i128::from(stamp_ns);
                    let label = self.plan.label(unit, &self.setting.roots);
                    let process = process.clone();
                    let verb = match self.plan.units[unit].compile_mode() {
                        Some(CompileMode::Document) => "Documenting",
                        Some(mode) if mode.is_check() => "Checking",
                        _ => "Compiling",
                    };
                    self.tell(BuildEvent::UnitStarted {
                        unit: unit as u32,
                        label,
                        verb: verb.to_owned(),
                        process,
                    });
                }
                ExecuteEvent::Finished(result) => return Ok(Done { result, started_ns }),
                ExecuteEvent::Failed(error) => return Err(Stop::Failed(error)),
                ExecuteEvent::MissingInputs(_) => return Err(Stop::Hole),
                other => on_event(other),
            }
        }
        let message = "the executor of vx ended a run without saying how";
        Err(Stop::Failed(WireError::new(ErrorKind::Unavailable, message)))
    }

    /// What an observation means; none where the process could not be observed, which is told.
    pub(super) fn observed(&self, observation: &Observation) -> Option<Seen> {
        match observation {
            Observation::NotAsked => Some(Seen::default()),
            Observation::Complete(accesses) => Some(interpret(accesses, &self.setting.roots)),
            Observation::Incomplete(reason) => {
                self.engine.warn_unobserved(reason, &self.setting.events);
                None
            }
        }
    }

    /// The places of a process that runs in `exec_root`.
    pub(super) fn roots_with(&self, exec_root: &ExecRootPlace) -> Roots {
        self.setting.roots.clone().with(Root::Exec, exec_root.path().as_str())
    }

    fn ask(&self, set: &InputSet, environment: &Environment) -> Vec<String> {
        let environment = |name: &str| environment.get(name).cloned();
        let world = World {
            roots: &self.setting.roots,
            files: &self.engine.files,
            environment: &environment,
        };
        // Asking reads files; the other tasks of this thread go on elsewhere meanwhile.
        tokio::task::block_in_place(|| world.answers(set))
    }

    /// Notes what the action stands on and why it ran, if it did.
    async fn note(&self, action: &Action, set: &InputSet, answers: &[String], strong: &KeyBuilder, outcome: Outcome) {
        let name = self.unit_name(action.unit);
        let parts: Vec<KeyPart> = action.weak.parts().iter().chain(strong.parts()).cloned().collect();
        let reasons = match outcome {
            Outcome::Ran => self.reasons(&name, &parts).await,
            Outcome::Cached | Outcome::Fresh => Vec::new(),
        };
        let mut ledger = self.ledger();
        for (input, answer) in set.inputs().iter().zip(answers) {
            if let Some(question) = absolute(input, &self.setting.roots) {
                ledger.note(question, answer.clone());
            }
        }
        ledger.parts.insert(name, parts);
        ledger.explanations.push(Explanation {
            label: self.plan.label(action.unit, &self.setting.roots),
            outcome,
            reasons,
        });
    }

    async fn reasons(&self, name: &str, parts: &[KeyPart]) -> Vec<String> {
        match self
            .engine
            .last_parts(self.setting.roots.dir(Root::Workspace), name)
            .await
        {
            None => vec!["it was never built in this workspace, and the store has no result for it".to_owned()],
            Some(before) => {
                let reasons = differences(&before, parts);
                if reasons.is_empty() {
                    vec!["nothing of it changed, but the store has no result for it any more".to_owned()]
                } else {
                    reasons
                }
            }
        }
    }

    /// The unit's name for explanations, equal when its features or its profile change.
    fn unit_name(&self, unit: UnitIndex) -> String {
        let planned = &self.plan.units[unit];
        let package = &self.plan.packages[planned.package];
        let platform = planned.platform.as_deref().unwrap_or("host");
        let target = &planned.target;
        let kind = target.kind.join("+");
        format!(
            "{} {} {kind} {} {platform} {:?}",
            package.name, package.version, target.name, planned.kind
        )
    }

    fn changed_since(&self, set: &InputSet, started_ns: i128) -> Option<String> {
        set.inputs().iter().find_map(|input| {
            let path = |place| self.setting.roots.absolute(place);
            match input {
                Input::File(place) | Input::Listing(place) => {
                    Some(path(place)).filter(|path| touched_since(path.as_ref(), started_ns))
                }
                Input::Tree(place) => touched_below(&path(place), started_ns),
                Input::Kind(_) | Input::Ancestors(_) | Input::Env(_) | Input::Location(_) => None,
            }
        })
    }
}

/// What a client is told of a process.
fn process(request: &ExecuteRequest) -> Process {
    Process {
        working_directory: request.working_directory.clone(),
        arguments: request.arguments.clone(),
        environment: request.environment.clone(),
    }
}
