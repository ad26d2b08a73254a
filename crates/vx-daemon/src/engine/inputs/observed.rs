//! Converts what a process was seen to use to the inputs that decide its result.

use camino::Utf8Path;
use vx_model::{Access, Input, Root, RootedPath};
use vx_path::{Was, is_below, is_special};
use vx_proto::AccessKind;

use super::Locator;
use super::environment::is_linker_of_system;
use super::noted::Noted;

/// The environment of whoever reads it.
const ENVIRONMENT: &str = "/proc/self/environ";

/// An observation, interpreted.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What the process has used.
    pub(crate) inputs: Vec<Input>,
    /// What was there at that time.
    pub(crate) noted: Noted,
    /// Writable paths that it has created or replaced.
    pub(crate) written: Vec<RootedPath>,
    /// Other paths outside of the action's own directories that it changed, so it cannot be replayed from the store.
    pub(crate) changed: Vec<String>,
    /// What it read and cannot be asked again, because the kernel makes it up for each reader.
    pub(crate) unkeyed: Vec<String>,
    /// Programs that were executed, except for those of the toolchain.
    pub(crate) executed: Vec<String>,
    /// Whether it opened the environment of a process as a file.
    pub(crate) opened_environment: bool,
}

impl Seen {
    /// A path because of which the result cannot be kept.
    pub(crate) fn hindrance(&self) -> Option<&String> {
        self.changed.first().or(self.unkeyed.first())
    }

    /// Whether something other than rustc may have read the environment: a program of which it is not known which
    /// variables it reads.
    pub(crate) fn may_read_environment(&self) -> bool {
        self.opened_environment || self.executed.iter().any(|program| !is_linker_of_system(program))
    }
}

/// Interprets an observation of an action with the permissions of `access`.
pub(crate) fn interpret(accesses: &[vx_proto::Access], access: &Access, locator: &Locator) -> Seen {
    let roots = locator.roots();
    let workspace = roots.dir(Root::Workspace);
    let absolute = |paths: &[RootedPath]| -> Vec<String> { paths.iter().map(|path| roots.absolute(path)).collect() };
    let (private, writable) = (absolute(&access.private), absolute(&access.writable));
    let view = access
        .containment
        .as_ref()
        .and_then(|containment| containment.view.as_ref());
    let in_view = view.map(|view| absolute(&view.directories)).unwrap_or_default();
    let is_in = |path: &str, directories: &[String]| directories.iter().any(|directory| is_below(path, directory));
    let mut seen = Seen::default();
    for (number, used) in accesses.iter().enumerate() {
        let path = locator.as_named(&used.path);
        if used.kind == AccessKind::Execute {
            // What it is was also read.
            if locator.locate(&path).root != Root::Toolchain {
                seen.executed.push(path);
            }
            continue;
        }
        if path == ENVIRONMENT {
            seen.opened_environment = true;
            continue;
        }
        if used.kind == AccessKind::Search {
            let from = Utf8Path::new(used.climbed_from.as_deref().unwrap_or(workspace));
            let above = || from.ancestors().skip(1);
            if let Some(name) = above()
                .next()
                .and_then(|parent| Utf8Path::new(&used.path).strip_prefix(parent).ok())
            {
                // It was in none of them.
                seen.noted
                    .seen
                    .extend(above().map(|above| (above.join(name), Was::Absent, false)));
                seen.inputs.push(Input::Ancestors(name.to_string()));
            }
            continue;
        }
        let names = match is_in(&path, &in_view) {
            true => vec![locator.name_beside(&path)],
            false => locator.names(&path, used.climbed_from.as_deref()),
        };
        if names.iter().any(|name| name.root.is_immutable()) || is_in(&path, &private) || locator.is_bookkeeping(&path)
        {
            continue;
        }
        if used.kind == AccessKind::Write {
            // Accesses are sorted, and `Write` is the last of the kinds.
            let is_only_use = number == 0 || accesses[number - 1].path != used.path;
            match is_only_use && is_in(&path, &writable) {
                true => seen.written.extend(names.into_iter().next()),
                false => seen.changed.push(path),
            }
            continue;
        }
        if is_special(path.as_str().into()) {
            match used.kind {
                AccessKind::Probe => seen.inputs.extend(names.into_iter().map(Input::Stat)),
                _ => seen.unkeyed.push(path),
            }
            continue;
        }
        if leads_to_a_root(&path, locator) && matches!(used.kind, AccessKind::Probe | AccessKind::Pass) {
            // A parent directory of the workspace: it exists as long as the workspace does.
            continue;
        }
        seen.noted
            .seen
            .push((used.path.clone().into(), used.was, used.kind == AccessKind::List));
        // What is beside the workspace and found from there is named, not searched for. A search ends where it finds
        // something; what it did not find before is recorded as a search.
        let is_named_from_the_workspace = names.iter().any(|name| name.path.starts_with("../"));
        let ends_a_search = is_named_from_the_workspace && (names.len() == 1 || matches!(used.was, Was::There(_)));
        // In a view, a search is reported as one.
        if view.is_none()
            && !ends_a_search
            && used.kind != AccessKind::Pass
            && let Some(name) = entry_above(workspace, &path)
        {
            seen.inputs.push(Input::Ancestors(name));
        }
        for name in names {
            seen.add(used.kind, name);
        }
    }
    seen
}

