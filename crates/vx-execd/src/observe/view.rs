//! Directories that a contained process finds at other paths than they have: from its paths to those of the machine.
//!
//! It does not see what is above and beside these directories. Where it looks for something there that is not there
//! either, nothing is lost. Otherwise it has left its view, and cannot be relied on to do what it would do outside.

use std::borrow::Cow;

use camino::{Utf8Path, Utf8PathBuf};

/// The directories of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    mounts: Vec<SeenAt>,
}

/// A directory that is seen at another path. Both are absolute, and without links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenAt {
    /// Where it is.
    pub(crate) from: Utf8PathBuf,
    /// Where the process finds it.
    pub(crate) at: Utf8PathBuf,
}

/// What a path of a process means outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// This path.
    Path(Utf8PathBuf),
    /// Something above or beside a directory that it finds. Nothing has that name there: this is the nearest path.
    Search(Utf8PathBuf),
    /// Something that it does not find as it would outside.
    Left,
}

impl View {
    /// `mounts`: the workspace first.
    pub(crate) fn new(mounts: Vec<SeenAt>) -> Self {
        Self { mounts }
    }

    /// Whether a process finds everything where it is.
    pub(super) fn is_empty(&self) -> bool {
        self.mounts.is_empty()
    }

    /// The directories, where they are.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Utf8PathBuf> {
        self.mounts.iter().map(|mount| &mount.from)
    }

    /// Where what is seen at `path` is.
    pub(crate) fn real<'a>(&self, path: &'a Utf8Path) -> Cow<'a, Utf8Path> {
        let found = self.mounts.iter().find_map(|mount| moved(path, &mount.at, &mount.from));
        found.map_or(Cow::Borrowed(path), Cow::Owned)
    }

    /// The path at which a process finds what is at `path`, if it finds it elsewhere.
    pub(crate) fn seen(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        self.mounts.iter().find_map(|mount| moved(path, &mount.from, &mount.at))
    }

    /// What `path`, absolute and without links as the process sees it, means outside.
    pub(super) fn meaning(&self, path: &Utf8Path) -> Meaning {
        let Some(workspace) = self.mounts.first() else {
            return Meaning::Path(path.to_owned());
        };
        if let Cow::Owned(real) = self.real(path) {
            return Meaning::Path(real);
        }
        if self.mounts.iter().any(|mount| path.starts_with(&mount.from)) {
            return Meaning::Left;
        }
        let Some(top) = self.top().filter(|top| path.starts_with(top)) else {
            return Meaning::Path(path.to_owned());
        };
        let above = workspace
            .at
            .ancestors()
            .skip(1)
            .find_map(|above| path.strip_prefix(above).ok());
        // A directory on the way to what it finds tells that the file system ends here. What looks for a repository stops.
        let is_way = self.mounts.iter().any(|mount| mount.at.starts_with(path));
        let name = if is_way {
            Utf8Path::new(".git")
        } else {
            above.unwrap_or(top)
        };
        let mut candidates = workspace.from.ancestors().skip(1).map(|above| above.join(name));
        match candidates.next() {
            Some(nearest) if !exists(&nearest) && !candidates.any(|path| exists(&path)) => Meaning::Search(nearest),
            _ => Meaning::Left,
        }
    }

    /// The outermost directory that holds nothing but what is seen at other paths.
    pub(crate) fn top(&self) -> Option<&Utf8Path> {
        let ancestors = self.mounts.first()?.at.ancestors();
        // `/run/vx`: the third from the end, after `/run` and `/`.
        ancestors.filter(|path| path.components().count() == 3).last()
    }
}

/// `path` with its beginning `from` replaced; `None` if it does not begin so.
fn moved(path: &Utf8Path, from: &Utf8Path, to: &Utf8Path) -> Option<Utf8PathBuf> {
    match path.strip_prefix(from).ok()? {
        rest if rest == "" => Some(to.to_owned()),
        rest => Some(to.join(rest)),
    }
}

fn exists(path: &Utf8Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `app` and `lib`, seen side by side.
    fn view(root: &Utf8Path) -> View {
        let seen = |name: &str, at: &str| SeenAt {
            from: root.join(name),
            at: at.into(),
        };
        View::new(vec![
            seen("deep/app", "/run/vx/build/workspace"),
            seen("deep/lib", "/run/vx/build/lib"),
        ])
    }

    fn root() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        fs::create_dir_all(root.join("deep/app")).unwrap();
        fs::create_dir_all(root.join("deep/lib")).unwrap();
        (dir, root)
    }

    #[test]
    fn paths_below_what_is_seen_are_those_of_the_machine() {
        let (_dir, root) = root();
        let meaning = |path: &str| view(&root).meaning(path.into());
        assert_eq!(
            meaning("/run/vx/build/workspace/x"),
            Meaning::Path(root.join("deep/app/x"))
        );
        assert_eq!(meaning("/run/vx/build/lib"), Meaning::Path(root.join("deep/lib")));
        assert_eq!(meaning("/usr/bin/cc"), Meaning::Path("/usr/bin/cc".into()));
        for way in ["/run/vx", "/run/vx/build"] {
            assert_eq!(meaning(way), Meaning::Search(root.join("deep/.git")), "{way}");
        }
    }

    #[test]
    fn what_is_nowhere_above_was_searched_for() {
        let (_dir, root) = root();
        let meaning = |path: &str| view(&root).meaning(path.into());
        let nearest = Meaning::Search(root.join("deep/absent/x"));
        for path in ["/run/vx/build/absent/x", "/run/vx/absent/x"] {
            assert_eq!(meaning(path), nearest, "{path}");
        }
        fs::create_dir(root.join(".git")).unwrap();
        assert_eq!(meaning("/run/vx/build/.git"), Meaning::Left);
        assert_eq!(meaning("/run/vx/build"), Meaning::Left);
        assert_eq!(
            meaning("/run/vx/build/.git/HEAD"),
            Meaning::Search(root.join("deep/.git/HEAD"))
        );
    }

    #[test]
    fn what_is_used_where_it_really_is_leaves_the_view() {
        let (_dir, root) = root();
        let view = view(&root);
        assert_eq!(view.meaning(&root.join("deep/app/x")), Meaning::Left);
        assert_eq!(
            view.meaning(&root.join("deep/other")),
            Meaning::Path(root.join("deep/other"))
        );
        assert_eq!(
            View::default().meaning("/run/vx/x".into()),
            Meaning::Path("/run/vx/x".into())
        );
    }
}
