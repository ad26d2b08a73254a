//! Finds the current answers to the inputs of a set.
//!
//! An answer is a short text; equal answers mean that an action would see the same. If a value names a path below a
//! root, the answer names it by role, so that it is equal in another checkout and for another user. Only
//! [`Input::Location`] is answered with an absolute path, to bind a result to a directory on purpose.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use vx_home::WorkspaceLayout;
use vx_model::{DigestHasher, Input, InputSet, KeyPart, Root, RootedPath, Roots, Template};

use super::environment::{self, WHOLE_ENVIRONMENT};
use super::files::{FileDigests, is_absent, touched_since};

/// Names of directories with build outputs or version control, which are never inputs as part of a tree.
const IGNORED: &[&str] = &[WorkspaceLayout::DIRECTORY, ".git"];

/// The world as one action sees it.
pub(crate) struct World<'a> {
    /// The directories of the roots.
    pub(crate) roots: &'a Roots,
    /// Known digests.
    pub(crate) files: &'a FileDigests,
    /// The value of a variable.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<Template>,
    /// The answer to [`Input::Environment`].
    pub(crate) environment: &'a dyn Fn() -> String,
}

/// Inputs with their answers; paths are absolute, so that answers of several actions can be combined.
pub(crate) type Answers = BTreeMap<Input, String>;

impl World<'_> {
    /// The answers to all inputs of `set`, in its order.
    pub(crate) fn answers(&self, set: &InputSet) -> Vec<String> {
        set.inputs().iter().map(|input| self.answer(input)).collect()
    }

    /// The answer to one input.
    pub(crate) fn answer(&self, input: &Input) -> String {
        match input {
            Input::File(path) => self.at(path, |path| self.file(path)),
            Input::Kind(path) => self.at(path, |path| self.kind(path)),
            Input::Stat(path) => self.at(path, |path| self.stat(path)),
            Input::Listing(path) => self.at(path, |path| self.listing(path)),
            Input::Tree(path) => self.at(path, |path| self.tree(path)),
            Input::Location(path) => self.at(path, str::to_owned),
            Input::Ancestors(name) => self.ancestors(name),
            Input::Env(name) => self.variable(name),
            Input::Environment => (self.environment)(),
        }
    }

    /// The answer to an input about a path. Paths below an unknown root do not exist.
    fn at(&self, path: &RootedPath, answer: impl Fn(&str) -> String) -> String {
        match self.roots.knows(path.root) {
            true => answer(&self.roots.absolute(path)),
            false => format!("no {}", path.root.name()),
        }
    }

    fn variable(&self, name: &str) -> String {
        match (self.variable)(name) {
            Some(value) => format!("={value}"),
            None => "unset".to_owned(),
        }
    }

    /// A path by role.
    fn named(&self, path: &str) -> Template {
        Template::from_text(path, self.roots)
    }

    fn file(&self, path: &str) -> String {
        match self.files.digest(path) {
            Ok(Some(digest)) => digest.to_string(),
            Ok(None) => self.kind(path),
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

    /// What is at `path`: `absent`, `file`, `directory`, `other`, or a link with its target and the kind of that.
    fn kind(&self, path: &str) -> String {
        self.kind_of(path, &std::fs::symlink_metadata(path))
    }

    /// The same, where `found` is what is there.
    fn kind_of(&self, path: &str, found: &io::Result<Metadata>) -> String {
        let of = |metadata: &Metadata| match metadata.file_type() {
            kind if kind.is_dir() => "directory",
            kind if kind.is_file() => "file",
            _ => "other",
        };
        let absent = |error: &io::Error| if is_absent(error) { "absent" } else { "unreadable" };
        match found {
            Ok(metadata) if metadata.is_symlink() => {
                let target = std::fs::read_link(path).unwrap_or_default();
                let behind = std::fs::metadata(path).map_or_else(|error| absent(&error), |metadata| of(&metadata));
                format!("link to {} ({behind})", self.named(&target.to_string_lossy()))
            }
            Ok(metadata) => of(metadata).to_owned(),
            Err(error) => absent(error).to_owned(),
        }
    }

    /// Its kind, permission bits and, for a file, its length.
    fn stat(&self, path: &str) -> String {
        let found = std::fs::symlink_metadata(path);
        let kind = self.kind_of(path, &found);
        match found {
            Ok(metadata) if metadata.is_symlink() => kind,
            Ok(metadata) if metadata.is_file() => {
                format!("{kind}, mode {:o}, {} bytes", permissions(&metadata), metadata.len())
            }
            Ok(metadata) => format!("{kind}, mode {:o}", permissions(&metadata)),
            Err(_) => kind,
        }
    }

    /// Names and kinds of the entries of a directory, as a digest. Only vx's own directory does not count: `.git` may be
    /// what is looked for.
    fn listing(&self, path: &str) -> String {
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(_) => return self.kind(path),
        };
        let mut lines: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.file_name() != WorkspaceLayout::DIRECTORY)
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

    /// The parent directories of the workspace that have an entry `name`: those that its path names, and those in which it
    /// really is.
    /// Where it is, relative to the workspace: what is used of it is an input of its own.
    fn ancestors(&self, name: &str) -> String {
        let workspace = PathBuf::from(self.roots.dir(Root::Workspace));
        let real = workspace.canonicalize().ok().filter(|real| *real != workspace);
        let above = [workspace]
            .iter()
            .chain(&real)
            .flat_map(|directory| directory.ancestors().enumerate().skip(1))
            .map(|(up, directory)| (directory.join(name), format!("{}{name}", "../".repeat(up))))
            .collect::<Vec<_>>();
        let there = above.into_iter().filter(|(path, _)| path.symlink_metadata().is_ok());
        let found: Vec<String> = there.map(|(_, relative)| relative).collect();
        match found.is_empty() {
            true => "none".to_owned(),
            false => found.join(", "),
        }
    }
}

