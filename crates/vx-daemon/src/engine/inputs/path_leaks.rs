//! Whether an output leaks the path of a root. Such an output is bound to that directory, because it would differ with
//! another directory. This is the only rule for it, for compilers and build scripts alike.
//!
//! Paths are recognized by texts that are counted in the outputs. A number that was computed from a path (its length, a
//! hash) is not found.

use std::collections::BTreeSet;

use vx_model::{Root, Roots};

/// Roots whose directories differ between checkouts, users or machines, and which outputs may leak.
const ROOTS: [Root; 4] = [Root::Workspace, Root::VxHome, Root::UserHome, Root::Toolchain];

/// The texts to count in outputs, for some roots.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PathLeaks {
    /// Without duplicates.
    texts: Vec<String>,
    roots: Vec<Leak>,
}

/// How paths of one root are recognized: by texts, given by index.
#[derive(Debug, PartialEq, Eq)]
struct Leak {
    root: Root,
    /// The directory itself.
    own: usize,
    /// A directory above it; paths in it count as found from the root.
    beside: Option<usize>,
    /// The outermost directories of other roots in either of these: paths below them do not leak this root.
    others: Vec<(usize, IsIn)>,
}

/// Which directory contains the directory of another root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsIn {
    Own,
    Beside,
}

impl PathLeaks {
    /// For the requested roots, if they are known.
    pub(crate) fn of(requested: &BTreeSet<Root>, roots: &Roots) -> Self {
        let mut leaks = Self {
            texts: Vec::new(),
            roots: Vec::new(),
        };
        for root in ROOTS
            .into_iter()
            .filter(|root| requested.contains(root) && roots.knows(*root))
        {
            let directory = roots.dir(root);
            let others = ROOTS.into_iter().filter(|other| *other != root && roots.knows(*other));
            let others: Vec<&str> = others.map(|other| roots.dir(other)).collect();
            // Only paths beside the workspace are found from it: `CARGO_MANIFEST_DIR/../x`.
            let beside = (root == Root::Workspace).then(|| beside(directory)).flatten();
            let mut within: Vec<(&str, IsIn)> = Vec::new();
            for other in outermost(&others, directory) {
                within.push((other, IsIn::Own));
            }
            for other in beside.iter().flat_map(|beside| outermost(&others, beside)) {
                // The user's home usually holds the workspace. Anything else there is beside the workspace.
                if !directory.starts_with(other) {
                    within.push((other, IsIn::Beside));
                }
            }
            let leak = Leak {
                root,
                own: leaks.number(directory),
                beside: beside.map(|beside| leaks.number(beside)),
                others: within
                    .into_iter()
                    .map(|(other, is_in)| (leaks.number(other), is_in))
                    .collect(),
            };
            leaks.roots.push(leak);
        }
        leaks
    }

    /// The texts to count; empty if no root is requested.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The roots that an output leaks, given how often each text occurs in it.
    pub(crate) fn in_counts(&self, counts: &[u64]) -> BTreeSet<Root> {
        let count = |number: usize| counts.get(number).copied().unwrap_or(0);
        let is_leaked = |leak: &&Leak| {
            let of_others = |wanted: IsIn| -> u64 {
                let others = leak.others.iter().filter(|(_, is_in)| *is_in == wanted);
                others.map(|(number, _)| count(*number)).sum()
            };
            let leaks_own = count(leak.own) > of_others(IsIn::Own);
            let leaks_beside = leak
                .beside
                .is_some_and(|beside| count(beside) > of_others(IsIn::Beside));
            leaks_own || leaks_beside
        };
        self.roots.iter().filter(is_leaked).map(|leak| leak.root).collect()
    }

    /// The roots that `text` leaks.
    pub(crate) fn in_text(&self, text: &[u8]) -> BTreeSet<Root> {
        let occurrences = |sought: &String| memchr::memmem::find_iter(text, sought.as_bytes()).count() as u64;
        let counts: Vec<u64> = self.texts.iter().map(occurrences).collect();
        self.in_counts(&counts)
    }

    fn number(&mut self, text: &str) -> usize {
        let known = self.texts.iter().position(|known| known == text);
        known.unwrap_or_else(|| {
            self.texts.push(text.to_owned());
            self.texts.len() - 1
        })
    }
}

/// The directory above `directory` with two components, as homes have (`/home/ada/`), or with one if there is no other.
/// Further up, too much is unrelated to it.
fn beside(directory: &str) -> Option<&str> {
    let ends = directory.match_indices('/').skip(1).map(|(end, _)| end + 1);
    let above: Vec<&str> = ends.map(|end| &directory[..end]).collect();
    above.get(1).or(above.first()).copied()
}

/// Those of `directories` that are in `directory`, except for those in another of them.
fn outermost<'a>(directories: &[&'a str], directory: &str) -> Vec<&'a str> {
    let is_in = |inner: &str, outer: &str| inner != outer && inner.starts_with(outer);
    let inside: Vec<&str> = directories
        .iter()
        .copied()
        .filter(|inner| is_in(inner, directory))
        .collect();
    let is_outermost = |inner: &&str| !inside.iter().any(|outer| is_in(inner, outer));
    inside.iter().copied().filter(is_outermost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Roots {
        Roots::default()
            .with(Root::Workspace, "/home/ada/src/app")
            .with(Root::VxHome, "/home/ada/.vx")
            .with(Root::UserHome, "/home/ada")
            .with(Root::Toolchain, "/home/ada/.vx/toolchain")
    }

    fn leaked(roots: &Roots, content: &str) -> Vec<Root> {
        let leaks = PathLeaks::of(&BTreeSet::from(ROOTS), roots);
        leaks.in_text(content.as_bytes()).into_iter().collect()
    }

    #[test]
    fn a_workspace_is_leaked_by_its_path_and_by_paths_beside_it() {
        for content in [
            "at /home/ada/src/app/x",
            "/home/ada/src/app",
            "/home/ada/src/lib.rs",
            "/home/ada/.vx /home/ada/x",
        ] {
            assert!(leaked(&ada(), content).contains(&Root::Workspace), "{content}");
        }
        for content in [
            "",
            "/home/eve",
            "/home/ada/.vx/toolchain/lib /home/ada/.vx/out",
            "/usr/lib",
            "/home/ada",
        ] {
            assert!(!leaked(&ada(), content).contains(&Root::Workspace), "{content}");
        }
    }

    #[test]
    fn a_workspace_near_the_root_is_leaked_too() {
        let near = Roots::default()
            .with(Root::Workspace, "/work")
            .with(Root::Toolchain, "/opt/rust");
        assert_eq!(leaked(&near, "/work/x"), [Root::Workspace]);
        assert_eq!(leaked(&near, "/opt/rust"), [Root::Toolchain]);
        let beside = Roots::default().with(Root::Workspace, "/sources/u/work");
        assert_eq!(leaked(&beside, "/sources/u/lib"), [Root::Workspace]);
    }

    #[test]
    fn other_roots_are_leaked_by_their_own_paths_alone() {
        assert_eq!(leaked(&ada(), "/home/ada/.vx/out/0"), [Root::VxHome]);
        assert_eq!(leaked(&ada(), "/home/ada/.vx/toolchain/bin"), [Root::Toolchain]);
        assert_eq!(leaked(&ada(), "/home/ada"), [Root::UserHome]);
        assert!(leaked(&ada(), "/home/ada/.config").contains(&Root::UserHome));
    }

    #[test]
    fn nothing_is_counted_for_roots_that_are_not_requested() {
        assert!(PathLeaks::of(&BTreeSet::new(), &ada()).texts().is_empty());
    }
}
