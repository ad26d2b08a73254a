//! `Root`: directories that differ between machines, users or checkouts, by role; and paths below them.
//!
//! Nothing here reads a disk: whoever creates [`Roots`] knows where the roots are.

use std::fmt;
use std::str::FromStr;

use facet::Facet;
use serde::{Deserialize, Serialize};

/// A directory that differs between machines, users or checkouts.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Root {
    /// The root directory of the Cargo workspace.
    Workspace,
    /// The state directory of vx: immutable packages and output directories of build scripts lie below it.
    VxHome,
    /// The home directory of the user. Unknown if the user's environment does not name one.
    UserHome,
    /// The sysroot of the toolchain.
    Toolchain,
    /// The exec root of the action.
    Exec,
    /// The directory that the running build script may write to. It holds a `target` directory laid out as Cargo's,
    /// with its `OUT_DIR`.
    Script,
    /// The root of the host's file system.
    Host,
}

impl Root {
    /// Every root.
    pub const ALL: [Self; 7] = [
        Self::Workspace,
        Self::VxHome,
        Self::UserHome,
        Self::Toolchain,
        Self::Exec,
        Self::Script,
        Self::Host,
    ];

    /// Its name in encodings and for people: one path component.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::VxHome => "vx-home",
            Self::UserHome => "home",
            Self::Toolchain => "toolchain",
            Self::Exec => "exec",
            Self::Script => "script",
            Self::Host => "host",
        }
    }

    /// Whether paths below it are not inputs, because their content never changes or is in the weak key.
    pub fn is_immutable(self) -> bool {
        matches!(self, Self::Toolchain | Self::Exec | Self::Script | Self::VxHome)
    }
}

/// A path below a [`Root`]; `path` is relative, with `/` between components, may start with `../`, and is empty for
/// the root itself. Displayed, and read back, as `ROOT/PATH`: the path in the tree in which every root is a directory.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootedPath {
    /// The root.
    pub root: Root,
    /// The path below it.
    pub path: String,
}

impl RootedPath {
    /// A path below `root`.
    pub fn new(root: Root, path: impl Into<String>) -> Self {
        Self {
            root,
            path: path.into(),
        }
    }

    /// `path`, relative and without `..`, below this one.
    #[must_use]
    pub fn join(&self, path: &str) -> Self {
        let path = match (self.path.as_str(), path) {
            (base, "") => base.to_owned(),
            ("", path) => path.to_owned(),
            (base, path) => format!("{base}/{path}"),
        };
        Self { root: self.root, path }
    }

    /// The last component; for the root itself, the root's name.
    pub fn file_name(&self) -> &str {
        match self.path.rsplit('/').next() {
            None | Some("") => self.root.name(),
            Some(name) => name,
        }
    }
}

impl fmt::Display for RootedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.root.name())?;
        match self.path.as_str() {
            "" => Ok(()),
            path => write!(f, "/{path}"),
        }
    }
}

/// The text is not `ROOT/PATH` with the name of a [`Root`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path below a root")]
pub struct ParseRootedPathError(String);

impl FromStr for RootedPath {
    type Err = ParseRootedPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, path) = text.split_once('/').unwrap_or((text, ""));
        let root = Root::ALL.into_iter().find(|root| root.name() == name);
        // `exec/` would be a second spelling of `exec`.
        root.map(|root| Self::new(root, path))
            .filter(|parsed| parsed.to_string() == text)
            .ok_or_else(|| ParseRootedPathError(text.to_owned()))
    }
}

/// Where a contained process finds the outermost directory of a [`View`]. Nothing but what it finds is in the directories
/// above, up to [`VIEW_TOP`], so there is room for packages beside it, and what is searched for upwards is not there.
pub const VIEW: &str = "/run/vx/build/root/workspace";

/// The outermost directory that exists for such processes alone.
pub const VIEW_TOP: &str = "/run/vx";

/// The directories that a contained process finds at paths that are the same in every checkout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    /// Where the workspace lies below [`VIEW`]; empty if it is there.
    pub workspace: String,
    /// The workspace, or the repository that it lies in; then packages beside that.
    pub directories: Vec<RootedPath>,
}

/// The current directories of the roots: absolute paths without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roots {
    dirs: Vec<(Root, String)>,
}

impl Roots {
    /// Sets the directory of `root`. [`Root::Host`] is always known. Of two roots in one directory, the first one set
    /// wins.
    #[must_use]
    pub fn with(mut self, root: Root, dir: impl Into<String>) -> Self {
        self.dirs.retain(|(known, _)| *known != root);
        self.dirs.push((root, dir.into()));
        self.dirs.sort_by_key(|(_, dir)| std::cmp::Reverse(dir.len()));
        self
    }

    /// The same, but with the workspace where a process with this view finds it.
    #[must_use]
    pub fn in_view(self, view: &View) -> Self {
        match view.workspace.as_str() {
            "" => self.with(Root::Workspace, VIEW),
            below => self.with(Root::Workspace, format!("{VIEW}/{below}")),
        }
    }

    /// Sets the home directory of the user, if `home`, the value of a variable, is a valid one.
    #[must_use]
    pub fn with_user_home(self, home: Option<&str>) -> Self {
        let is_plain = |home: &&str| {
            let mut components = home.split('/').skip(1);
            home.starts_with('/') && components.all(|component| !matches!(component, "" | "." | ".."))
        };
        match home.map(|home| home.trim_end_matches('/')).filter(is_plain) {
            Some(home) => self.with(Root::UserHome, home),
            None => self,
        }
    }

    /// Whether the directory of `root` is known.
    pub fn knows(&self, root: Root) -> bool {
        root == Root::Host || self.dirs.iter().any(|(known, _)| *known == root)
    }

    /// The directory of `root`, without a trailing slash (empty for the host's root).
    ///
    /// # Panics
    /// If the directory of `root` is unknown, which is a bug.
    pub fn dir(&self, root: Root) -> &str {
        match self.dirs.iter().find(|(known, _)| *known == root) {
            Some((_, dir)) => dir,
            None if root == Root::Host => "",
            None => panic!("the directory of {root:?} is not known here"),
        }
    }

    /// The absolute path of `path`; `..` at its start climbs above the root.
    pub fn absolute(&self, path: &RootedPath) -> String {
        let mut dir = self.dir(path.root);
        let mut path = path.path.as_str();
        while let Some(rest) = strip_parent(path) {
            dir = dir.rsplit_once('/').map_or("", |(parent, _)| parent);
            path = rest;
        }
        match (dir, path) {
            ("", _) => format!("/{path}"),
            (_, "") => dir.to_owned(),
            _ => format!("{dir}/{path}"),
        }
    }

    /// Names an absolute, normalized path by the innermost root that holds it; by [`Root::Host`] if there is no other.
    pub fn locate(&self, absolute: &str) -> RootedPath {
        for (root, dir) in self.by_length() {
            if let Some(rest) = absolute.strip_prefix(dir)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return RootedPath::new(root, rest.trim_start_matches('/'));
            }
        }
        RootedPath::new(Root::Host, absolute.trim_start_matches('/'))
    }

    /// The known roots except [`Root::Host`], innermost first.
    pub(crate) fn by_length(&self) -> impl Iterator<Item = (Root, &str)> {
        self.dirs
            .iter()
            .filter(|(_, dir)| !dir.is_empty())
            .map(|(root, dir)| (*root, dir.as_str()))
    }
}

/// The rest after a first component `..`; `None` if `path` starts differently, for example with a file called `..x`.
fn strip_parent(path: &str) -> Option<&str> {
    match path.strip_prefix("..")? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}
