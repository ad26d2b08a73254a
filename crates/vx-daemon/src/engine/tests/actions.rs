//! Single actions: looked up, run, published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camino::Utf8PathBuf;
use vx_model::{Access, Action, ActionResult, Command, Input, InputSet, Key, Observation, Root, RootedPath, Roots};
use vx_proto::{Dispatch, ErrorKind, ExecuteEvent, ExecuteRequest, Outcome, WireError};

use super::doors;
use super::executor::{Behaviour, FakeExecutor, success};
use super::memory::Memory;
use crate::engine::ActionCache as _;
use crate::engine::actions::{Actions, Concluded, Conclusion, Made, Performed, Ran, Step, Stop, Surroundings};
use crate::engine::inputs::{FileDigests, Noted};

struct World {
    _directory: tempfile::TempDir,
    workspace: Utf8PathBuf,
    memory: Arc<Memory>,
    executor: Arc<FakeExecutor>,
    actions: Arc<Actions>,
}

impl World {
    fn new(behaviour: impl Behaviour) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let workspace = Utf8PathBuf::from_path_buf(directory.path().canonicalize().unwrap()).unwrap();
        let memory = Arc::new(Memory::default());
        let (doors, executor) = doors(&memory, behaviour);
        Self {
            _directory: directory,
            workspace,
            memory,
            executor,
            actions: Arc::new(Actions::new(&doors, Arc::new(FileDigests::default()))),
        }
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            roots: Roots::default().with(Root::Workspace, self.workspace.as_str()),
            environment: Arc::new(BTreeMap::from([("COLOUR".to_owned(), "red".into())])),
        }
    }

    /// Writes a file of the workspace. Its stamp is older than any process that starts afterwards.
    async fn write(&self, name: &str, text: &str) {
        std::fs::write(self.workspace.join(name), text).unwrap();
        // As a build does: file systems keep time in ticks.
        tokio::time::sleep(2 * crate::engine::inputs::CLOCK_TICK).await;
    }

    async fn perform(&self, step: &mut TestStep) -> Result<Made, Stop> {
        self.perform_in(&self.surroundings(), step).await
    }

    async fn perform_in(&self, surroundings: &Surroundings, step: &mut TestStep) -> Result<Made, Stop> {
        let action = action();
        let entered = self.actions.enter(&action, surroundings).await;
        if let Some(made) = entered.look_up(step).await? {
            return Ok(made);
        }
        match entered.run(dispatch(), step).await? {
            Performed::Made(made) => Ok(*made),
            Performed::Denied(grants) => panic!("denied {grants:?}"),
        }
    }

    /// Stores a result under `answers`.
    async fn publish(&self, inputs: &[Input], annotation: &[u8], answers: &[&str]) {
        let set = InputSet::new(inputs.to_vec());
        let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
        let weak = action().key();
        let strong = Key::strong(weak, &set, &answers);
        let result = ActionResult {
            annotation: annotation.to_vec(),
            ..ActionResult::default()
        };
        self.memory.put_result(weak, set, strong, result).await.unwrap();
    }
}

fn action() -> Action {
    Action {
        kind: "test".to_owned(),
        command: Command {
            arguments: vec!["true".into()],
            environment: BTreeMap::new(),
            working_directory: RootedPath::new(Root::Workspace, ""),
            outputs: BTreeSet::new(),
        },
        inputs: BTreeMap::new(),
        platform: BTreeMap::new(),
        host_facts: BTreeMap::new(),
        access: Access::default(),
        observation: Observation::default(),
        salt: String::new(),
    }
}

fn dispatch() -> Dispatch {
    Dispatch {
        limits: vx_proto::Limits::default(),
        label: "test".to_owned(),
        priority: 0,
    }
}

fn file(name: &str) -> Input {
    Input::File(RootedPath::new(Root::Workspace, name))
}

/// A step whose run depends on `inputs`.
struct TestStep {
    roots: Roots,
    inputs: Vec<Input>,
    /// Annotations of results that it rejects.
    refuses: Vec<&'static [u8]>,
    restored: Vec<Vec<u8>>,
    may_keep: bool,
}