/// The same input with an absolute path, to be combined with those of other actions. `None` for inputs about the
/// environment, which is compared as a whole, and about unknown roots, which depend on it.
pub(crate) fn absolute(input: &Input, roots: &Roots) -> Option<Input> {
    let host = |path: &RootedPath| {
        let absolute = roots.knows(path.root).then(|| roots.absolute(path))?;
        Some(RootedPath::new(Root::Host, absolute.trim_start_matches('/')))
    };
    match input {
        Input::File(path) => host(path).map(Input::File),
        Input::Kind(path) => host(path).map(Input::Kind),
        Input::Stat(path) => host(path).map(Input::Stat),
        Input::Listing(path) => host(path).map(Input::Listing),
        Input::Tree(path) => host(path).map(Input::Tree),
        Input::Ancestors(_) => Some(input.clone()),
        Input::Env(_) | Input::Environment | Input::Location(_) => None,
    }
}

/// A path of `set` that was touched at or after `since_ns`, according to its stamp.
pub(crate) fn changed_since(set: &InputSet, roots: &Roots, since_ns: i128) -> Option<String> {
    set.inputs().iter().find_map(|input| {
        let absolute = |path: &RootedPath| roots.knows(path.root).then(|| roots.absolute(path));
        match input {
            // Where there is a directory, only that it is one is the answer.
            Input::File(path) => {
                absolute(path).filter(|path| !Path::new(path).is_dir() && touched_since(path.as_ref(), since_ns))
            }
            Input::Listing(path) => absolute(path).filter(|path| touched_since(path.as_ref(), since_ns)),
            Input::Tree(path) => touched_below(&absolute(path)?, since_ns),
            Input::Kind(_)
            | Input::Stat(_)
            | Input::Ancestors(_)
            | Input::Env(_)
            | Input::Environment
            | Input::Location(_) => None,
        }
    })
}

/// A file or directory of an [`Input::Tree`] that was touched at or after `since_ns`.
fn touched_below(path: &str, since_ns: i128) -> Option<String> {
    let mut touched = walk(path)
        .flatten()
        .filter(|entry| touched_since(entry.path(), since_ns));
    touched.next().map(|entry| entry.path().to_string_lossy().into_owned())
}

/// The permission bits.
fn permissions(metadata: &Metadata) -> u32 {
    cfg_if::cfg_if! {
        if #[cfg(unix)] {
            use std::os::unix::fs::PermissionsExt as _;
            metadata.permissions().mode() & 0o7777
        } else {
            u32::from(metadata.permissions().readonly())
        }
    }
}

/// Everything below a directory, sorted, without ignored names.
fn walk(path: &str) -> impl Iterator<Item = walkdir::Result<walkdir::DirEntry>> {
    walkdir::WalkDir::new(path)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_ignored(entry.file_name()))
}

fn is_ignored(name: &std::ffi::OsStr) -> bool {
    IGNORED.iter().any(|ignored| name == *ignored)
}

