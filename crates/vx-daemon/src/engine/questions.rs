//! Asks the questions of an input set here and now.
//!
//! An answer is a short text; equal answers mean that an action would see the same. Paths in answers are only those that
//! bind a result to a place on purpose.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use vx_model::{DigestHasher, Input, InputSet, Root, RootedPath, Roots};

use super::files::{FileDigests, is_absent, touched_since};

/// Directory names that hold build outputs or version control, never inputs that were asked for by directory.
const IGNORED: &[&str] = &[".vx", ".git"];

/// The world as one unit sees it.
pub(crate) struct World<'a> {
    /// Where the places are.
    pub(crate) roots: &'a Roots,
    /// Known digests.
    pub(crate) files: &'a FileDigests,
    /// The environment of the unit's process, as far as it matters.
    pub(crate) environment: &'a dyn Fn(&str) -> Option<String>,
}

/// Questions with their answers; paths are absolute, so that answers of several units can be put together.
pub(crate) type Answers = BTreeMap<Input, String>;

impl World<'_> {
    /// The answers to all questions of `set`, in its order.
    pub(crate) fn answers(&self, set: &InputSet) -> Vec<String> {
        set.inputs().iter().map(|input| self.answer(input)).collect()
    }

    /// The answer to one question.
    pub(crate) fn answer(&self, input: &Input) -> String {
        match input {
            Input::File(place) => self.file(&self.roots.absolute(place)),
            Input::Kind(place) => kind(&self.roots.absolute(place)),
            Input::Listing(place) => listing(&self.roots.absolute(place)),
            Input::Tree(place) => self.tree(&self.roots.absolute(place)),
            Input::Ancestors(name) => ancestors(self.roots.dir(Root::Workspace), name),
            Input::Env(name) => {
                (self.environment)(name).map_or_else(|| "unset".to_owned(), |value| format!("={value}"))
            }
            Input::Location(place) => self.roots.absolute(place),
        }
    }

    fn file(&self, path: &str) -> String {
        match self.files.digest(path) {
            Ok(Some(digest)) => digest.to_string(),
            Ok(None) => kind(path),
            Err(error) => format!("unreadable: {}", error.kind()),
        }
    }

    fn tree(&self, path: &str) -> String {
        let mut hasher = DigestHasher::default();
        for entry in walk(path) {
            let line = match entry {
                Ok(entry) if entry.file_type().is_dir() => continue,
                Ok(entry) => {
                    let text = entry.path().to_string_lossy();
                    format!("{}\0{}\0", &text[path.len().min(text.len())..], self.file(&text))
                }
                Err(error) => format!("{:?}\0", error.io_error().map(io::Error::kind)),
            };
            hasher.update(line.as_bytes());
        }
        hasher.finish().to_string()
    }
}

/// The same question with an absolute path, to be asked again without the unit's roots; none for questions about the
/// environment, which is compared as a whole.
pub(crate) fn absolute(input: &Input, roots: &Roots) -> Option<Input> {
    let host = |place: &RootedPath| {
        let absolute = roots.absolute(place);
        RootedPath::new(Root::Host, absolute.trim_start_matches('/'))
    };
    match input {
        Input::File(place) => Some(Input::File(host(place))),
        Input::Kind(place) => Some(Input::Kind(host(place))),
        Input::Listing(place) => Some(Input::Listing(host(place))),
        Input::Tree(place) => Some(Input::Tree(host(place))),
        Input::Ancestors(_) => Some(input.clone()),
        Input::Env(_) | Input::Location(_) => None,
    }
}

/// A file or directory that a tree question is about and that was touched at or after `since_ns`.
pub(crate) fn touched_below(path: &str, since_ns: i128) -> Option<String> {
    let mut touched = walk(path)
        .flatten()
        .filter(|entry| touched_since(entry.path(), since_ns));
    touched.next().map(|entry| entry.path().to_string_lossy().into_owned())
}

/// Everything below a directory, sorted, ignored names left out.
fn walk(path: &str) -> impl Iterator<Item = walkdir::Result<walkdir::DirEntry>> {
    walkdir::WalkDir::new(path)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_ignored(entry.file_name()))
}

fn is_ignored(name: &std::ffi::OsStr) -> bool {
    IGNORED.iter().any(|ignored| name == *ignored)
}

/// What is at `path`: `absent`, `file`, `directory`, `other`, or a link with its target and what that is.
fn kind(path: &str) -> String {
    let of = |metadata: std::fs::Metadata| match metadata.file_type() {
        kind if kind.is_dir() => "directory",
        kind if kind.is_file() => "file",
        _ => "other",
    };
    let absent = |error: &io::Error| if is_absent(error) { "absent" } else { "unreadable" };
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            let target = std::fs::read_link(path).unwrap_or_default();
            let behind = std::fs::metadata(path).map_or_else(|error| absent(&error), of);
            format!("link to {} ({behind})", target.display())
        }
        Ok(metadata) => of(metadata).to_owned(),
        Err(error) => absent(&error).to_owned(),
    }
}

