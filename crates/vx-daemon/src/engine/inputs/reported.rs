//! Converts what rustc reported (its dep-info) to the inputs that decide its result.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use vx_cargo::DepInfo;
use vx_model::{Input, Part, Root, RootedPath, Template};
use vx_path::{LastLink, Resolved, resolve};

use super::noted::Noted;
use super::{Locator, leads_to_a_root};

/// A dep-info, interpreted.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    /// What was read.
    pub(crate) inputs: Vec<Input>,
    /// What must not have been touched since the start.
    pub(crate) noted: Noted,
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
            .map(|file| vx_cargo::normalize(directory.into(), file.as_str().into()).into_string())
            .collect();
        for (file, normal) in dep_info.files.iter().zip(&files) {
            if !file.contains("..") && locator.locate(normal).root.is_immutable() {
                continue;
            }
            let found = found(directory, file, locator);
            if found.names.iter().any(|name| name.root.is_immutable()) {
                continue;
            }
            if is_path {
                let others = found.names.iter().filter_map(other_spelling);
                reported.inputs.extend(others.map(Input::Kind));
                reported
                    .noted
                    .untouched
                    .extend(other_spelling_of(found.path.as_str()).map(Utf8PathBuf::from));
            }
            reported.noted.directories.extend(found.directories());
            reported.noted.untouched.extend(found.links);
            reported.inputs.extend(found.passed.into_iter().map(Input::Kind));
            reported.inputs.extend(found.names.into_iter().map(Input::File));
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

/// Where a path that a process has named leads.
pub(crate) struct Found {
    /// Its names; see [`Locator::names`].
    pub(crate) names: Vec<RootedPath>,
    /// Links on the way, and directories that a `..` left.
    pub(crate) passed: Vec<RootedPath>,
    /// Absolute; a link at the end is not followed.
    path: Utf8PathBuf,
    /// The links, absolute.
    links: Vec<Utf8PathBuf>,
}

impl Found {
    /// The directories below the workspace, or below another that it is named from, on the way to it.
    fn directories(&self) -> impl Iterator<Item = Utf8PathBuf> {
        let below = |name: &RootedPath| name.path.split('/').filter(|component| *component != "..").count();
        let depth = self.names.iter().map(below).min().unwrap_or_default();
        self.path
            .ancestors()
            .skip(1)
            .take(depth.saturating_sub(1))
            .map(Utf8Path::to_owned)
    }
}

/// Finds `path`, from the absolute path `directory` if it is relative, as the kernel does.
pub(crate) fn found(directory: &str, path: &str, locator: &Locator) -> Found {
    let to = |last| resolve(directory.into(), path.into(), last);
    let Resolved { path, climbed_from, .. } = to(LastLink::Keep);
    let named = locator.as_named(path.as_str());
    let passed = to(LastLink::Follow).passed.into_iter();
    let passed: Vec<Utf8PathBuf> = passed
        .filter(|passed| !leads_to_a_root(&locator.as_named(passed.as_str()), locator))
        .collect();
    let names_of = |path: &Utf8PathBuf| {
        locator.names(
            &locator.as_named(path.as_str()),
            climbed_from.as_ref().map(|from| from.as_str()),
        )
    };
    Found {
        names: locator.names(&named, climbed_from.as_ref().map(|from| from.as_str())),
        passed: passed.iter().flat_map(names_of).collect(),
        links: passed.into_iter().filter(|passed| passed.is_symlink()).collect(),
        path,
    }
}

/// The other file for the same module. If it existed, the module would be ambiguous.
fn other_spelling(path: &RootedPath) -> Option<RootedPath> {
    other_spelling_of(&path.path).map(|other| RootedPath::new(path.root, other))
}

fn other_spelling_of(path: &str) -> Option<String> {
    let stem = path.strip_suffix(".rs")?;
    Some(match stem.strip_suffix("/mod") {
        Some(directory) => format!("{directory}.rs"),
        None => format!("{stem}/mod.rs"),
    })
}

#[cfg(test)]
mod tests {
    use vx_model::Roots;

    use super::*;

    fn locator() -> Locator {
        let roots = Roots::default()
            .with(Root::Workspace, "/nowhere/w")
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
        Reported::of(&dep_info, "/nowhere/w", true, &locator(), &value)
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
        let inputs = reported(
            &["/nowhere/lib/src/lib.rs", "src/main.rs", "/vx/packages/a/src/lib.rs"],
            &[],
        )
        .inputs;
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
