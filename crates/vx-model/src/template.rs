//! `Template`: a text that names paths below the roots by role, so that it is equal in every checkout.

use std::fmt;

use facet::Facet;
use serde::{Deserialize, Serialize};

use crate::root::{Root, RootedPath, Roots};

/// A piece of a [`Template`].
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Part {
    /// Literal text.
    Text(String),
    /// The absolute path of something below a root.
    Path(RootedPath),
}

/// A text with rooted paths. These are displayed in braces, and braces of the text are doubled, so no two templates are
/// displayed alike.
#[derive(Facet, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Template {
    /// The pieces in order.
    pub parts: Vec<Part>,
}

impl Template {
    /// An empty template.
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

    /// Appends the absolute path of something below a root.
    #[must_use]
    pub fn path(mut self, path: RootedPath) -> Self {
        self.parts.push(Part::Path(path));
        self
    }

    /// Appends another template.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        for part in other.parts {
            self = match part {
                Part::Text(text) => self.text(text),
                Part::Path(path) => self.path(path),
            };
        }
        self
    }

    /// The same text with every path below `root` moved below `to`.
    #[must_use]
    pub fn moved(mut self, root: Root, to: &RootedPath) -> Self {
        for part in &mut self.parts {
            if let Part::Path(path) = part
                && path.root == root
            {
                *path = to.join(&path.path);
            }
        }
        self
    }

    /// The roots of its paths, in any order, with duplicates.
    pub fn roots(&self) -> impl Iterator<Item = Root> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Path(path) => Some(path.root),
        })
    }

    /// The text with all absolute paths.
    pub fn render(&self, roots: &Roots) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Path(path) => roots.absolute(path),
            })
            .collect()
    }

    /// The template that renders to `text` here: every occurrence of a root's absolute path becomes a rooted path. If
    /// several roots match, the longest wins; a match must end at the end of a component.
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
                    template = template.text(before).path(RootedPath::new(root, ""));
                    rest = &from[dir.len()..];
                    literal = 0;
                }
                None => literal += here.chars().next().map_or(1, char::len_utf8),
            }
        }
        template.text(rest)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            // The usual case, in which nothing is copied.
            Part::Text(text) if !text.contains(['{', '}']) => f.write_str(text),
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Path(path) => write!(f, "{{{path}}}"),
        })
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
    fn from(path: RootedPath) -> Self {
        Self::new().path(path)
    }
}

/// An escaped byte (see [`crate::os_text`]) is part of a name too.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\0')
}
