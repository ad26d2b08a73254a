//! Naming the places of a plan: no path of a plan depends on where the checkout or the home lies.

use camino::Utf8Path;
use vx_model::{Root, RootedPath, Roots};

use crate::paths::relative;

/// Names a path of a package, absolute and normal. What no root holds, a path package beside the workspace, is named by
/// the way from the workspace.
pub(super) fn locate_package(roots: &Roots, path: &Utf8Path) -> RootedPath {
    let place = roots.locate(path.as_str());
    match place.root {
        Root::Host => RootedPath::new(Root::Workspace, relative(roots.dir(Root::Workspace).into(), path)),
        _ => place,
    }
}
