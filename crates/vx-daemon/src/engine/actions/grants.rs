//! What a contained action was denied, and what it is granted then.
//!
//! It may also turn out that it must find its directories where they are, instead of at the same paths in every
//! checkout: what it made names them, it used what is around them, or it failed.
//!
//! An action that fails, and has tried to reach the network or to write somewhere, may have failed because of that: it
//! is run again with just that granted. Its result then depends on things that are not known, so it is bound to its
//! place; if it has written there, which a hit would not repeat, it is not kept. Some things are never granted.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use vx_model::{Action, Input, Root, RootedPath, Roots, Template};
use vx_path::is_below;
use vx_proto::{AccessKind, ExecuteResult, Observation};

/// Below the user's home: what shells read when they start, and what people start by themselves.
const START_UP: &[&str] = &[
    ".profile",
    ".bash_profile",
    ".bash_login",
    ".bash_logout",
    ".bashrc",
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".zlogin",
    ".config/fish",
    ".config/autostart",
    ".config/systemd",
    ".local/bin",
    ".local/share/applications",
    ".gitconfig",
    ".config/git",
];

/// The homes of Cargo and rustup: their variables, and where they are without.
const TOOLS: [(&str, &str); 2] = [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")];

/// What an action is granted besides its containment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Whether it reaches the network.
    pub(crate) network: bool,
    /// What it may change.
    pub(crate) writable: BTreeSet<RootedPath>,
    /// Whether it finds everything where it is. True in effect if anything else is granted.
    pub(crate) real_paths: bool,
}

/// What an action that failed was denied.
#[derive(Debug, Default)]
pub(crate) struct Denied {
    /// What can be granted.
    pub(crate) grants: Grants,
    /// Paths that no action may change, absolute.
    pub(crate) refused: Vec<String>,
}

impl Grants {
    /// Only that everything is found where it is.
    pub(crate) fn real_paths() -> Self {
        Self {
            real_paths: true,
            ..Self::default()
        }
    }

    /// Whether nothing is granted.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Grants them to `action`, if it is contained.
    pub(crate) fn give(&self, action: &mut Action) {
        let Some(containment) = &mut action.access.containment else {
            return;
        };
        if !self.is_empty() {
            containment.view = None;
        }
        containment.network |= self.network;
        for path in &self.writable {
            if !containment.writable.contains(path) {
                containment.writable.push(path.clone());
            }
        }
    }

    /// Whether anything is granted that the user is told of.
    pub(crate) fn are_told(&self) -> bool {
        self.network || !self.writable.is_empty()
    }

    /// In words: `the network`, `to write to ~/.cache`.
    pub(crate) fn describe(&self, roots: &Roots) -> String {
        let network = self.network.then(|| "the network".to_owned());
        let paths = self.writable.iter();
        let paths = paths.map(|path| format!("to write to `{}`", roots.absolute(path)));
        network.into_iter().chain(paths).collect::<Vec<_>>().join(" and ")
    }

    /// Adds others.
    pub(crate) fn extend(&mut self, others: &Self) {
        self.network |= others.network;
        self.real_paths |= others.real_paths;
        self.writable.extend(others.writable.iter().cloned());
    }

    /// As settings for a package, in TOML.
    pub(crate) fn settings(&self, package: &str) -> String {
        let mut lines = vec![format!("[sandbox.packages.{package}]")];
        lines.extend(self.network.then(|| "network = true".to_owned()));
        let paths = self.writable.iter().map(|path| match path.root {
            Root::UserHome => format!("\"~/{}\"", path.path),
            Root::Host => format!("\"/{}\"", path.path),
            _ => format!("\"{}\"", path.path),
        });
        let paths: Vec<String> = paths.collect();
        lines.extend((!paths.is_empty()).then(|| format!("write = [{}]", paths.join(", "))));
        lines.join("\n")
    }

    /// The inputs that bind a result with them to its place; none if nothing is granted.
    pub(crate) fn bind(&self, roots: &Roots) -> Vec<Input> {
        let bound: &[Root] = match (self.are_told(), self.real_paths) {
            (true, _) => &[Root::Workspace, Root::UserHome, Root::VxHome],
            (false, true) => &[Root::Workspace],
            (false, false) => &[],
        };
        let known = bound.iter().filter(|root| roots.knows(**root));
        known.map(|root| Input::Location(RootedPath::new(*root, ""))).collect()
    }
}

impl Denied {
    /// What `action` was denied in a run with this result; if it succeeded, only whether it has left its view. Nothing if
    /// it was not contained.
    pub(crate) fn of(
        action: &Action,
        result: &ExecuteResult,
        roots: &Roots,
        environment: &BTreeMap<String, Template>,
    ) -> Self {
        let mut denied = Self::default();
        let Some(containment) = &action.access.containment else {
            return denied;
        };
        let is_known = matches!(result.observation, Observation::Complete(_));
        denied.grants.real_paths = action.view().is_some() && (result.left_view || result.services || !is_known);
        if result.exit_code == Some(0) {
            return denied;
        }
        denied.grants.network = result.network && !containment.network;
        let Observation::Complete(accesses) = &result.observation else {
            return denied;
        };
        let limits = Limits {
            roots,
            never: never(roots, environment),
            writable: containment.writable.iter().map(|path| roots.absolute(path)).collect(),
            read_only: containment.read_only.iter().map(|path| roots.absolute(path)).collect(),
        };
        for access in accesses.iter().filter(|access| access.kind == AccessKind::Write) {
            limits.judge(&access.path, &mut denied);
        }
        denied
    }
}

/// What may be granted in one run.
struct Limits<'a> {
    roots: &'a Roots,
    /// Absolute.
    never: Vec<String>,
    writable: Vec<String>,
    read_only: Vec<String>,
}

impl Limits<'_> {
    fn judge(&self, path: &str, denied: &mut Denied) {
        let is_in = |directories: &[String]| directories.iter().any(|directory| is_below(path, directory));
        if is_in(&self.writable) && !is_in(&self.read_only) {
            return;
        }
        let existing = Utf8Path::new(path).ancestors().find(|ancestor| ancestor.exists());
        let holds = |inner: &String| existing.is_some_and(|existing| is_below(inner, existing.as_str()));
        match existing {
            // What is granted as a whole must hold nothing that is not.
            Some(existing) if !is_in(&self.never) && !is_in(&self.read_only) && !self.never.iter().any(holds) => {
                denied.grants.writable.insert(self.roots.locate(existing.as_str()));
            }
            _ => denied.refused.push(path.to_owned()),
        }
    }
}

/// What is never granted, absolute.
fn never(roots: &Roots, environment: &BTreeMap<String, Template>) -> Vec<String> {
    let of_vx = [Root::VxHome, Root::Toolchain]
        .into_iter()
        .filter(|root| roots.knows(*root));
    let mut never: Vec<String> = of_vx.map(|root| roots.dir(root).to_owned()).collect();
    let has_home = roots.knows(Root::UserHome);
    let in_home = |path: &str| roots.absolute(&RootedPath::new(Root::UserHome, path));
    for (variable, usual) in TOOLS {
        match environment.get(variable) {
            Some(directory) => never.push(directory.render(roots)),
            None if has_home => never.push(in_home(usual)),
            None => {}
        }
    }
    if has_home {
        never.extend(START_UP.iter().map(|path| in_home(path)));
    }
    never
}
