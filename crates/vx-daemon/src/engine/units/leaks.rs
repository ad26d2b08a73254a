//! Which roots the outputs of an action leak: the rule of `inputs::path_leaks`, applied to stored outputs.

use std::collections::BTreeSet;

use vx_model::{ActionResult, Input, Root, RootedPath};

use crate::engine::actions::{Again, Stop};
use crate::engine::build::Context;
use crate::engine::inputs::PathLeaks;

/// The roots of `may_leak` whose directories a file, a tree or a message of `result` leaks. If the action was in the
/// view, these are the directories as it found them; its messages are shown with the real ones.
pub(super) async fn leaked(
    context: &Context,
    may_leak: &BTreeSet<Root>,
    is_in_view: bool,
    result: &ActionResult,
) -> Result<BTreeSet<Root>, Stop> {
    let mut leaked = BTreeSet::new();
    let roots = context.setting.roots.clone();
    let leaks = PathLeaks::of(may_leak, &if is_in_view { roots.in_view() } else { roots });
    if leaks.texts().is_empty() {
        return Ok(leaked);
    }
    let blobs = &context.engine.blobs;
    let texts = || leaks.texts().to_vec();
    let in_counts = |counts: Option<Vec<u64>>| match counts {
        Some(counts) => Ok(leaks.in_counts(&counts)),
        None => Err(Stop::Again(Again::MissingBlob)),
    };
    for message in result.stdout.into_iter().chain(result.stderr) {
        leaked.extend(in_counts(blobs.texts_in(message, texts(), true).await?)?);
    }
    if is_in_view {
        leaked.remove(&Root::Workspace);
    }
    // As in the debug information of rustc, sources are found from the workspace in that of other compilers, whatever
    // its path.
    let shows = |all: &BTreeSet<Root>| is_in_view && all.contains(&Root::Workspace);
    for file in &result.files {
        let mut all = in_counts(blobs.texts_in(file.digest, texts(), true).await?)?;
        if shows(&all) && !shows(&in_counts(blobs.texts_in(file.digest, texts(), false).await?)?) {
            all.remove(&Root::Workspace);
        }
        leaked.extend(all);
    }
    for tree in &result.trees {
        let mut all = in_counts(blobs.texts_in_tree(tree.root, texts(), true).await?)?;
        if shows(&all) && !shows(&in_counts(blobs.texts_in_tree(tree.root, texts(), false).await?)?) {
            all.remove(&Root::Workspace);
        }
        leaked.extend(all);
    }
    Ok(leaked)
}

/// The inputs that bind a result to the directories of `roots`.
pub(super) fn bind(roots: BTreeSet<Root>) -> impl Iterator<Item = Input> {
    roots.into_iter().map(|root| Input::Location(RootedPath::new(root, "")))
}
