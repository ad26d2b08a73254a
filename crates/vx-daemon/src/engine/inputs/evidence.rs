//! What the file system says of the paths that answers came from. While it says the same, the answers are the same and
//! need not be found again: one look for each path, and no text.
//!
//! A file that was touched a moment ago could be touched again without a trace; then there is no evidence yet.

use std::collections::BTreeMap;
use std::io;

use camino::Utf8PathBuf;
use vx_model::{Input, RootedPath, Roots};
use vx_path::Was;

use super::answers::{Answers, World};
use super::files::{CLOCK_TICK, is_absent, now_ns};

/// Evidence that answers still hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    looks: BTreeMap<Utf8PathBuf, Look>,
    /// Inputs that only their answers decide.
    rest: Vec<Input>,
}

/// What was at a path.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    was: Was,
    /// What was behind it, if it was a link.
    behind: Option<Was>,
    /// Whether its entries count.
    is_listed: bool,
}

impl Evidence {
    /// What can be seen now of the paths in `answers`. It is evidence for these if they are found to hold afterwards.
    /// `None` if something was touched just now.
    pub(crate) fn take(answers: &Answers, roots: &Roots) -> Option<Self> {
        let now = now_ns();
        let mut evidence = Self {
            looks: BTreeMap::new(),
            rest: Vec::new(),
        };
        for input in answers.keys() {
            if let Some((path, is_listed)) = looked_at(input).filter(|(path, _)| roots.knows(path.root)) {
                let path = Utf8PathBuf::from(roots.absolute(path));
                if let Some(look) = evidence.looks.get_mut(&path) {
                    look.is_listed |= is_listed;
                    continue;
                }
                if let Ok(look) = Look::at(&path, is_listed) {
                    evidence.looks.insert(path, look);
                    continue;
                }
            }
            evidence.rest.push(input.clone());
        }
        evidence
            .looks
            .values()
            .all(|look| look.is_settled(now))
            .then_some(evidence)
    }

    /// Whether it is still so. `world` answers what cannot be seen.
    pub(crate) fn holds(&self, answers: &Answers, world: &World<'_>) -> bool {
        let is_same =
            |(path, look): (&Utf8PathBuf, &Look)| Look::at(path, look.is_listed).is_ok_and(|now| look.is_still(&now));
        self.looks.iter().all(is_same)
            && self
                .rest
                .iter()
                .all(|input| answers.get(input).is_some_and(|answer| world.answer(input) == *answer))
    }
}

/// The path that decides the answer, and whether the entries of a directory do.
fn looked_at(input: &Input) -> Option<(&RootedPath, bool)> {
    match input {
        Input::File(path) | Input::Kind(path) | Input::Stat(path) => Some((path, false)),
        Input::Listing(path) => Some((path, true)),
        Input::Tree(_) | Input::Ancestors(_) | Input::Env(_) | Input::Environment | Input::Location(_) => None,
    }
}

impl Look {
    /// What is at `path`. An error says that it cannot be looked at.
    fn at(path: &Utf8PathBuf, is_listed: bool) -> io::Result<Self> {
        let found = |metadata: io::Result<std::fs::Metadata>| match metadata {
            Ok(metadata) => Ok(Was::of(&metadata)),
            Err(error) if is_absent(&error) => Ok(Was::Absent),
            Err(error) => Err(error),
        };
        let was = found(path.symlink_metadata())?;
        let behind = was.is_link().then(|| found(path.metadata())).transpose()?;
        Ok(Self { was, behind, is_listed })
    }

    /// Whether a later change certainly shows.
    fn is_settled(&self, now: i128) -> bool {
        [Some(self.was), self.behind]
            .into_iter()
            .flatten()
            .all(|was| match was {
                Was::There(stamp) if was.is_lasting() || self.is_listed => {
                    i128::from(stamp.modified_ns.max(stamp.changed_ns)) + (CLOCK_TICK.as_nanos() as i128) < now
                }
                _ => true,
            })
    }

