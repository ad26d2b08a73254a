//! Which roots the outputs of an action tell: the rule of `inputs::path_leaks`, asked of what is in the store.

use std::collections::BTreeSet;

use vx_model::{ActionResult, Input, Root, RootedPath};

use crate::engine::actions::Stop;
use crate::engine::build::Context;
use crate::engine::inputs::PathLeaks;

/// Those of `may_tell` whose directories a file, a tree or a message of `result` tells.
pub(super) async fn told(
    context: &Context,
    may_tell: &BTreeSet<Root>,
    result: &ActionResult,
) -> Result<BTreeSet<Root>, Stop> {
    let mut told = BTreeSet::new();
    let leaks = PathLeaks::of(may_tell, &context.setting.roots);
    if leaks.texts().is_empty() {
        return Ok(told);
    }
    let blobs = &context.engine.blobs;
    let texts = || leaks.texts().to_vec();
    let files = result.files.iter().map(|file| file.digest);
    for blob in files.chain(result.stdout).chain(result.stderr) {
        let counts = blobs.texts_in(blob, texts()).await?.ok_or(Stop::MissingBlob)?;
        told.extend(leaks.in_counts(&counts));
    }
    for tree in &result.trees {
        let counts = blobs
            .texts_in_tree(tree.root, texts())
            .await?
            .ok_or(Stop::MissingBlob)?;
        told.extend(leaks.in_counts(&counts));
    }
    Ok(told)
}

/// The inputs that bind a result to the directories of `roots`.
pub(super) fn bind(roots: BTreeSet<Root>) -> impl Iterator<Item = Input> {
    roots.into_iter().map(|root| Input::Location(RootedPath::new(root, "")))
}
