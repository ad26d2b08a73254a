//! Converts what rustc reported (its dep-info) to the inputs that decide its result.

use std::collections::BTreeSet;

use vx_cargo::DepInfo;
use vx_model::{Input, Part, Root, RootedPath, Template};

use super::Locator;

/// A dep-info, interpreted.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    /// What was read.
    pub(crate) inputs: Vec<Input>,
    /// Roots whose directories were only used to find files, but may be in the output: [`super::PathLeaks`] decides.
    pub(crate) may_leak: BTreeSet<Root>,
}

impl Reported {
    /// For a run of rustc in `directory`, an absolute path; `variable` returns its variables. `is_path`: whether the
    /// crate is a path package, in which modules may move.
    pub(crate) fn of(
        dep_info: &DepInfo,
        directory: &str,
        is_path: bool,
        locator: &Locator,
        variable: &dyn Fn(&str) -> Option<Template>,
    ) -> Self {
        let mut reported = Self::default();
        let files: Vec<String> = dep_info
            .files
            .iter()
            .map(|file| absolute_path(directory, file))
            .collect();
        for file in &files {
            let path = locator.locate(file);
            if path.root.is_immutable() {
                continue;
            }
            if is_path && let Some(other) = other_spelling(&path) {
                reported.inputs.push(Input::Kind(other));
            }
            reported.inputs.push(Input::File(path));
        }
        for (name, _) in &dep_info.env {
            reported.inputs.push(Input::Env(name.clone()));
            for part in variable(name).into_iter().flat_map(|value| value.parts) {
                if let Part::Path(path) = part {
                    reported.add_path(&path, &files, locator);
                }
            }
        }
        reported
    }

    /// Handles a path that `env!` gave to the crate. It may be a value in the output, or only be used to find files, as
    /// in `include!(concat!(env!("OUT_DIR"), "/x.rs"))`. Files below `$VX_HOME` are immutable and the same for
    /// everybody, so in the second case the result may be shared.
    fn add_path(&mut self, path: &RootedPath, files: &[String], locator: &Locator) {
        let below = format!("{}/", locator.roots().absolute(path));
        let finds_files = path.root == Root::VxHome && files.iter().any(|file| file.starts_with(&below));
        match finds_files {
            true => _ = self.may_leak.insert(path.root),
            false => self.inputs.push(Input::Location(RootedPath::new(path.root, ""))),
        }
    }
}

/// `path` as an absolute path without `.` and `..`, relative ones from `directory`.
pub(crate) fn absolute_path(directory: &str, path: &str) -> String {
    vx_cargo::normalize(directory.into(), path.into()).into_string()
}

/// The other file for the same module. If it existed, the module would be ambiguous.
fn other_spelling(path: &RootedPath) -> Option<RootedPath> {
    if matches!(path.root, Root::Host | Root::UserHome) {
        return None;
    }
    let stem = path.path.strip_suffix(".rs")?;
    let other = match stem.strip_suffix("/mod") {
        Some(directory) => format!("{directory}.rs"),
        None => format!("{stem}/mod.rs"),
    };
    Some(RootedPath::new(path.root, other))
}

#[cfg(test)]
mod tests {
    use vx_model::Roots;

    use super::*;

    fn locator() -> Locator {
        let roots = Roots::default()
            .with(Root::Workspace, "/w")
            .with(Root::VxHome, "/vx")
            .with(Root::UserHome, "/home/u");
        Locator::new(roots, [&RootedPath::new(Root::Workspace, "../lib")])
    }

    fn reported(files: &[&str], variables: &[(&str, Template)]) -> Reported {
        let dep_info = DepInfo {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            env: variables.iter().map(|(name, _)| ((*name).to_owned(), None)).collect(),
        };
        let value = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.clone())
        };
        Reported::of(&dep_info, "/w", true, &locator(), &value)
    }

    #[test]
    fn modules_have_two_spellings() {
        let other = |path: &str| other_spelling(&RootedPath::new(Root::Workspace, path)).map(|path| path.path);
        assert_eq!(other("src/a.rs").as_deref(), Some("src/a/mod.rs"));
        assert_eq!(other("src/a/mod.rs").as_deref(), Some("src/a.rs"));
        assert_eq!(other("src/data.txt"), None);
    }

    #[test]
    fn a_package_beside_the_workspace_is_named_relative_to_it() {
        let inputs = reported(&["/lib/src/lib.rs", "src/main.rs", "/vx/packages/a/src/lib.rs"], &[]).inputs;
        let files: Vec<String> = inputs
            .iter()
            .filter_map(|input| match input {
                Input::File(path) => Some(path.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(files, ["workspace/../lib/src/lib.rs", "workspace/src/main.rs"]);
    }

    #[test]
    fn a_path_from_env_binds_unless_it_is_used_to_find_immutable_files() {
        let location = |root| Input::Location(RootedPath::new(root, ""));
        let out_dir = || Template::from(RootedPath::new(Root::VxHome, "out/0"));
        let included = reported(&["/vx/out/0/x.rs"], &[("OUT_DIR", out_dir())]);
        assert_eq!(included.inputs, [Input::Env("OUT_DIR".to_owned())]);
        assert_eq!(included.may_leak, BTreeSet::from([Root::VxHome]));

        let value = reported(&["src/main.rs"], &[("OUT_DIR", out_dir())]);
        assert!(value.inputs.contains(&location(Root::VxHome)));
        let manifest = RootedPath::new(Root::Workspace, "a").into();
        let manifest = reported(&["a/src/main.rs"], &[("CARGO_MANIFEST_DIR", manifest)]);
        assert!(manifest.inputs.contains(&location(Root::Workspace)));
        let home = reported(&[], &[("HOME", RootedPath::new(Root::UserHome, "").into())]);
        assert!(home.inputs.contains(&location(Root::UserHome)));
    }
}
