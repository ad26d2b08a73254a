//! What is kept of a build for later ones: what each unit depended on and why it ran, for explanations, and how long
//! units took. Nothing of it is needed to build, so it is written when the answer is on its way.

use vx_model::{KeyPart, Root};
use vx_proto::Outcome;

use super::context::Context;
use super::ledger::UnitNote;
use crate::engine::Engine;
use crate::engine::inputs::parts as parts_of;
use crate::engine::records::{Durations, LastBuild, Record, UnitOfBuild, UnitParts, unit_key};
use crate::engine::report::{STRONG_KEY, WEAK_KEY, differences};

/// Writes the records of a build that has ended.
pub(super) async fn remember(context: &Context) {
    let (durations, notes) = {
        let mut ledger = context.ledger();
        let ran = ledger.count(Outcome::Ran) > 0;
        let durations = ran.then(|| std::mem::take(&mut ledger.durations));
        (durations, std::mem::take(&mut ledger.units))
    };
    let engine = &context.engine;
    let workspace = context.setting.roots.dir(Root::Workspace);
    let mut units = Vec::new();
    let mut parts_of_units = Vec::new();
    for note in &notes {
        let key = unit_key(workspace, &note.name);
        let parts = parts(note);
        let reasons = match note.made.outcome {
            Outcome::Ran => reasons(engine, &key, &parts).await,
            Outcome::Cached | Outcome::Fresh => Vec::new(),
        };
        units.push(UnitOfBuild::new(&note.name, &note.label, note.made.outcome, &reasons));
        parts_of_units.push((key, parts));
    }
    keep(engine, workspace, &LastBuild(units)).await;
    if let Some(durations) = durations {
        keep(engine, workspace, &Durations(durations)).await;
    }
    for (key, parts) in parts_of_units {
        keep(engine, &key, &UnitParts::of(parts)).await;
    }
}

/// Writes a record. If that fails, only explanations are incomplete.
pub(super) async fn keep<R: Record>(engine: &Engine, key: &str, record: &R) {
    if let Err(error) = engine.records.put(key, record).await {
        tracing::warn!(table = R::TABLE, %error, "failed to write a record");
    }
}

/// Everything that decided the result of a unit.
fn parts(note: &UnitNote) -> Vec<KeyPart> {
    let UnitNote { action, made, .. } = note;
    let mut parts = vec![KeyPart::new(WEAK_KEY, made.weak.hex())];
    parts.extend(action.parts());
    let answered = made.inputs.inputs().iter().zip(&made.answers);
    parts.extend(answered.flat_map(|(input, answer)| parts_of(input, answer)));
    parts.push(KeyPart::new(STRONG_KEY, made.strong.hex()));
    parts
}

/// Why a unit ran that depends on `parts` now.
async fn reasons(engine: &Engine, key: &str, parts: &[KeyPart]) -> Vec<String> {
    let before: Option<UnitParts> = engine.records.get(key).await.ok().flatten();
    let Some(before) = before else {
        return vec!["it was never built in this workspace, and the store has no result for it".to_owned()];
    };
    let reasons = differences(&before.into_parts(), parts);
    match reasons.is_empty() {
        true => vec!["nothing it depends on has changed, but the store no longer has a result for it".to_owned()],
        false => reasons,
    }
}
