//! Which roots the outputs of an action leak: the rule of `inputs::path_leaks`, applied to stored outputs.

use std::collections::BTreeSet;

use vx_model::{ActionResult, Input, Root, RootedPath};

use crate::engine::actions::Stop;
use crate::engine::build::Context;
use crate::engine::inputs::PathLeaks;

/// The roots of `may_leak` whose directories a file, a tree or a message of `result` leaks.
pub(super) async fn leaked(
    context: &Context,
    may_leak: &BTreeSet<Root>,
    result: &ActionResult,
) -> Result<BTreeSet<Root>, Stop> {
    let mut leaked = BTreeSet::new();
    let leaks = PathLeaks::of(may_leak, &context.setting.roots);
    if leaks.texts().is_empty() {
        return Ok(leaked);
    }
    let blobs = &context.engine.blobs;
    let texts = || leaks.texts().to_vec();
    let files = result.files.iter().map(|file| file.digest);
    for blob in files.chain(result.stdout).chain(result.stderr) {
        let counts = blobs.texts_in(blob, texts()).await?.ok_or(Stop::MissingBlob)?;
        leaked.extend(leaks.in_counts(&counts));
    }
    for tree in &result.trees {
        let counts = blobs
            .texts_in_tree(tree.root, texts())
            .await?
            .ok_or(Stop::MissingBlob)?;
        leaked.extend(leaks.in_counts(&counts));
    }
    Ok(leaked)
}

/// The inputs that bind a result to the directories of `roots`.
pub(super) fn bind(roots: BTreeSet<Root>) -> impl Iterator<Item = Input> {
    roots.into_iter().map(|root| Input::Location(RootedPath::new(root, "")))
}
