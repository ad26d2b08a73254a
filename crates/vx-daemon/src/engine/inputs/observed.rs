//! Converts what a process was seen to use to the inputs that decide its result.

use vx_model::{Access, Input, Root, RootedPath};
use vx_proto::AccessKind;

use super::Locator;

/// An observation, interpreted.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What the process has used.
    pub(crate) inputs: Vec<Input>,
    /// Writable paths that it has created or replaced.
    pub(crate) written: Vec<RootedPath>,
    /// Other paths outside of the action's own directories that it changed, so it cannot be replayed from the store.
    pub(crate) changed: Vec<String>,
}

/// Interprets an observation of an action with the permissions of `access`.
pub(crate) fn interpret(accesses: &[vx_proto::Access], access: &Access, locator: &Locator) -> Seen {
    let roots = locator.roots();
    let workspace = roots.dir(Root::Workspace);
    let absolute = |paths: &[RootedPath]| -> Vec<String> { paths.iter().map(|path| roots.absolute(path)).collect() };
    let (private, writable) = (absolute(&access.private), absolute(&access.writable));
    let is_in = |path: &str, directories: &[String]| directories.iter().any(|directory| is_below(path, directory));
    let mut seen = Seen::default();
    for (number, vx_proto::Access { path, kind }) in accesses.iter().enumerate() {
        let named = locator.locate(path);
        if named.root.is_immutable() || is_in(path, &private) {
            continue;
        }
        if *kind == AccessKind::Write {
            // Accesses are sorted, and `Write` is the last of the kinds.
            let is_only_use = number == 0 || accesses[number - 1].path != *path;
            match is_only_use && is_in(path, &writable) {
                true => seen.written.push(named),
                false => seen.changed.push(path.clone()),
            }
            continue;
        }
        if is_below(workspace, path) && *kind == AccessKind::Probe {
            // A parent directory of the workspace: it exists as long as the workspace does.
            continue;
        }
        // A path package beside the workspace is named, not searched for.
        if !named.path.starts_with("../")
            && let Some(name) = entry_above(workspace, path)
        {
            seen.inputs.push(Input::Ancestors(name));
        }
        if *kind == AccessKind::Probe && named.root == Root::Workspace {
            // `stat` also reports length and times: `git` uses nothing else to find out whether a checkout has changes.
            seen.inputs.push(Input::File(named.clone()));
        }
        seen.inputs.push(match kind {
            AccessKind::Read => Input::File(named),
            AccessKind::List => Input::Listing(named),
            AccessKind::Probe | AccessKind::Write => Input::Kind(named),
        });
    }
    seen
}