/// An input with its answer, for people. Each variable of the environment has a part of its own.
pub(crate) fn parts(input: &Input, answer: &str) -> Vec<KeyPart> {
    if *input != Input::Environment {
        return vec![KeyPart::new(describe(input), answer)];
    }
    let variables = environment::answered(answer);
    let variables = variables.map(|(name, value)| KeyPart::new(format!("environment variable {name}"), value));
    std::iter::once(KeyPart::new(describe(input), "counts"))
        .chain(variables)
        .collect()
}

/// An input in words: `file src/main.rs`.
fn describe(input: &Input) -> String {
    let shown = |path: &RootedPath| match path.root {
        Root::Workspace => path.path.clone(),
        Root::Host => format!("/{}", path.path),
        Root::VxHome => format!("$VX_HOME/{}", path.path),
        Root::UserHome => format!("~/{}", path.path),
        Root::Toolchain | Root::Exec | Root::Script => path.to_string(),
    };
    match input {
        Input::File(path) => format!("file {}", shown(path)),
        Input::Kind(path) => format!("path {}", shown(path)),
        Input::Stat(path) => format!("metadata of {}", shown(path)),
        Input::Listing(path) => format!("list of files in {}", shown(path)),
        Input::Tree(path) => format!("directory {}", shown(path)),
        Input::Ancestors(name) => format!("{name} above the workspace"),
        Input::Env(name) => format!("environment variable {name}"),
        Input::Environment => WHOLE_ENVIRONMENT.to_owned(),
        Input::Location(path) => match (path.root, path.path.as_str()) {
            (Root::Workspace, "") => "location of the workspace".to_owned(),
            (Root::VxHome, "") => "location of $VX_HOME".to_owned(),
            (Root::UserHome, "") => "location of the home directory".to_owned(),
            (Root::Toolchain, "") => "location of the toolchain".to_owned(),
            _ => format!("location of {}", shown(path)),
        },
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
            variable: &|name| match name {
                "SET" => Some("value".into()),
                "HOME" => Some(RootedPath::new(Root::Workspace, "home").into()),
                _ => None,
            },
            environment: &String::new,
        };
        world.answer(input)
    }

    fn here(path: &str) -> RootedPath {
        RootedPath::new(Root::Workspace, path)
    }

    /// Each step changes the input, and must change its answer.
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
            &[
                &make("d"),
                &write("d/x", "1"),
                &make("d/y"),
                &remove("d/x"),
                &make("d/.git"),
            ],
        );
        let mode = |name: &'static str, mode: u32| {
            use std::os::unix::fs::PermissionsExt as _;
            move |dir: &Path| {
                std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
            }
        };
        every_step_changes_the_answer(
            &Input::Stat(here("a")),
            &[
                &write("a", "1"),
                &write("a", "12"),
                &mode("a", 0o755),
                &mode("a", 0o600),
                &remove("a"),
                &make("a"),
                &mode("a", 0o711),
            ],
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
    fn what_vx_itself_writes_is_not_listed() {
        let dir = tempfile::tempdir().unwrap();
        let before = ask(dir.path(), &Input::Listing(here("")));
        std::fs::create_dir(dir.path().join(".vx")).unwrap();
        assert_eq!(before, ask(dir.path(), &Input::Listing(here(""))));
    }

    #[test]
    fn an_unset_variable_is_not_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ask(dir.path(), &Input::Env("SET".to_owned())), "=value");
        assert_eq!(ask(dir.path(), &Input::Env("NOT_SET".to_owned())), "unset");
        assert_eq!(ask(dir.path(), &Input::Env("HOME".to_owned())), "={workspace/home}");
    }

    #[test]
    fn a_link_is_named_by_role() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("target"), dir.path().join("link")).unwrap();
        let answer = ask(dir.path(), &Input::Kind(here("link")));
        assert_eq!(answer, "link to {workspace}/target (absent)");
    }

    #[test]
    fn a_user_without_a_home_has_nothing_there() {
        let dir = tempfile::tempdir().unwrap();
        let input = Input::File(RootedPath::new(Root::UserHome, ".gitconfig"));
        assert_eq!(ask(dir.path(), &input), "no home");
    }

    #[test]
    fn an_entry_above_the_workspace_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = dir.path().join("deep/down");
        std::fs::create_dir_all(&workspace).unwrap();
        let input = Input::Ancestors("a-name-that-nobody-uses".to_owned());
        assert_eq!(ask(&workspace, &input), "none");
        std::fs::write(dir.path().join("a-name-that-nobody-uses"), "").unwrap();
        assert_eq!(ask(&workspace, &input), "../../a-name-that-nobody-uses");
    }
}
