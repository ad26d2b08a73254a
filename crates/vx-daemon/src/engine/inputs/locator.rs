//! Names the paths that a process used by root. What lies beside the workspace is named relative to it where it was
//! reached that way, so that another checkout uses its own.

use camino::Utf8Path;
use vx_model::{Root, RootedPath, Roots};
use vx_path::is_below;

/// Directories that many unrelated things share. Being in one of them relates nothing to a workspace in it.
const SHARED: &[&str] = &["", "/home", "/Users", "/usr", "/opt", "/var", "/nix", "/mnt", "/media"];

/// Directories of the system at the root.
const OF_THE_SYSTEM: &[&str] = &[
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "nix", "opt", "proc", "root", "run", "sbin", "srv",
    "sys", "tmp", "usr", "var",
];

/// Variables that name where a process happens to be, and not where something is.
const OF_THE_SHELL: &[&str] = &["PWD", "OLDPWD"];

/// Files below `CARGO_HOME` that cargo keeps for itself: when each of its downloads was last used, and its locks. No
/// build can depend on them.
const BOOKKEEPING_OF_CARGO: &[&str] = &[
    ".global-cache",
    ".global-cache-journal",
    ".global-cache-wal",
    ".global-cache-shm",
    ".package-cache",
    ".package-cache-mutate",
];

/// The file below a target directory in which cargo remembers what rustc says of itself.
const RUSTC_INFO: &str = "target/.rustc_info.json";

/// The directories of the roots, of packages beside the workspace, and of what the environment names.
#[derive(Debug, Clone)]
pub(crate) struct Locator {
    roots: Roots,
    /// Directories of roots and packages without symbolic links, where these differ, with the directories as they are
    /// named.
    real: Vec<(String, String)>,
    /// Absolute paths of packages beside the workspace with their names.
    beside: Vec<(String, RootedPath)>,
    /// Directories that variables name.
    named: Vec<String>,
    /// The one that a variable names, and the usual one.
    cargo_homes: Vec<String>,
}

