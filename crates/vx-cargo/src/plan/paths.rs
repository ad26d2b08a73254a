//! Names the paths of a plan by a root: no path of a plan depends on where the checkout or the home is.

use camino::Utf8Path;
use vx_model::{Part, Root, RootedPath, Roots, Template};

use crate::paths::relative;

/// Names a path of a package, absolute and normalized. A path package beside the workspace is in no root, and is named
/// relative to the workspace.
pub(super) fn locate_package(roots: &Roots, path: &Utf8Path) -> RootedPath {
    let located = roots.locate(path.as_str());
    match located.root {
        Root::Host | Root::UserHome => {
            RootedPath::new(Root::Workspace, relative(roots.dir(Root::Workspace).into(), path))
        }
        _ => located,
    }
}

/// The template that renders to `text` here, with the roots of `packages` named, those beside the workspace too.
pub(super) fn template(roots: &Roots, packages: &[&Utf8Path], text: &str) -> Template {
    let is_unnamed = |package: &&&Utf8Path| matches!(roots.locate(package.as_str()).root, Root::Host | Root::UserHome);
    let outside = packages.iter().filter(is_unnamed);
    outside.fold(Template::from_text(text, roots), |template, package| {
        named(template, package.as_str(), &locate_package(roots, package))
    })
}

/// `template` with every path `path` replaced by `root`.
fn named(template: Template, path: &str, root: &RootedPath) -> Template {
    let path = format!("{path}/");
    let mut whole = Template::new();
    for part in template.parts {
        match part {
            Part::Path(path) => whole = whole.path(path),
            Part::Text(text) => {
                let mut pieces = text.split(path.as_str());
                whole = whole.text(pieces.next().unwrap_or_default());
                for piece in pieces {
                    whole = whole.path(root.clone()).text(format!("/{piece}"));
                }
            }
        }
    }
    whole
}
