//! Plans by content: a plan is an action like any other, so a second checkout of the same commit plans nothing.

use std::sync::Arc;

use vx_cargo::{Plan, PlanContext, SourceReplacement, Status};
use vx_model::{ActionResult, Digest, InputSet, KeyBuilder, OutputFile, Root, Roots};
use vx_proto::{ErrorKind, Selection, WireError};

use super::Engine;
use super::environment::Environment;
use super::files::{CLOCK_TICK, now_ns, touched_since};
use super::keys::strong_key;
use super::questions::{Answers, World, absolute};

/// A plan and what it stands on.
pub(crate) struct Planned {
    /// The plan.
    pub(crate) plan: Arc<Plan>,
    /// The questions that decided it, with their answers.
    pub(crate) answers: Answers,
}

impl Engine {
    /// The plan for `context`, from the store or from cargo. `status` hears what changes on the way.
    pub(crate) async fn plan(
        &self,
        context: &PlanContext,
        source: &SourceReplacement,
        roots: &Roots,
        status: &Status<'_>,
    ) -> Result<Planned, WireError> {
        let environment = vx_cargo::plan_environment(&context.environment);
        let weak = plan_key(context, roots, &environment).key();
        let _flight = self.flights.enter(weak).await;
        for set in self.store.input_sets(weak).await? {
            let answers = self.ask_for_plan(&set, roots, &context.environment);
            let strong = strong_key(weak, &set, &answers).key();
            if let Some(plan) = self.stored_plan(strong).await? {
                return Ok(planned(plan, &set, answers, roots));
            }
        }
        // Stamps are as coarse as the clock's ticks: what was touched in the tick before now may be touched in it again.
        tokio::time::sleep(CLOCK_TICK).await;
        let started_ns = now_ns() - CLOCK_TICK.as_nanos() as i128;
        let plan = Plan::make(context, source, status).await?;
        let set = InputSet::new(plan.inputs.clone());
        let answers = self.ask_for_plan(&set, roots, &context.environment);
        let changed = set.inputs().iter().any(|input| {
            matches!(input, vx_model::Input::File(place) if touched_since(roots.absolute(place).as_ref(), started_ns))
        });
        if !changed {
            self.store_plan(weak, &set, &answers, &plan).await?;
        }
        Ok(planned(plan, &set, answers, roots))
    }

    fn ask_for_plan(&self, set: &InputSet, roots: &Roots, environment: &Environment) -> Vec<String> {
        let environment = |name: &str| environment.get(name).cloned();
        let world = World {
            roots,
            files: &self.files,
            environment: &environment,
        };
        tokio::task::block_in_place(|| world.answers(set))
    }

    async fn stored_plan(&self, strong: vx_model::Key) -> Result<Option<Plan>, WireError> {
        let Some(result) = self.store.get_result(strong).await? else {
            return Ok(None);
        };
        let Some(file) = result.files.first() else {
            return Ok(None);
        };
        let Some(text) = self.store.get_blob(file.digest).await? else {
            return Ok(None);
        };
        Ok(serde_json::from_slice(&text).ok())
    }

    async fn store_plan(
        &self,
        weak: vx_model::Key,
        set: &InputSet,
        answers: &[String],
        plan: &Plan,
    ) -> Result<(), WireError> {
        let text = serde_json::to_vec(plan).map_err(|error| WireError::from_error(ErrorKind::Internal, &error))?;
        let digest: Digest = self.store.put_blob(text).await?;
        let result = ActionResult {
            files: vec![OutputFile {
                path: "plan.json".to_owned(),
                digest,
                is_executable: false,
            }],
            ..ActionResult::default()
        };
        let strong = strong_key(weak, set, answers).key();
        self.store.put_result(weak, set.clone(), strong, result).await
    }
}

fn planned(plan: Plan, set: &InputSet, answers: Vec<String>, roots: &Roots) -> Planned {
    let questions = set.inputs().iter().zip(answers);
    let answers = questions
        .filter_map(|(input, answer)| Some((absolute(input, roots)?, answer)))
        .collect();
    Planned {
        plan: Arc::new(plan),
        answers,
    }
}

/// Everything that decides a plan beside the files: the plan's input set asks for these.
fn plan_key(context: &PlanContext, roots: &Roots, environment: &Environment) -> KeyBuilder {
    let place = |path: &str| format!("{:?}", roots.locate(path));
    let Selection { manifest_path, .. } = &context.selection;
    let selection = Selection {
        manifest_path: None,
        ..context.selection.clone()
    };
    let mut key = KeyBuilder::new("plan")
        .part("format", vx_cargo::PLAN_FORMAT.to_string())
        .part("toolchain", context.toolchain.identity.to_string())
        .part("host", context.toolchain.host.clone())
        .part("cargo", place(context.toolchain.cargo.as_str()))
        .part("directory", place(context.directory.as_str()))
        .part(
            "manifest",
            manifest_path.as_deref().map_or_else(|| "found".to_owned(), place),
        )
        .part("selection", format!("{selection:?}"));
    for (name, value) in environment {
        key = key.part(format!("environment variable {name}"), value.clone());
    }
    debug_assert!(!roots.dir(Root::Workspace).is_empty());
    key
}
