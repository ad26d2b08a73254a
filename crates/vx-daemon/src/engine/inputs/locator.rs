//! Names the paths that a process used by root. Paths below path packages beside the workspace are named relative to
//! the workspace, so that another checkout uses its own.

use vx_model::{Root, RootedPath, Roots};

/// The directories of the roots, and of packages beside the workspace.
#[derive(Debug, Clone)]
pub(crate) struct Locator {
    roots: Roots,
    /// Absolute paths with their names.
    beside: Vec<(String, RootedPath)>,
}

impl Locator {
    /// `packages` are the roots of path packages; only those above or beside the workspace count.
    pub(crate) fn new<'a>(roots: Roots, packages: impl IntoIterator<Item = &'a RootedPath>) -> Self {
        let is_beside = |path: &&RootedPath| path.root == Root::Workspace && path.path.starts_with("..");
        let beside = packages.into_iter().filter(is_beside);
        Self {
            beside: beside.map(|path| (roots.absolute(path), path.clone())).collect(),
            roots,
        }
    }

    /// The directories of the roots.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Names an absolute, normalized path.
    pub(crate) fn locate(&self, absolute: &str) -> RootedPath {
        let named = self.roots.locate(absolute);
        if !matches!(named.root, Root::Host | Root::UserHome) {
            return named;
        }
        let below = self.beside.iter().find_map(|(directory, name)| {
            let rest = absolute.strip_prefix(directory.as_str())?;
            let is_below = rest.is_empty() || rest.starts_with('/');
            is_below.then(|| name.join(rest.trim_start_matches('/')))
        });
        below.unwrap_or(named)
    }
}
