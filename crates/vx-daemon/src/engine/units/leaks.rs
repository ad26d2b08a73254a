//! Which roots the outputs of an action leak: the rule of `inputs::path_leaks`, applied to stored outputs.

use std::collections::BTreeSet;

use vx_model::{ActionResult, Digest, Input, Root, RootedPath, View};

use crate::engine::actions::{Again, Stop};
use crate::engine::build::Context;
use crate::engine::inputs::PathLeaks;

/// The roots of `may_leak` whose directories a file, a tree or a message of `result` leaks. If the action was in the
/// view, these are the directories as it found them, and its messages are shown with the real ones; `None` if an output
/// shows the view.
pub(super) async fn leaked(
    context: &Context,
    mut may_leak: BTreeSet<Root>,
    view: Option<&View>,
    result: &ActionResult,
) -> Result<Option<BTreeSet<Root>>, Stop> {
    let mut roots = context.setting.roots.clone();
    if let Some(view) = view {
        roots = roots.in_view(view);
        may_leak.insert(Root::Workspace);
    }
    let leaks = PathLeaks::of(&may_leak, &roots);
    let mut leaked = BTreeSet::new();
    if leaks.texts().is_empty() {
        return Ok(Some(leaked));
    }
    let in_output = async |output: Output, debug_info: bool| {
        let (blobs, texts) = (&context.engine.blobs, leaks.texts().to_vec());
        let counts = match output {
            Output::File(digest) => blobs.texts_in(digest, texts, debug_info).await?,
            Output::Tree(root) => blobs.texts_in_tree(root, texts, debug_info).await?,
        };
        match counts {
            Some(counts) => Ok::<_, Stop>(leaks.in_counts(&counts)),
            None => Err(Stop::Again(Again::MissingBlob)),
        }
    };
    for message in result.stdout.into_iter().chain(result.stderr) {
        leaked.extend(in_output(Output::File(message), true).await?);
    }
    if view.is_some() {
        leaked.remove(&Root::Workspace);
    }
    let files = result.files.iter().map(|file| Output::File(file.digest));
    let trees = result.trees.iter().map(|tree| Output::Tree(tree.root));
    for output in files.chain(trees) {
        let mut all = in_output(output, true).await?;
        if view.is_some() && all.remove(&Root::Workspace) {
            // As in the debug information of rustc, sources are found from the workspace in that of other compilers,
            // whatever its path.
            if in_output(output, false).await?.contains(&Root::Workspace) {
                return Ok(None);
            }
        }
        leaked.extend(all);
    }
    Ok(Some(leaked))
}

/// A part of a result that is searched.
#[derive(Clone, Copy)]
enum Output {
    File(Digest),
    Tree(Digest),
}

/// The inputs that bind a result to the directories of `roots`.
pub(super) fn bind(roots: BTreeSet<Root>) -> impl Iterator<Item = Input> {
    roots.into_iter().map(|root| Input::Location(RootedPath::new(root, "")))
}