impl Locator {
    /// `packages` are the roots of path packages.
    pub(crate) fn new<'a>(roots: Roots, packages: impl IntoIterator<Item = &'a RootedPath>) -> Self {
        let packages: Vec<(String, RootedPath)> = packages
            .into_iter()
            .map(|path| (roots.absolute(path), path.clone()))
            .collect();
        let is_beside = |path: &RootedPath| path.root == Root::Workspace && path.path.starts_with("..");
        Self {
            real: real_directories(&roots, packages.iter().map(|(directory, _)| directory.as_str())),
            beside: packages.into_iter().filter(|(_, path)| is_beside(path)).collect(),
            named: Vec::new(),
            cargo_homes: Vec::new(),
            roots,
        }
    }

    /// Takes the directories that variables name into account.
    #[must_use]
    pub(crate) fn with_environment<'a>(
        mut self,
        variables: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Self {
        let workspace = self.workspace().to_owned();
        for (name, value) in variables {
            if name == "CARGO_HOME" {
                self.cargo_homes.push(value.trim_end_matches('/').to_owned());
            }
            let directories = value
                .split(':')
                .filter(|piece| piece.len() > 1 && piece.starts_with('/'));
            let directories = directories.map(|piece| piece.trim_end_matches('/'));
            let elsewhere = directories.filter(|piece| !is_below(&workspace, piece) && !is_below(piece, &workspace));
            if !OF_THE_SHELL.contains(&name.as_str()) {
                self.named.extend(elsewhere.map(str::to_owned));
            }
        }
        self.named.sort();
        self.named.dedup();
        if self.roots.knows(Root::UserHome) {
            self.cargo_homes
                .push(format!("{}/.cargo", self.roots.dir(Root::UserHome)));
        }
        self
    }

    /// The directories of the roots.
    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    fn workspace(&self) -> &str {
        self.roots.dir(Root::Workspace)
    }

    /// The path of something below a root as the root is named, although the root may have been reached by links.
    pub(crate) fn as_named(&self, path: &str) -> String {
        let found = self.real.iter().find(|(real, _)| is_below(path, real));
        found.map_or_else(
            || path.to_owned(),
            |(real, named)| format!("{named}{}", &path[real.len()..]),
        )
    }

    /// Names an absolute, normalized path.
    pub(crate) fn locate(&self, absolute: &str) -> RootedPath {
        let named = self.roots.locate(absolute);
        if !matches!(named.root, Root::Host | Root::UserHome) {
            return named;
        }
        let below = self.beside.iter().find_map(|(directory, name)| {
            let rest = absolute.strip_prefix(directory.as_str())?;
            let is_below = rest.is_empty() || rest.starts_with('/');
            is_below.then(|| name.join(rest.trim_start_matches('/')))
        });
        below.unwrap_or(named)
    }

    /// Names a path that was used. Something near the workspace has two names if it cannot be known whether it was found
    /// from there: both must then hold the same. `climbed_from` is the directory that a `..` in the path left.
    pub(crate) fn names(&self, absolute: &str, climbed_from: Option<&str>) -> Vec<RootedPath> {
        let named = self.locate(absolute);
        if !matches!(named.root, Root::Host | Root::UserHome) {
            return vec![named];
        }
        let relative = || self.seen_from_workspace(absolute);
        let is_of_the_workspace = |directory: &str| self.locate(&self.as_named(directory)).root == Root::Workspace;
        if climbed_from.is_some_and(is_of_the_workspace) {
            return vec![relative()];
        }
        match self.may_be_found_from_the_workspace(absolute) {
            true => vec![named, relative()],
            false => vec![named],
        }
    }

    /// The name of a path that lies at the same place relative to the workspace in every checkout.
    pub(crate) fn name_beside(&self, absolute: &str) -> RootedPath {
        let named = self.locate(absolute);
        match named.root {
            Root::Host | Root::UserHome => self.seen_from_workspace(absolute),
            _ => named,
        }
    }

    fn seen_from_workspace(&self, absolute: &str) -> RootedPath {
        let relative = vx_cargo::relative(self.workspace().into(), absolute.into());
        RootedPath::new(Root::Workspace, relative)
    }

    fn may_be_found_from_the_workspace(&self, path: &str) -> bool {
        if self.named.iter().any(|directory| is_below(path, directory)) {
            return false;
        }
        let common = common_directory(self.workspace(), path);
        let entry = path[common.len()..]
            .trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or("");
        if self.roots.knows(Root::UserHome) {
            let home = self.roots.dir(Root::UserHome);
            let is_of_the_home = is_below(path, home) && (common.len() < home.len() || common == home);
            if is_of_the_home && (!is_below(self.workspace(), home) || entry.starts_with('.')) {
                return false;
            }
        }
        let is_at_the_root = common.is_empty() && self.workspace().rfind('/') == Some(0);
        !SHARED.contains(&common) || is_at_the_root && !OF_THE_SYSTEM.contains(&entry)
    }

    /// Whether a tool keeps this file for itself, so that what it holds decides nothing.
    pub(crate) fn is_bookkeeping(&self, path: &str) -> bool {
        let mut of_cargo = self
            .cargo_homes
            .iter()
            .filter_map(|home| path.strip_prefix(home.as_str())?.strip_prefix('/'));
        of_cargo.any(|file| BOOKKEEPING_OF_CARGO.contains(&file)) || Utf8Path::new(path).ends_with(RUSTC_INFO)
    }
}

/// The deepest directory that holds both.
fn common_directory<'a>(directory: &'a str, path: &str) -> &'a str {
    let mut common = directory;
    while !is_below(path, common) {
        common = common.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    common
}

