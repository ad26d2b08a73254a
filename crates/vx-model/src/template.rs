//! `Template`: a text in which places of the disk are named by role, so that it is equal in every checkout.

use facet::Facet;
use serde::{Deserialize, Serialize};

/// A place that lies elsewhere on another machine, in another home or in another checkout.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Root {
    /// The root directory of the Cargo workspace.
    Workspace,
    /// The state directory of vx: immutable packages and output directories of build scripts lie below it.
    Home,
    /// The sysroot of the toolchain.
    Toolchain,
    /// The exec root of the action.
    Exec,
    /// What the build script that is running may write to: a directory with a `target` in it as Cargo's, where its
    /// `OUT_DIR` lies.
    Script,
    /// The root of the host's file system.
    Host,
}

impl Root {
    /// Whether a path below needs no question: what lies there never changes, or its content is in the weak key.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Toolchain | Self::Exec | Self::Script | Self::Home)
    }
}

/// A path below a [`Root`]; `path` is relative, with `/` between components, may start with `../`, and is empty for
/// the root itself.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootedPath {
    /// Which place.
    pub root: Root,
    /// Where below it.
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

    /// `path`, relative and without `..`, below this place.
    #[must_use]
    pub fn join(&self, path: &str) -> Self {
        let path = match (self.path.as_str(), path) {
            (base, "") => base.to_owned(),
            ("", path) => path.to_owned(),
            (base, path) => format!("{base}/{path}"),
        };
        Self { root: self.root, path }
    }
}

/// A piece of a [`Template`].
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Part {
    /// Text as it is.
    Text(String),
    /// The absolute path of a place.
    Place(RootedPath),
}

/// A text with places in it.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Template {
    /// The pieces in order.
    pub parts: Vec<Part>,
}

impl Template {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            match self.parts.last_mut() {
                Some(Part::Text(last)) => last.push_str(&text),
                _ => self.parts.push(Part::Text(text)),
            }
        }
        self
    }

    /// Appends the absolute path of a place.
    #[must_use]
    pub fn place(mut self, place: RootedPath) -> Self {
        self.parts.push(Part::Place(place));
        self
    }

    /// Appends another template.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        for part in other.parts {
            self = match part {
                Part::Text(text) => self.text(text),
                Part::Place(place) => self.place(place),
            };
        }
        self
    }

    /// The same text with every place below `root` moved below `to`.
    #[must_use]
    pub fn moved(mut self, root: Root, to: &RootedPath) -> Self {
        for part in &mut self.parts {
            if let Part::Place(place) = part
                && place.root == root
            {
                *place = to.join(&place.path);
            }
        }
        self
    }

    /// The text with every place filled in.
    pub fn render(&self, roots: &Roots) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Place(place) => roots.absolute(place),
            })
            .collect()
    }

    /// The template that renders to `text` here: every occurrence of a root's absolute path becomes a place.
    /// The longest root wins where several fit; a path counts only where a component ends.
    pub fn from_text(text: &str, roots: &Roots) -> Self {
        let mut template = Self::new();
        let mut rest = text;
        let mut literal = 0;
        while literal < rest.len() {
            let here = &rest[literal..];
            let found = roots.by_length().find(|(_, dir)| {
                here.strip_prefix(dir)
                    .is_some_and(|after| after.is_empty() || !after.starts_with(is_name_char))
            });
            match found {
                Some((root, dir)) => {
                    let (before, from) = rest.split_at(literal);
                    template = template.text(before).place(RootedPath::new(root, ""));
                    rest = &from[dir.len()..];
                    literal = 0;
                }
                None => literal += here.chars().next().map_or(1, char::len_utf8),
            }
        }
        template.text(rest)
    }
}

impl From<&str> for Template {
    fn from(text: &str) -> Self {
        Self::new().text(text)
    }
}

impl From<String> for Template {
    fn from(text: String) -> Self {
        Self::new().text(text)
    }
}

impl From<RootedPath> for Template {
    fn from(place: RootedPath) -> Self {
        Self::new().place(place)
    }
}

/// What follows a first component `..`; none where `path` starts otherwise, with a file called `..x` for example.
fn strip_parent(path: &str) -> Option<&str> {
    match path.strip_prefix("..")? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    }
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Where the places are, here and now: absolute paths without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roots {
    dirs: Vec<(Root, String)>,
}

impl Roots {
    /// Says where `root` is. [`Root::Host`] needs no saying.
    #[must_use]
    pub fn with(mut self, root: Root, dir: impl Into<String>) -> Self {
        self.dirs.retain(|(known, _)| *known != root);
        self.dirs.push((root, dir.into()));
        self.dirs.sort_by_key(|(_, dir)| std::cmp::Reverse(dir.len()));
        self
    }

    /// Where `root` is, without a trailing slash (empty for the host's root).
    ///
    /// # Panics
    /// Where nothing was said about `root`: a programming error.
    pub fn dir(&self, root: Root) -> &str {
        match self.dirs.iter().find(|(known, _)| *known == root) {
            Some((_, dir)) => dir,
            None if root == Root::Host => "",
            None => panic!("the place of {root:?} is not known here"),
        }
    }

    /// The absolute path of `place`; `..` at its start climbs above the root.
    pub fn absolute(&self, place: &RootedPath) -> String {
        let mut dir = self.dir(place.root);
        let mut path = place.path.as_str();
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

    /// Names an absolute, normalised path by the innermost root that holds it; [`Root::Host`] where none does.
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

    fn by_length(&self) -> impl Iterator<Item = (Root, &str)> {
        self.dirs
            .iter()
            .filter(|(_, dir)| !dir.is_empty())
            .map(|(root, dir)| (*root, dir.as_str()))
    }
}
