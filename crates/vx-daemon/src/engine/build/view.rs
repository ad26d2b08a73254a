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

/// What is found of one workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// `None` if everything is found where it is.
    found: Option<vx_model::View>,
    /// The paths of its directories for processes, and those that they have: inner ones first.
    texts: Vec<(String, String)>,
}

impl View {
    /// For a workspace with path packages in `packages`.
    pub(crate) fn new<'a>(roots: &Roots, packages: impl Iterator<Item = &'a RootedPath>) -> Self {
        let Some((top, workspace)) = top(roots) else {
            return Self::default();
        };
        let is_in = |path: &RootedPath, outer: &RootedPath| is_below(&roots.absolute(path), &roots.absolute(outer));
        let room = MAX_CLIMB + climb(&top);
        let mut beside: Vec<&RootedPath> = packages
            .filter(|package| package.path.starts_with("../") && climb(package) <= room)
            .filter(|package| !is_in(&top, package))
            .collect();
        beside.sort_by_key(|package| package.path.len());
        let mut directories = vec![top];
        for package in beside {
            if !directories.iter().any(|outer| is_in(package, outer)) {
                directories.push(package.clone());
            }
        }
        let found = vx_model::View { workspace, directories };
        let seen = roots.clone().in_view(&found);
        let mut beside = found.directories.iter().skip(1);
        if beside.any(|path| holds_a_home(roots, path) || is_below(&seen.absolute(path), VIEW)) {
            return Self::default();
        }
        let texts = found.directories.iter();
        let texts = texts.map(|path| (seen.absolute(path), roots.absolute(path)));
        let mut texts: Vec<(String, String)> = texts.collect();
        texts.sort_by_key(|(seen, _)| std::cmp::Reverse(seen.len()));
        Self {
            found: Some(found),
            texts,
        }
    }

    /// What a process finds that works in the path package `package`, or in none.
    pub(crate) fn of(&self, package: Option<&RootedPath>, roots: &Roots) -> Option<vx_model::View> {
        let found = self.found.as_ref()?;
        let is_found = |package: &RootedPath| {
            let package = roots.absolute(package);
            let mut directories = found.directories.iter();
            directories.any(|path| is_below(&package, &roots.absolute(path)))
        };
        package.is_none_or(is_found).then(|| found.clone())
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

/// The same for directories other than the workspace, which such processes find at `workspace`.
pub(crate) fn shows_beside(text: &[u8], workspace: &str) -> bool {
    memmem::find_iter(text, VIEW_TOP.as_bytes()).any(|start| {
        let after = text[start..].strip_prefix(workspace.as_bytes());
        let ends = |rest: &[u8]| {
            rest.first()
                .is_none_or(|next| !next.is_ascii_alphanumeric() && !b"_-.".contains(next))
        };
        !after.is_some_and(ends)
    })
}

/// The outermost directory that is found, and where the workspace is in it: the repository that the workspace lies in, so
/// that Git and what is beside the workspace are found in every checkout, or the workspace itself. `None` if that holds a
/// home.
fn top(roots: &Roots) -> Option<(RootedPath, String)> {
    let workspace = Utf8Path::new(roots.dir(Root::Workspace));
    let repository = workspace
        .ancestors()
        .find(|directory| directory.join(".git").exists())
        .and_then(|repository| workspace.strip_prefix(repository).ok());
    let candidates = repository.into_iter().chain([Utf8Path::new("")]);
    let tops = candidates.map(|below| {
        let up = vec![".."; below.components().count()];
        (RootedPath::new(Root::Workspace, up.join("/")), below.to_string())
    });
    tops.into_iter().find(|(top, _)| !holds_a_home(roots, top))
}

/// Whether another root lies in `directory`.
fn holds_a_home(roots: &Roots, directory: &RootedPath) -> bool {
    let homes = [Root::VxHome, Root::UserHome, Root::Toolchain].into_iter();
    let mut homes = homes.filter(|root| roots.knows(*root));
    homes.any(|root| is_below(roots.dir(root), &roots.absolute(directory)))
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
        let found = view.found.as_ref().unwrap();
        found.directories.iter().map(|path| path.path.as_str()).collect()
    }

    #[test]
    fn packages_beside_the_workspace_are_found_if_there_is_room() {
        let found = view(&["member", "../lib", "../lib/inner", "../../x/y", "..", "../../../../far"]);
        assert_eq!(paths(&found), ["", "../lib", "../../x/y"]);
        let of = |package: &str| found.of(Some(&RootedPath::new(Root::Workspace, package)), &roots());
        assert_eq!(of("member"), found.found);
        assert_eq!(of("../lib/inner"), found.found);
        assert_eq!(of(".."), None);
        assert_eq!(found.of(None, &roots()), found.found);
    }

    #[test]
    fn a_repository_is_found_as_a_whole_if_it_holds_no_home() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::create_dir_all(root.join("repository/.git")).unwrap();
        let inside = |home: &str| {
            Roots::default()
                .with(Root::Workspace, root.join("repository/deep/app"))
                .with(Root::UserHome, root.join(home))
        };
        let packages = ["../lib", "../../../../x"].map(|path| RootedPath::new(Root::Workspace, path));
        let roots = inside("home");
        let view = View::new(&roots, packages.iter());
        assert_eq!(paths(&view), ["../..", "../../../../x"]);
        let found = view.found.unwrap();
        assert_eq!(roots.in_view(&found).dir(Root::Workspace), format!("{VIEW}/deep/app"));
        assert_eq!(
            paths(&View::new(&inside("repository/home"), packages.iter())),
            ["", "../lib"]
        );
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
        assert!(shows(text.as_bytes()) && shows_beside(text.as_bytes(), VIEW));
        for text in [
            format!("{VIEW}/x"),
            VIEW.to_owned(),
            format!("a={VIEW}:{VIEW}/y"),
            "/run".to_owned(),
        ] {
            assert!(!shows_beside(text.as_bytes(), VIEW), "{text}");
        }
        assert!(shows_beside(format!("{VIEW}2/x").as_bytes(), VIEW));
    }
}
