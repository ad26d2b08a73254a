//! Performs all units of a plan: each is a task that waits for its dependencies.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use vx_cargo::{CompileMode, UnitIndex, UnitKind};
use vx_proto::{BuildEvent, ErrorKind, WireError};

use super::context::Context;
use super::progress::Progress;
use crate::engine::actions::Stop;
use crate::engine::units;

/// Performs all units. Dropping the future stops all their processes.
pub(super) async fn make_all(context: &Arc<Context>, tracker: &TaskTracker) {
    let mut tasks = JoinSet::new();
    for unit in 0..context.plan.units.len() {
        let context = context.clone();
        tasks.spawn(tracker.track_future(async move { make(&context, unit).await }));
    }
    while let Some(joined) = tasks.join_next().await {
        if let Err(error) = joined {
            context.fail(WireError::from_error(ErrorKind::Internal, &error));
            return;
        }
    }
}

/// Passes on Cargo's warnings from planning.
pub(super) fn tell_warnings(context: &Context) {
    for warning in &context.plan.warnings {
        context.tell_lasting(BuildEvent::Warning(warning.render(&context.setting.roots)));
    }
}

async fn make(context: &Context, unit: UnitIndex) {
    let made = match context.plan.units[unit].kind {
        UnitKind::Compile(CompileMode::Document) => units::document(context, unit).await,
        UnitKind::Compile(_) => units::compile(context, unit).await,
        UnitKind::RunBuildScript => units::run_script(context, unit).await,
        // The client runs these after the build.
        UnitKind::TestDocumentation => return,
    };
    if let Err(stop) = made {
        match stop {
            Stop::Skipped => {}
            Stop::Again(because) => context.start_again(because),
            Stop::Failed(error) => context.fail(error),
        }
        context.board.set(unit, Progress::Failed);
    }
}