impl Seen {
    fn add(&mut self, kind: AccessKind, name: RootedPath) {
        match kind {
            AccessKind::Read => self.inputs.push(Input::File(name.clone())),
            AccessKind::List => self.inputs.push(Input::Listing(name.clone())),
            // `stat` also reports times: `git` uses nothing else to find out whether a checkout has changes.
            AccessKind::Probe if name.root == Root::Workspace => self.inputs.push(Input::File(name.clone())),
            AccessKind::Pass => return self.inputs.push(Input::Kind(name)),
            AccessKind::Probe | AccessKind::Execute | AccessKind::Search | AccessKind::Write => {}
        }
        // What is open can be asked for its permission bits too, and is copied with them.
        self.inputs.push(Input::Stat(name));
    }
}

/// Whether `path` is the workspace or a directory above it, or a link on the way to another root.
pub(super) fn leads_to_a_root(path: &str, locator: &Locator) -> bool {
    let roots = locator.roots();
    let known = Root::ALL
        .into_iter()
        .filter(|root| *root != Root::Host && roots.knows(*root));
    known.into_iter().any(|root| is_below(roots.dir(root), path))
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
                was: Was::Absent,
                climbed_from: None,
            })
            .collect();
        let access = Access {
            environment: false,
            writable: vec![RootedPath::new(Root::Workspace, "")],
            private: vec![RootedPath::new(Root::Workspace, ".vx")],
            containment: None,
        };
        let beside = RootedPath::new(Root::Workspace, "../lib");
        interpret(&accesses, &access, &Locator::new(roots, [&beside]).with_environment([]))
    }

    #[test]
    fn files_of_the_workspace_are_named_relative_to_it() {
        let seen = see(&[
            ("/home/u/work/build/x", AccessKind::Read),
            ("/home/u/work", AccessKind::List),
        ]);
        let expected = [
            Input::File(RootedPath::new(Root::Workspace, "build/x")),
            Input::Stat(RootedPath::new(Root::Workspace, "build/x")),
            Input::Listing(RootedPath::new(Root::Workspace, "")),
            Input::Stat(RootedPath::new(Root::Workspace, "")),
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
            [Input::File(data.clone()), Input::Stat(data), Input::Stat(git)]
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
    fn what_was_searched_for_from_a_view_counts_with_its_whole_name() {
        let seen = see(&[("/home/u/.cargo/config.toml", AccessKind::Search)]);
        assert_eq!(seen.inputs, [Input::Ancestors(".cargo/config.toml".to_owned())]);
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
            Input::Stat(RootedPath::new(Root::UserHome, ".gitconfig")),
            Input::File(RootedPath::new(Root::Workspace, "../lib/src/x")),
            Input::Stat(RootedPath::new(Root::Workspace, "../lib/src/x")),
        ];
        assert_eq!(seen.inputs, expected);
    }

    #[test]
    fn files_of_the_system_are_recorded_by_their_absolute_path_alone() {
        let seen = see(&[("/usr/bin/git", AccessKind::Read)]);
        let git = RootedPath::new(Root::Host, "usr/bin/git");
        assert_eq!(seen.inputs, [Input::File(git.clone()), Input::Stat(git)]);
        assert_eq!(seen.noted.seen, [("/usr/bin/git".into(), Was::Absent, false)]);
    }

    #[test]
    fn a_link_on_the_way_counts_with_its_target_unless_it_leads_to_a_root() {
        let seen = see(&[
            ("/usr/bin/cc", AccessKind::Pass),
            ("/home/u/work/link", AccessKind::Pass),
            ("/home", AccessKind::Pass),
            ("/opt", AccessKind::Pass),
        ]);
        let expected = [
            Input::Kind(RootedPath::new(Root::Host, "usr/bin/cc")),
            Input::Kind(RootedPath::new(Root::Workspace, "link")),
        ];
        assert_eq!(seen.inputs, expected);
    }

    #[test]
    fn what_the_kernel_makes_up_cannot_be_kept() {
        let seen = see(&[
            ("/proc/self/cmdline", AccessKind::Read),
            ("/dev/kvm", AccessKind::Probe),
        ]);
        assert_eq!(seen.unkeyed, ["/proc/self/cmdline"]);
        assert_eq!(seen.inputs, [Input::Stat(RootedPath::new(Root::Host, "dev/kvm"))]);
    }

    #[test]
    fn what_cargo_keeps_for_itself_is_neither_read_nor_changed() {
        let seen = see(&[
            ("/home/u/.cargo/.global-cache", AccessKind::Read),
            ("/home/u/.cargo/.global-cache", AccessKind::Write),
        ]);
        assert!(seen.inputs.is_empty() && seen.hindrance().is_none());
    }

    #[test]
    fn only_unknown_programs_may_read_any_variable() {
        let may = |program| see(&[(program, AccessKind::Execute)]).may_read_environment();
        assert!(!may("/opt/rust/bin/rustc") && !may("/opt/rust/lib/rustlib/x/bin/rust-lld"));
        for program in [
            "/usr/bin/dash",
            "/home/u/bin/cc",
            "/home/u/.vx/out/0/cc",
            "/home/u/work/wrapper",
        ] {
            assert!(may(program), "{program}");
        }
        assert!(see(&[("/proc/self/environ", AccessKind::Read)]).may_read_environment());
        assert!(!see(&[("/usr/bin/git", AccessKind::Read)]).may_read_environment());
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