/// Names and kinds of the entries of a directory, as a digest.
fn listing(path: &str) -> String {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(_) => return kind(path),
    };
    let mut lines: Vec<String> = entries
        .flatten()
        .filter(|entry| !is_ignored(&entry.file_name()))
        .map(|entry| {
            let kind = entry.file_type().map_or('?', |kind| match kind {
                kind if kind.is_dir() => 'd',
                kind if kind.is_symlink() => 'l',
                _ => 'f',
            });
            format!("{kind}{}\0", entry.file_name().to_string_lossy())
        })
        .collect();
    lines.sort();
    vx_model::Digest::of(lines.concat().as_bytes()).to_string()
}

/// The directories strictly above `workspace` that have an entry `name`.
fn ancestors(workspace: &str, name: &str) -> String {
    let found: Vec<String> = Path::new(workspace)
        .ancestors()
        .skip(1)
        .map(|dir| dir.join(name))
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    if found.is_empty() {
        "none".to_owned()
    } else {
        found.join(", ")
    }
}

/// A question in words: `file src/main.rs`.
pub(crate) fn describe(input: &Input) -> String {
    let place = |place: &RootedPath| match place.root {
        Root::Workspace => place.path.clone(),
        Root::Host => format!("/{}", place.path),
        Root::Home => format!("$VX_HOME/{}", place.path),
        root => format!("{root:?}/{}", place.path).to_lowercase(),
    };
    match input {
        Input::File(path) => format!("file {}", place(path)),
        Input::Kind(path) => format!("path {}", place(path)),
        Input::Listing(path) => format!("list of files in {}", place(path)),
        Input::Tree(path) => format!("directory {}", place(path)),
        Input::Ancestors(name) => format!("{name} above the workspace"),
        Input::Env(name) => format!("environment variable {name}"),
        Input::Location(path) if path.path.is_empty() => format!("location of the {:?}", path.root).to_lowercase(),
        Input::Location(path) => format!("location of {}", place(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(dir: &Path, input: &Input) -> String {
        let roots = Roots::default().with(Root::Workspace, dir.to_str().unwrap());
        let world = World {
            roots: &roots,
            files: &FileDigests::default(),
            environment: &|name| (name == "SET").then(|| "value".to_owned()),
        };
        world.answer(input)
    }

    fn here(path: &str) -> RootedPath {
        RootedPath::new(Root::Workspace, path)
    }

    /// Each step changes what the question is about, and must change its answer.
    fn every_step_changes_the_answer(input: &Input, steps: &[&dyn Fn(&Path)]) {
        let dir = tempfile::tempdir().unwrap();
        let mut last = ask(dir.path(), input);
        for (number, step) in steps.iter().enumerate() {
            step(dir.path());
            let answer = ask(dir.path(), input);
            assert_ne!(answer, last, "step {number} of {input:?}");
            last = answer;
        }
    }

    #[test]
    fn answers_differ_when_the_world_differs() {
        let write =
            |name: &'static str, text: &'static str| move |dir: &Path| std::fs::write(dir.join(name), text).unwrap();
        let remove = |name: &'static str| move |dir: &Path| std::fs::remove_file(dir.join(name)).unwrap();
        let make = |name: &'static str| move |dir: &Path| std::fs::create_dir_all(dir.join(name)).unwrap();
        every_step_changes_the_answer(
            &Input::File(here("a")),
            &[&write("a", "1"), &write("a", "2"), &remove("a"), &make("a")],
        );
        every_step_changes_the_answer(&Input::Kind(here("a")), &[&write("a", "1"), &remove("a"), &make("a")]);
        every_step_changes_the_answer(
            &Input::Listing(here("d")),
            &[&make("d"), &write("d/x", "1"), &make("d/y"), &remove("d/x")],
        );
        every_step_changes_the_answer(
            &Input::Tree(here("d")),
            &[
                &make("d/deep"),
                &write("d/deep/x", "1"),
                &write("d/deep/x", "2"),
                &remove("d/deep/x"),
            ],
        );
    }

    #[test]
    fn a_kind_does_not_depend_on_the_content() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let before = ask(dir.path(), &Input::Kind(here("a")));
        std::fs::write(dir.path().join("a"), "2").unwrap();
        assert_eq!(before, ask(dir.path(), &Input::Kind(here("a"))));
    }

    #[test]
    fn an_unset_variable_is_not_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ask(dir.path(), &Input::Env("SET".to_owned())), "=value");
        assert_eq!(ask(dir.path(), &Input::Env("NOT_SET".to_owned())), "unset");
    }

    #[test]
    fn an_entry_above_the_workspace_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = dir.path().join("deep/down");
        std::fs::create_dir_all(&workspace).unwrap();
        let question = Input::Ancestors("a-name-that-nobody-uses".to_owned());
        assert_eq!(ask(&workspace, &question), "none");
        std::fs::write(dir.path().join("a-name-that-nobody-uses"), "").unwrap();
        assert!(ask(&workspace, &question).ends_with("/a-name-that-nobody-uses"));
    }
}
