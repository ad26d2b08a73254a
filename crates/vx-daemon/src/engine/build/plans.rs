//! Plans by content: not made by an action, but looked up like results of actions, so another checkout of the same
//! commit does not plan again.

use std::sync::Arc;

use vx_cargo::{Plan, PlanContext, SourceReplacement, Status};
use vx_model::{
    ActionResult, Digest, Input, InputSet, Key, KeyBuilder, OutputFile, Root, RootedPath, Roots, Template, formats,
};
use vx_proto::{ErrorKind, Selection, WireError};

use crate::engine::actions::Flights;
use crate::engine::doors::{ActionCache, BlobStore, Doors};
use crate::engine::inputs::{Answers, CLOCK_TICK, Environment, FileDigests, World, absolute, now_ns, touched_since};

/// A plan and what it depends on.
pub(crate) struct Planned {
    /// The plan.
    pub(crate) plan: Arc<Plan>,
    /// The inputs that decided it, with their answers.
    pub(crate) answers: Answers,
}

/// The plans of all builds.
#[derive(Debug)]
pub(crate) struct Plans {
    cache: Arc<dyn ActionCache>,
    blobs: Arc<dyn BlobStore>,
    files: Arc<FileDigests>,
    flights: Flights,
}

impl Plans {
    /// Plans stored behind `doors`.
    pub(crate) fn new(doors: &Doors, files: Arc<FileDigests>) -> Self {
        Self {
            cache: doors.cache.clone(),
            blobs: doors.blobs.clone(),
            files,
            flights: Flights::default(),
        }
    }

    /// The plan for `context`, from the store or from cargo. `status` receives progress.
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
        for set in self.cache.input_sets(weak).await? {
            let answers = self.ask(&set, roots, &context.environment);
            let strong = Key::strong(weak, &set, &answers);
            if let Some(plan) = self.stored_plan(strong).await? {
                return Ok(planned(plan, &set, answers, roots));
            }
        }
        // Stamps are as coarse as the clock's ticks: a file that was touched in the current tick may be touched in it
        // again.
        tokio::time::sleep(CLOCK_TICK).await;
        let started_ns = now_ns() - CLOCK_TICK.as_nanos() as i128;
        let plan = Plan::make(context, source, status).await?;
        let set = InputSet::new(plan.inputs.clone());
        let answers = self.ask(&set, roots, &context.environment);
        let changed = set.inputs().iter().any(
            |input| matches!(input, Input::File(path) if touched_since(roots.absolute(path).as_ref(), started_ns)),
        );
        if !changed {
            self.store_plan(weak, &set, &answers, &plan).await?;
        }
        Ok(planned(plan, &set, answers, roots))
    }

    fn ask(&self, set: &InputSet, roots: &Roots, environment: &Environment) -> Vec<String> {
        let variable = |name: &str| Some(Template::from_text(environment.get(name)?, roots));
        let world = World {
            roots,
            files: &self.files,
            variable: &variable,
            environment: &String::new,
        };
        tokio::task::block_in_place(|| world.answers(set))
    }

    async fn stored_plan(&self, strong: Key) -> Result<Option<Plan>, WireError> {
        let Some(result) = self.cache.get_result(strong).await? else {
            return Ok(None);
        };
        let Some(file) = result.files.first() else {
            return Ok(None);
        };
        let Some(text) = self.blobs.get_blob(file.digest).await? else {
            return Ok(None);
        };
        Ok(serde_json::from_slice(&text).ok())
    }

    async fn store_plan(&self, weak: Key, set: &InputSet, answers: &[String], plan: &Plan) -> Result<(), WireError> {
        let text = serde_json::to_vec(plan).map_err(|error| WireError::from_error(ErrorKind::Internal, &error))?;
        let digest: Digest = self.blobs.put_blob(text).await?;
        let result = ActionResult {
            files: vec![OutputFile {
                path: RootedPath::new(Root::Exec, "plan.json"),
                digest,
                is_executable: false,
            }],
            ..ActionResult::default()
        };
        let strong = Key::strong(weak, set, answers);
        self.cache.put_result(weak, set.clone(), strong, result).await
    }
}

fn planned(plan: Plan, set: &InputSet, answers: Vec<String>, roots: &Roots) -> Planned {
    let answered = set.inputs().iter().zip(answers);
    let answers = answered
        .filter_map(|(input, answer)| Some((absolute(input, roots)?, answer)))
        .collect();
    Planned {
        plan: Arc::new(plan),
        answers,
    }
}

/// Everything that decides a plan besides its recorded inputs.
fn plan_key(context: &PlanContext, roots: &Roots, environment: &Environment) -> KeyBuilder {
    let named = |path: &str| roots.locate(path).to_string();
    let Selection { manifest_path, .. } = &context.selection;
    let selection = Selection {
        manifest_path: None,
        ..context.selection.clone()
    };
    let mut key = KeyBuilder::new("plan")
        .part("format", formats::PLAN.to_string())
        .part("toolchain", context.toolchain.identity.to_string())
        .part("host", context.toolchain.host.clone())
        .part("cargo", named(context.toolchain.cargo.as_str()))
        .part("directory", named(context.directory.as_str()))
        .part(
            "manifest",
            manifest_path.as_deref().map_or_else(|| "found".to_owned(), named),
        )
        .part("selection", format!("{selection:?}"));
    for (name, value) in environment {
        let value = Template::from_text(value, roots).to_string();
        key = key.part(format!("environment variable {name}"), value);
    }
    key
}