impl TestStep {
    fn new(world: &World, inputs: &[Input]) -> Self {
        Self {
            roots: world.surroundings().roots.with(Root::Exec, "/nowhere"),
            inputs: inputs.to_vec(),
            refuses: Vec::new(),
            restored: Vec::new(),
            may_keep: true,
        }
    }
}

impl Step for TestStep {
    async fn restore(&mut self, _strong: Key, result: &ActionResult) -> Result<bool, Stop> {
        self.restored.push(result.annotation.clone());
        Ok(!self.refuses.contains(&result.annotation.as_slice()))
    }

    async fn start(&mut self) -> Result<Roots, Stop> {
        Ok(self.roots.clone())
    }

    fn started(&mut self, _request: &ExecuteRequest) {}

    fn on_event(&mut self, _event: ExecuteEvent) {}

    fn may_have_missed_real_paths(&self) -> bool {
        false
    }

    async fn conclude(&mut self, ran: Ran) -> Result<Concluded, Stop> {
        if ran.result.exit_code != Some(0) {
            return Err(Stop::Failed(WireError::new(ErrorKind::BuildFailed, "it failed")));
        }
        Ok(Concluded::Done(Box::new(Conclusion {
            inputs: InputSet::new(self.inputs.clone()),
            noted: Noted::default(),
            result: ActionResult {
                annotation: b"new".to_vec(),
                ..ActionResult::default()
            },
            may_keep: self.may_keep,
        })))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn input_sets_are_tried_in_order_and_the_first_result_that_holds_is_used() {
    let world = World::new(|_: &ExecuteRequest, _: &Memory| unreachable!());
    let colour = Input::Env("COLOUR".to_owned());
    world.publish(std::slice::from_ref(&colour), b"oldest", &["=red"]).await;
    world.publish(&[file("absent")], b"second", &["absent"]).await;
    world
        .publish(&[colour, file("absent")], b"does not hold", &["=blue", "absent"])
        .await;
    world.memory.take_asked();
    let mut step = TestStep::new(&world, &[]);
    let made = world.perform(&mut step).await.unwrap();
    assert_eq!(
        (made.outcome, made.result.annotation.as_slice()),
        (Outcome::Cached, &b"second"[..])
    );
    // One lookup of the sets; a key without a result; the result. The third set is not used.
    assert_eq!(world.memory.take_asked(), ["input sets", "result", "result"]);
    assert_eq!(step.restored, [b"second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_replace_a_run_here_is_skipped() {
    let world = World::new(|_: &ExecuteRequest, _: &Memory| unreachable!());
    world
        .publish(&[Input::Env("COLOUR".to_owned())], b"oldest", &["=red"])
        .await;
    world.publish(&[file("absent")], b"newest", &["absent"]).await;
    let mut step = TestStep::new(&world, &[]);
    step.refuses.push(b"newest");
    let made = world.perform(&mut step).await.unwrap();
    assert_eq!(made.result.annotation, b"oldest");
    assert_eq!(step.restored, [b"newest", b"oldest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_found_again_as_long_as_what_it_read_is_the_same() {
    let world = World::new(|_: &ExecuteRequest, _: &Memory| success());
    world.write("source", "1").await;
    let outcome = async || {
        let mut step = TestStep::new(&world, &[file("source")]);
        world.perform(&mut step).await.unwrap().outcome
    };
    assert_eq!(outcome().await, Outcome::Ran);
    assert_eq!(outcome().await, Outcome::Cached);
    world.write("source", "2").await;
    assert_eq!(outcome().await, Outcome::Ran);
    world.write("source", "1").await;
    assert_eq!(outcome().await, Outcome::Cached);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_never_published() {
    let world = World::new(|_: &ExecuteRequest, _: &Memory| vx_proto::ExecuteResult {
        exit_code: Some(1),
        ..success()
    });
    for _ in 0..2 {
        let mut step = TestStep::new(&world, &[]);
        let stopped = world.perform(&mut step).await.unwrap_err();
        assert!(matches!(stopped, Stop::Failed(_)), "{stopped:?}");
    }
    assert_eq!(world.memory.result_count(), 0);
    assert_eq!(world.executor.take_requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_while_it_is_used_is_not_published() {
    let source = Arc::new(std::sync::OnceLock::<Utf8PathBuf>::new());
    let world = World::new({
        let source = source.clone();
        move |_: &ExecuteRequest, _: &Memory| {
            // An editor saves while the compiler runs.
            std::fs::write(source.get().unwrap(), "2").unwrap();
            success()
        }
    });
    world.write("source", "1").await;
    source.set(world.workspace.join("source")).unwrap();
    let mut step = TestStep::new(&world, &[file("source")]);
    let made = world.perform(&mut step).await.unwrap();
    assert_eq!(
        (made.outcome, made.is_kept, made.is_unsettled),
        (Outcome::Ran, false, true)
    );
    assert_eq!(world.memory.result_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_must_not_be_kept_is_used_and_not_published() {
    let world = World::new(|_: &ExecuteRequest, _: &Memory| success());
    let mut step = TestStep::new(&world, &[]);
    step.may_keep = false;
    let made = world.perform(&mut step).await.unwrap();
    assert_eq!(
        (made.outcome, made.is_kept, made.is_unsettled),
        (Outcome::Ran, false, false)
    );
    assert_eq!(world.memory.result_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_actions_in_flight_run_once() {
    let world = Arc::new(World::new(|_: &ExecuteRequest, _: &Memory| success()));
    world.executor.close_gate();
    let perform = || {
        let world = world.clone();
        tokio::spawn(async move {
            let mut step = TestStep::new(&world, &[]);
            world.perform(&mut step).await.unwrap().outcome
        })
    };
    let builds = [perform(), perform(), perform()];
    world.executor.started(1).await;
    world.executor.open_gate();
    let mut outcomes = Vec::new();
    for build in builds {
        outcomes.push(build.await.unwrap());
    }
    outcomes.sort_by_key(|outcome| *outcome != Outcome::Ran);
    assert_eq!(outcomes, [Outcome::Ran, Outcome::Cached, Outcome::Cached]);
    assert_eq!(world.executor.take_requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_cancels_the_process_and_lets_the_next_one_run_it() {
    let world = Arc::new(World::new(|_: &ExecuteRequest, _: &Memory| success()));
    world.executor.close_gate();
    let perform = || {
        let world = world.clone();
        tokio::spawn(async move {
            let mut step = TestStep::new(&world, &[]);
            world.perform(&mut step).await.unwrap().outcome
        })
    };
    let first = perform();
    world.executor.started(1).await;
    let second = perform();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.executor.started(2).await;
    assert_eq!(world.executor.cancelled(), 1);
    world.executor.open_gate();
    assert_eq!(second.await.unwrap(), Outcome::Ran);
    assert_eq!(world.memory.result_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_that_was_read_is_an_input_and_its_value_names_paths_by_role() {
    let world = World::new(|_: &ExecuteRequest, _: &Memory| success());
    let mut surroundings = world.surroundings();
    let below = RootedPath::new(Root::Workspace, "assets");
    Arc::make_mut(&mut surroundings.environment).insert("ASSETS".to_owned(), below.into());
    let mut step = TestStep::new(&world, &[Input::Env("ASSETS".to_owned())]);
    let made = world.perform_in(&surroundings, &mut step).await.unwrap();
    assert_eq!(made.answers, ["={workspace/assets}"]);
    Arc::make_mut(&mut surroundings.environment).remove("ASSETS");
    let mut step = TestStep::new(&world, &[Input::Env("ASSETS".to_owned())]);
    let made = world.perform_in(&surroundings, &mut step).await.unwrap();
    assert_eq!((made.outcome, made.answers), (Outcome::Ran, vec!["unset".to_owned()]));
}
