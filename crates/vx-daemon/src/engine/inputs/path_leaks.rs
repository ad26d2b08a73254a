//! Whether an output tells where something lay on the disk. Such an output is bound to that directory: it is another one
//! wherever the directory is another. This is the only rule for it, for compilers and build scripts alike.
//!
//! Paths are recognised by texts that are counted in the outputs. Only paths are found: a number that was computed from
//! one (its length, a hash) is not.

use std::collections::BTreeSet;

use vx_model::{Root, Roots};

/// Roots whose directories are another for another checkout, user or machine, and which outputs may tell.
const ROOTS: [Root; 4] = [Root::Workspace, Root::VxHome, Root::UserHome, Root::Toolchain];

/// The texts to count in outputs, for some roots.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PathLeaks {
    /// Each once.
    texts: Vec<String>,
    roots: Vec<Leak>,
}

/// How a path of one root is recognised: by texts, given by their numbers.
#[derive(Debug, PartialEq, Eq)]
struct Leak {
    root: Root,
    /// The directory itself.
    own: usize,
    /// A directory that it lies in, where whatever lies there counts as found from it.
    beside: Option<usize>,
    /// Directories of other roots in the one or the other, the outermost of them: what lies there tells nothing of it.
    others: Vec<(usize, IsIn)>,
}

/// In what a directory of another root lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IsIn {
    Own,
    Beside,
}

impl PathLeaks {
    /// How paths of those of `wanted` are recognised that are known here.
    pub(crate) fn of(wanted: &BTreeSet<Root>, roots: &Roots) -> Self {
        let mut leaks = Self {
            texts: Vec::new(),
            roots: Vec::new(),
        };
        for root in ROOTS
            .into_iter()
            .filter(|root| wanted.contains(root) && roots.knows(*root))
        {
            let directory = roots.dir(root);
            let others = ROOTS.into_iter().filter(|other| *other != root && roots.knows(*other));
            let others: Vec<&str> = others.map(|other| roots.dir(other)).collect();
            // Only what lies beside the workspace is found from it: `CARGO_MANIFEST_DIR/../x`.
            let beside = (root == Root::Workspace).then(|| beside(directory)).flatten();
            let mut within: Vec<(&str, IsIn)> = Vec::new();
            for other in outermost(&others, directory) {
                within.push((other, IsIn::Own));
            }
            for other in beside.iter().flat_map(|beside| outermost(&others, beside)) {
                // The home of the user holds the workspace, usually. What else is there is beside it.
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

    /// The texts to count; none where no root is wanted.
    pub(crate) fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The roots that an output tells in which the texts occur so often.
    pub(crate) fn in_counts(&self, counts: &[u64]) -> BTreeSet<Root> {
        let count = |number: usize| counts.get(number).copied().unwrap_or(0);
        let is_told = |leak: &&Leak| {
            let of_others = |wanted: IsIn| -> u64 {
                let others = leak.others.iter().filter(|(_, is_in)| *is_in == wanted);
                others.map(|(number, _)| count(*number)).sum()
            };
            let tells_own = count(leak.own) > of_others(IsIn::Own);
            let tells_beside = leak
                .beside
                .is_some_and(|beside| count(beside) > of_others(IsIn::Beside));
            tells_own || tells_beside
        };
        self.roots.iter().filter(is_told).map(|leak| leak.root).collect()
    }

    /// The roots that `text` tells.
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

/// The directory of two names above `directory`, as users have them (`/home/ada/`), or of one where there is no other:
/// further up, too much lies that has nothing to do with it.
fn beside(directory: &str) -> Option<&str> {
    let ends = directory.match_indices('/').skip(1).map(|(end, _)| end + 1);
    let above: Vec<&str> = ends.map(|end| &directory[..end]).collect();
    above.get(1).or(above.first()).copied()
}

/// Those of `directories` that lie in `directory`, but for those in another of them.
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

    fn told(roots: &Roots, content: &str) -> Vec<Root> {
        let leaks = PathLeaks::of(&BTreeSet::from(ROOTS), roots);
        leaks.in_text(content.as_bytes()).into_iter().collect()
    }

    #[test]
    fn a_workspace_is_told_by_its_path_and_by_what_lies_beside_it() {
        for content in [
            "at /home/ada/src/app/x",
            "/home/ada/src/app",
            "/home/ada/src/lib.rs",
            "/home/ada/.vx /home/ada/x",
        ] {
            assert!(told(&ada(), content).contains(&Root::Workspace), "{content}");
        }
        for content in [
            "",
            "/home/eve",
            "/home/ada/.vx/toolchain/lib /home/ada/.vx/out",
            "/usr/lib",
            "/home/ada",
        ] {
            assert!(!told(&ada(), content).contains(&Root::Workspace), "{content}");
        }
    }

    #[test]
    fn a_workspace_near_the_root_is_told_too() {
        let near = Roots::default()
            .with(Root::Workspace, "/work")
            .with(Root::Toolchain, "/opt/rust");
        assert_eq!(told(&near, "/work/x"), [Root::Workspace]);
        assert_eq!(told(&near, "/opt/rust"), [Root::Toolchain]);
        let beside = Roots::default().with(Root::Workspace, "/sources/u/work");
        assert_eq!(told(&beside, "/sources/u/lib"), [Root::Workspace]);
    }

    #[test]
    fn other_roots_are_told_by_their_own_paths_alone() {
        assert_eq!(told(&ada(), "/home/ada/.vx/out/0"), [Root::VxHome]);
        assert_eq!(told(&ada(), "/home/ada/.vx/toolchain/bin"), [Root::Toolchain]);
        assert_eq!(told(&ada(), "/home/ada"), [Root::UserHome]);
        assert!(told(&ada(), "/home/ada/.config").contains(&Root::UserHome));
    }

    #[test]
    fn nothing_is_counted_for_roots_that_nobody_asks_for() {
        assert!(PathLeaks::of(&BTreeSet::new(), &ada()).texts().is_empty());
    }
}
