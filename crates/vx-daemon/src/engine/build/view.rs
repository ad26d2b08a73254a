//! The directories that contained processes find at paths that are the same in every checkout, and texts that name these.
//!
//! What a process computes from such a path, whatever it is, is right for every checkout. A path itself is not: where it
//! shows in what was made, the process has to run at the real paths.

use std::borrow::Cow;

use camino::Utf8Path;
use memchr::memmem;
use vx_model::{Root, RootedPath, Roots, VIEW, VIEW_TOP};
use vx_path::is_below;

/// How far up from the workspace packages can be found: as many directories are between [`VIEW_TOP`] and [`VIEW`].
const MAX_CLIMB: usize = 3;

/// The directories of one workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The workspace, and packages beside it. Empty if they cannot be found elsewhere.
    directories: Vec<RootedPath>,
    /// Their paths for processes, and those that they have: inner ones first.
    texts: Vec<(String, String)>,
}

impl View {
    /// For a workspace with path packages in `packages`.
    pub(crate) fn new<'a>(roots: &Roots, packages: impl Iterator<Item = &'a RootedPath>) -> Self {
        let workspace = RootedPath::new(Root::Workspace, "");
        let mut beside: Vec<&RootedPath> = packages
            .filter(|package| package.path.starts_with("../") && climb(package) <= MAX_CLIMB)
            .filter(|package| !is_below(roots.dir(Root::Workspace), &roots.absolute(package)))
            .collect();
        beside.sort_by_key(|package| package.path.len());
        let mut directories = vec![workspace];
        for package in beside {
            if !directories
                .iter()
                .any(|outer| is_below(&roots.absolute(package), &roots.absolute(outer)))
            {
                directories.push(package.clone());
            }
        }
        let seen = roots.clone().in_view();
        let holds_another = |directory: &RootedPath| {
            let others = [Root::VxHome, Root::UserHome, Root::Toolchain].into_iter();
            let mut others = others.filter(|root| roots.knows(*root));
            others.any(|root| is_below(roots.dir(root), &roots.absolute(directory)))
        };
        let is_taken = |directory: &RootedPath| !directory.path.is_empty() && is_below(&seen.absolute(directory), VIEW);
        if directories
            .iter()
            .any(|directory| holds_another(directory) || is_taken(directory))
        {
            return Self::default();
        }
        let texts = directories
            .iter()
            .map(|path| (seen.absolute(path), roots.absolute(path)));
        let mut texts: Vec<(String, String)> = texts.collect();
        texts.sort_by_key(|(seen, _)| std::cmp::Reverse(seen.len()));
        Self { directories, texts }
    }

    /// The directories for a process that works in the path package `package`, or in none; empty if it is not in one of
    /// them.
    pub(crate) fn directories(&self, package: Option<&RootedPath>, roots: &Roots) -> Vec<RootedPath> {
        let is_found = |package: &RootedPath| {
            let package = roots.absolute(package);
            self.directories
                .iter()
                .any(|path| is_below(&package, &roots.absolute(path)))
        };
        match package.is_none_or(is_found) {
            true => self.directories.clone(),
            false => Vec::new(),
        }
    }

    /// `text`, printed by a process, with the real paths.
    pub(crate) fn outside<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        if !shows(text.as_bytes()) {
            return text;
        }
        for (seen, real) in &self.texts {
            text = Cow::Owned(text.replace(seen, real));
        }
        text
    }
}

/// Whether `text` names a directory that is only found by contained processes.
pub(crate) fn shows(text: &[u8]) -> bool {
    memmem::find(text, VIEW_TOP.as_bytes()).is_some()
}

/// The same for directories other than the workspace.
pub(crate) fn shows_beside(text: &[u8]) -> bool {
    memmem::find_iter(text, VIEW_TOP.as_bytes()).any(|start| {
        let after = text[start..].strip_prefix(VIEW.as_bytes());
        let ends = |rest: &[u8]| {
            rest.first()
                .is_none_or(|next| !next.is_ascii_alphanumeric() && !b"_-.".contains(next))
        };
        !after.is_some_and(ends)
    })
}

/// The number of `..` at the beginning.
fn climb(path: &RootedPath) -> usize {
    Utf8Path::new(&path.path)
        .components()
        .take_while(|component| component.as_str() == "..")
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots() -> Roots {
        Roots::default()
            .with(Root::Workspace, "/work/deep/app")
            .with(Root::UserHome, "/home/ann")
            .with(Root::VxHome, "/home/ann/.vx")
    }

    fn view(packages: &[&str]) -> View {
        let packages: Vec<RootedPath> = packages
            .iter()
            .map(|path| RootedPath::new(Root::Workspace, *path))
            .collect();
        View::new(&roots(), packages.iter())
    }

    fn paths(view: &View) -> Vec<&str> {
        view.directories.iter().map(|path| path.path.as_str()).collect()
    }

    #[test]
    fn packages_beside_the_workspace_are_found_if_there_is_room() {
        let found = view(&["member", "../lib", "../lib/inner", "../../x/y", "..", "../../../../far"]);
        assert_eq!(paths(&found), ["", "../lib", "../../x/y"]);
        let of = |package: &str| found.directories(Some(&RootedPath::new(Root::Workspace, package)), &roots());
        assert_eq!(of("member").len(), 3);
        assert_eq!(of("../lib/inner").len(), 3);
        assert!(of("..").is_empty());
        assert_eq!(found.directories(None, &roots()).len(), 3);
    }

    #[test]
    fn a_workspace_that_holds_a_home_is_found_where_it_is() {
        let around = roots().with(Root::Workspace, "/home");
        assert_eq!(View::new(&around, [].into_iter()), View::default());
        assert_eq!(view(&["../workspace"]), View::default());
    }

    #[test]
    fn texts_name_the_real_paths_afterwards() {
        let view = view(&["../lib"]);
        let text = format!("{VIEW}/src/lib.rs and {VIEW_TOP}/build/root/lib/x");
        assert_eq!(view.outside(&text), "/work/deep/app/src/lib.rs and /work/deep/lib/x");
        assert!(shows(text.as_bytes()) && shows_beside(text.as_bytes()));
        for text in [
            format!("{VIEW}/x"),
            VIEW.to_owned(),
            format!("a={VIEW}:{VIEW}/y"),
            "/run".to_owned(),
        ] {
            assert!(!shows_beside(text.as_bytes()), "{text}");
        }
        assert!(shows_beside(format!("{VIEW}2/x").as_bytes()));
    }
}