/// Directories of roots, and of packages outside of the workspace, that are reached through symbolic links, innermost
/// first.
fn real_directories<'a>(roots: &Roots, packages: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let real = |named: &str| Some(Utf8Path::new(named).canonicalize_utf8().ok()?.into_string());
    let known = Root::ALL
        .into_iter()
        .filter(|root| *root != Root::Host && roots.knows(*root));
    let workspace = real(roots.dir(Root::Workspace)).unwrap_or_default();
    let of_roots = known.filter_map(|root| Some((real(roots.dir(root))?, roots.dir(root))));
    let of_packages = packages.filter_map(|package| Some((real(package)?, package)));
    let of_packages = of_packages.filter(|(real, _)| workspace.is_empty() || !is_below(real, &workspace));
    let mut all: Vec<(String, String)> = of_roots
        .chain(of_packages)
        .filter(|(real, named)| real != named)
        .map(|(real, named)| (real, named.to_owned()))
        .collect();
    all.sort_by_key(|(real, _)| std::cmp::Reverse(real.len()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locator(workspace: &str, home: &str) -> Locator {
        let roots = Roots::default()
            .with(Root::Workspace, workspace)
            .with(Root::UserHome, home);
        let variables = [("PATH", "/usr/bin:/home/u/tools/bin:/"), ("PWD", "/home/u/src/other")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Locator::new(roots, []).with_environment(variables.iter().map(|(name, value)| (name, value)))
    }

    fn names(locator: &Locator, path: &str) -> Vec<String> {
        locator.names(path, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_reached_by_climbing_from_the_workspace_is_named_from_there() {
        let locator = locator("/home/u/src/app", "/home/u");
        let climbed = |path: &str, from: &str| locator.names(path, Some(from));
        let beside = RootedPath::new(Root::Workspace, "../lib/x");
        assert_eq!(climbed("/home/u/src/lib/x", "/home/u/src/app/member"), [beside]);
        let system = RootedPath::new(Root::Host, "usr/include/x.h");
        assert_eq!(climbed("/usr/include/x.h", "/usr/lib/gcc"), [system]);
    }

    #[test]
    fn what_is_near_the_workspace_has_two_names() {
        let locator = locator("/home/u/src/app", "/home/u");
        assert_eq!(
            names(&locator, "/home/u/src/lib/x"),
            ["home/src/lib/x", "workspace/../lib/x"]
        );
        assert_eq!(
            names(&locator, "/home/u/shared"),
            ["home/shared", "workspace/../../shared"]
        );
        assert_eq!(
            names(&locator, "/home/u/src/.git"),
            ["home/src/.git", "workspace/../.git"]
        );
        let at_the_root = locator_at_the_root();
        assert_eq!(
            names(&at_the_root, "/shared/x"),
            ["host/shared/x", "workspace/../shared/x"]
        );
    }

    fn locator_at_the_root() -> Locator {
        locator("/app", "/root")
    }

    #[test]
    fn what_is_the_systems_the_users_or_named_by_a_variable_has_one() {
        let locator = locator("/home/u/src/app", "/home/u");
        for (path, name) in [
            ("/usr/include/stdio.h", "host/usr/include/stdio.h"),
            ("/home/v/x", "host/home/v/x"),
            ("/home/u/.gitconfig", "home/.gitconfig"),
            ("/home/u/tools/bin/cc", "home/tools/bin/cc"),
            ("/home/u/src/app/x", "workspace/x"),
        ] {
            assert_eq!(names(&locator, path), [name], "{path}");
        }
        assert_eq!(names(&locator_at_the_root(), "/etc/passwd"), ["host/etc/passwd"]);
        let elsewhere = self::locator("/tmp/t/app", "/tmp/t/user");
        assert_eq!(names(&elsewhere, "/tmp/t/user/x"), ["home/x"]);
    }

    #[test]
    fn what_cargo_keeps_for_itself_is_known() {
        let locator = locator("/home/u/src/app", "/home/u");
        assert!(locator.is_bookkeeping("/home/u/.cargo/.global-cache"));
        assert!(locator.is_bookkeeping("/home/u/src/app/target/.rustc_info.json"));
        assert!(!locator.is_bookkeeping("/home/u/.cargo/config.toml"));
        assert!(!locator.is_bookkeeping("/home/u/src/app/.global-cache"));
    }

    #[test]
    fn a_root_that_is_reached_through_a_link_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        let real = Utf8Path::from_path(&real).unwrap();
        std::fs::create_dir(real.join("real")).unwrap();
        std::os::unix::fs::symlink("real", real.join("link")).unwrap();
        let roots = Roots::default().with(Root::Workspace, real.join("link").as_str());
        let locator = Locator::new(roots, []);
        assert_eq!(locator.as_named(real.join("real/x").as_str()), real.join("link/x"));
        assert_eq!(locator.as_named(real.join("other").as_str()), real.join("other"));
    }
}