    fn is_still(&self, now: &Self) -> bool {
        let is_same = |was: Was, now: Was| match self.is_listed {
            true => was.lists_the_same(now),
            false => was.is_still(now),
        };
        is_same(self.was, now.was)
            && match (self.behind, now.behind) {
                (Some(was), Some(now)) => is_same(was, now),
                (was, now) => was == now,
            }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use vx_model::Root;

    use super::super::FileDigests;
    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
        roots: Roots,
        files: FileDigests,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["directory", "listed", "other"] {
                fs::create_dir(dir.path().join(name)).unwrap();
            }
            fs::write(dir.path().join("file"), "one").unwrap();
            fs::write(dir.path().join("directory/entry"), "").unwrap();
            symlink("file", dir.path().join("link")).unwrap();
            symlink("listed", dir.path().join("listed link")).unwrap();
            std::thread::sleep(2 * CLOCK_TICK);
            Self {
                roots: Roots::default().with(Root::Workspace, dir.path().to_str().unwrap()),
                files: FileDigests::default(),
                dir,
            }
        }

        fn world(&self) -> World<'_> {
            World {
                roots: &self.roots,
                files: &self.files,
                variable: &|_| None,
                environment: &String::new,
            }
        }

        /// All there is to ask here.
        fn answers(&self) -> Answers {
            let path = |name: &&str| RootedPath::new(Root::Workspace, *name);
            let names = ["file", "link", "absent", "directory"];
            let mut inputs: Vec<Input> = names.iter().map(|name| Input::File(path(name))).collect();
            inputs.extend(names.iter().map(|name| Input::Kind(path(name))));
            inputs.extend(names.iter().map(|name| Input::Stat(path(name))));
            inputs.extend(["listed", "listed link"].iter().map(|name| Input::Listing(path(name))));
            inputs.push(Input::Tree(path(&"other")));
            let answer = |input: Input| (input.clone(), self.world().answer(&input));
            inputs.into_iter().map(answer).collect()
        }

        /// Whether evidence for what there is now holds after `change`, as the answers do.
        fn holds_after(&self, change: impl FnOnce(&std::path::Path)) -> bool {
            let answers = self.answers();
            let evidence = Evidence::take(&answers, &self.roots).unwrap();
            assert!(evidence.holds(&answers, &self.world()));
            change(self.dir.path());
            evidence.holds(&answers, &self.world())
        }
    }

    #[test]
    fn it_holds_while_nothing_changes_that_was_asked_for() {
        let test = Fixture::new();
        assert!(test.holds_after(|root| {
            fs::write(root.join("unknown"), "").unwrap();
            fs::write(root.join("directory/new"), "").unwrap();
            fs::remove_file(root.join("directory/entry")).unwrap();
        }));
    }

    #[test]
    fn it_does_not_hold_after_any_change() {
        let changes: [fn(&std::path::Path); 11] = [
            |root| fs::write(root.join("file"), "two").unwrap(),
            |root| fs::set_permissions(root.join("file"), fs::Permissions::from_mode(0o700)).unwrap(),
            |root| fs::remove_file(root.join("file")).unwrap(),
            |root| {
                fs::write(root.join("new"), "one").unwrap();
                fs::rename(root.join("new"), root.join("file")).unwrap();
            },
            |root| fs::write(root.join("absent"), "").unwrap(),
            |root| symlink("nowhere", root.join("absent")).unwrap(),
            |root| {
                fs::remove_file(root.join("link")).unwrap();
                symlink("listed/../file", root.join("link")).unwrap();
            },
            |root| fs::set_permissions(root.join("directory"), fs::Permissions::from_mode(0o700)).unwrap(),
            |root| fs::write(root.join("listed/new"), "").unwrap(),
            |root| fs::write(root.join("other/new"), "").unwrap(),
            |root| {
                fs::remove_dir_all(root.join("directory")).unwrap();
                fs::write(root.join("directory"), "").unwrap();
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(!Fixture::new().holds_after(change), "change {number}");
        }
    }

    #[test]
    fn there_is_none_of_what_was_just_touched() {
        let test = Fixture::new();
        let answers = test.answers();
        fs::write(test.dir.path().join("file"), "two").unwrap();
        assert_eq!(Evidence::take(&answers, &test.roots), None);
    }
}
