//! Names of the paths that a process used: by root, and below path packages that lie beside the workspace by the way
//! from the workspace to them, so that another checkout asks about its own.

use vx_model::{Root, RootedPath, Roots};

/// Where the roots and the packages beside the workspace are.
#[derive(Debug, Clone)]
pub(crate) struct Locator {
    roots: Roots,
    /// Absolute, with what it is called.
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

    /// Where the roots are.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Names an absolute, normal path.
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