/// Whether `path` is `dir` or below it.
pub(crate) fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// If `path` is an entry of a parent directory of `workspace`: the name of that entry. A tool that searches upwards for
/// `.git` has looked at such entries, and would look at others in another checkout.
///
/// The root directory does not count: tools do not search upwards for `/usr` and `/etc`, which are the same everywhere.
fn entry_above(workspace: &str, path: &str) -> Option<String> {
    let mut dir = workspace;
    while let Some((parent, _)) = dir.rsplit_once('/') {
        dir = parent;
        let Some(rest) = path.strip_prefix(parent).and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let name = rest.split('/').next().unwrap_or(rest);
        let counts = !name.is_empty() && (!parent.is_empty() || rest == name);
        return (counts && !is_below(workspace, &format!("{parent}/{name}"))).then(|| name.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use vx_model::Roots;

    use super::*;

    fn see(accesses: &[(&str, AccessKind)]) -> Seen {
        let roots = Roots::default()
            .with(Root::Workspace, "/home/u/work")
            .with(Root::VxHome, "/home/u/.vx")
            .with(Root::UserHome, "/home/u")
            .with(Root::Toolchain, "/opt/rust");
        let accesses: Vec<vx_proto::Access> = accesses
            .iter()
            .map(|(path, kind)| vx_proto::Access {
                path: (*path).to_owned(),
                kind: *kind,
            })
            .collect();
        let access = Access {
            environment: false,
            writable: vec![RootedPath::new(Root::Workspace, "")],
            private: vec![RootedPath::new(Root::Workspace, ".vx")],
            containment: None,
        };
        let beside = RootedPath::new(Root::Workspace, "../lib");
        interpret(&accesses, &access, &Locator::new(roots, [&beside]))
    }

    #[test]
    fn files_of_the_workspace_are_named_relative_to_it() {
        let seen = see(&[
            ("/home/u/work/build/x", AccessKind::Read),
            ("/home/u/work", AccessKind::List),
        ]);
        let expected = [
            Input::File(RootedPath::new(Root::Workspace, "build/x")),
            Input::Listing(RootedPath::new(Root::Workspace, "")),
        ];
        assert_eq!(seen.inputs, expected);
    }

    #[test]
    fn the_content_of_what_is_only_looked_at_in_the_workspace_counts() {
        let seen = see(&[
            ("/home/u/work/data", AccessKind::Probe),
            ("/usr/bin/git", AccessKind::Probe),
        ]);
        let data = RootedPath::new(Root::Workspace, "data");
        let git = RootedPath::new(Root::Host, "usr/bin/git");
        assert_eq!(
            seen.inputs,
            [Input::File(data.clone()), Input::Kind(data), Input::Kind(git)]
        );
    }

    #[test]
    fn immutable_files_are_not_recorded() {
        let seen = see(&[
            ("/home/u/.vx/packages/a-1.0.0-00/src/lib.rs", AccessKind::Read),
            ("/opt/rust/lib/librustc_driver.so", AccessKind::Read),
            ("/home/u/work/.vx/incremental/x", AccessKind::Write),
            ("/home", AccessKind::Probe),
            ("/", AccessKind::Probe),
        ]);
        assert!(seen.inputs.is_empty() && seen.written.is_empty() && seen.changed.is_empty());
    }

    #[test]
    fn a_search_upwards_is_recorded_as_a_search() {
        for path in ["/home/u/.git", "/home/.git", "/.git"] {
            let seen = see(&[(path, AccessKind::Probe)]);
            assert_eq!(seen.inputs[0], Input::Ancestors(".git".to_owned()), "{path}");
        }
        let deeper = see(&[("/home/u/.git/HEAD", AccessKind::Read)]);
        assert_eq!(deeper.inputs[0], Input::Ancestors(".git".to_owned()));
    }

    #[test]
    fn files_of_the_home_are_named_by_it_and_packages_beside_the_workspace_by_the_workspace() {
        let seen = see(&[
            ("/home/u/.gitconfig", AccessKind::Read),
            ("/home/u/lib/src/x", AccessKind::Read),
        ]);
        let expected = [
            Input::Ancestors(".gitconfig".to_owned()),
            Input::File(RootedPath::new(Root::UserHome, ".gitconfig")),
            Input::File(RootedPath::new(Root::Workspace, "../lib/src/x")),
        ];
        assert_eq!(seen.inputs, expected);
    }

    #[test]
    fn files_of_the_system_are_recorded_by_their_absolute_path_alone() {
        let seen = see(&[("/usr/bin/git", AccessKind::Read)]);
        assert_eq!(seen.inputs, [Input::File(RootedPath::new(Root::Host, "usr/bin/git"))]);
    }

    #[test]
    fn a_change_elsewhere_is_reported() {
        let seen = see(&[
            ("/home/u/other", AccessKind::Write),
            ("/home/u/work/log", AccessKind::Read),
            ("/home/u/work/log", AccessKind::Write),
            ("/home/u/work/src/generated.rs", AccessKind::Write),
        ]);
        assert_eq!(seen.changed, ["/home/u/other", "/home/u/work/log"]);
        let generated = RootedPath::new(Root::Workspace, "src/generated.rs");
        assert_eq!(seen.written, [generated]);
    }
}
