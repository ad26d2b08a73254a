//! Which paths and links of an archive stay inside its directory.

use camino::{Utf8Component, Utf8Path};

/// Not allowed in a path: the terminator, and another system's separator.
const FORBIDDEN: [char; 2] = ['\0', '\\'];

/// The components of a path that only leads down.
pub(super) fn plain_components(path: &str) -> Option<Vec<&str>> {
    if path.contains(FORBIDDEN) {
        return None;
    }
    let components = Utf8Path::new(path).components().map(|component| match component {
        Utf8Component::Normal(name) => Some(name),
        _ => None,
    });
    components.collect()
}

/// Whether a link at `path` to `target` stays in the directory, whatever other links there are.
///
/// It may go up at its beginning only, and no further than to the top: `path` has no link among its parents, so these
/// steps are what they seem. Downwards it may meet other links, which lead inside too.
pub(super) fn stays_inside(path: &Utf8Path, target: &str) -> bool {
    let target = Utf8Path::new(target);
    let ups = target
        .components()
        .take_while(|component| matches!(component, Utf8Component::ParentDir))
        .count();
    let rest = target.components().skip(ups);
    // A link in place of the directory itself cannot stay inside.
    let Some(depth) = path.components().count().checked_sub(1) else {
        return false;
    };
    ups <= depth
        && !target.as_str().is_empty()
        && !target.as_str().contains(FORBIDDEN)
        && rest
            .into_iter()
            .all(|component| matches!(component, Utf8Component::Normal(_)))
}
