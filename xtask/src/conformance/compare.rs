//! What cargo started and vx did not, or otherwise, and the other way round.

use std::collections::{BTreeMap, BTreeSet};

use super::normal::{Roots, lines, title};
use super::process::Process;

/// A process that differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Package, version, crate.
    pub(super) title: String,
    /// `- ` and what only cargo has, `+ ` and what only vx has.
    pub(super) lines: Vec<String>,
}

/// The processes by title, as lines.
type Titled = BTreeMap<String, Vec<Vec<String>>>;

/// Compares what was started in two builds.
pub(super) fn differences(cargo: (&[Process], &Roots), vx: (&[Process], &Roots)) -> Vec<Difference> {
    let (mut cargo, mut vx) = (titled(cargo), titled(vx));
    let titles: BTreeSet<String> = cargo.keys().chain(vx.keys()).cloned().collect();
    let mut found = Vec::new();
    for title in titles {
        let (theirs, ours) = (cargo.remove(&title), vx.remove(&title));
        for lines in differing(theirs.unwrap_or_default(), ours.unwrap_or_default()) {
            let title = title.clone();
            found.push(Difference { title, lines });
        }
    }
    found
}

fn titled((processes, roots): (&[Process], &Roots)) -> Titled {
    let mut titled = Titled::new();
    for process in processes {
        titled.entry(title(process)).or_default().push(lines(process, roots));
    }
    titled
}

/// Pairs processes of one title, equal ones first, then those that differ least.
fn differing(mut theirs: Vec<Vec<String>>, mut ours: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let known = theirs.clone();
    theirs.retain(|one| match ours.iter().position(|other| one == other) {
        Some(equal) => {
            ours.swap_remove(equal);
            false
        }
        None => true,
    });
    // vx runs some build scripts and macros twice the first time: again at the real paths.
    ours.retain(|one| !known.contains(one));
    let mut found = Vec::new();
    for one in theirs {
        let nearest = (0..ours.len()).min_by_key(|other| diff(&one, &ours[*other]).len());
        found.push(match nearest {
            Some(nearest) => diff(&one, &ours.swap_remove(nearest)),
            None => vec!["- only cargo starts it".to_owned()],
        });
    }
    found.extend(ours.iter().map(|_| vec!["+ only vx starts it".to_owned()]));
    found
}

/// Lines that only one of them has; where there are none, the order.
fn diff(theirs: &[String], ours: &[String]) -> Vec<String> {
    let mut found: Vec<String> = missing(theirs, ours).iter().map(|line| format!("- {line}")).collect();
    found.extend(missing(ours, theirs).iter().map(|line| format!("+ {line}")));
    if found.is_empty() {
        let others = theirs.iter().zip(ours).filter(|(one, other)| one != other);
        found.extend(others.map(|(one, other)| format!("another order: {one} in cargo, {other} in vx")));
    }
    found
}

/// The lines of `these` that `those` have not, or not as often.
fn missing(these: &[String], those: &[String]) -> Vec<String> {
    let mut left: Vec<&String> = those.iter().collect();
    let mut missing = Vec::new();
    for line in these {
        match left.iter().position(|other| *other == line) {
            Some(same) => drop(left.swap_remove(same)),
            None => missing.push(line.clone()),
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, arguments: &[&str]) -> Process {
        let arguments = ["rustc", "--crate-name", "a"].iter().chain(arguments);
        Process {
            directory: "/w".to_owned(),
            arguments: arguments.map(ToString::to_string).collect(),
            environment: [("CARGO_PKG_NAME".to_owned(), name.to_owned())].into(),
        }
    }

    fn compared(cargo: &[Process], vx: &[Process]) -> Vec<Vec<String>> {
        let roots = Roots::new("/w".into(), "/o".into(), "/t".into()).unwrap();
        let differences = differences((cargo, &roots), (vx, &roots));
        differences.into_iter().map(|difference| difference.lines).collect()
    }

    #[test]
    fn units_of_one_name_are_paired_with_those_that_are_like_them() {
        let first = process("a", &["--cfg", "x", "--cfg", "y"]);
        let second = process("a", &["-C", "debuginfo=2"]);
        let changed = process("a", &["-C", "debuginfo=1"]);
        assert!(compared(&[first.clone(), second.clone()], &[second.clone(), first.clone()]).is_empty());
        assert_eq!(
            compared(&[first.clone(), second], &[changed, first]),
            [["- -C debuginfo=2", "+ -C debuginfo=1"]]
        );
    }

    #[test]
    fn the_same_again_is_no_difference() {
        let first = process("a", &["-C", "debuginfo=2"]);
        let other = process("a", &["-C", "debuginfo=1"]);
        let once = [first.clone()];
        assert!(compared(&once, &[first.clone(), first.clone()]).is_empty());
        assert_eq!(compared(&once, &[first, other]), [["+ only vx starts it"]]);
    }

    #[test]
    fn what_only_one_starts_is_told() {
        let one = [process("a", &[])];
        assert_eq!(compared(&one, &[]), [["- only cargo starts it"]]);
        assert_eq!(compared(&[], &one), [["+ only vx starts it"]]);
    }

    #[test]
    fn another_order_is_a_difference() {
        let one = process("a", &["-L", "/1", "-L", "/2"]);
        let other = process("a", &["-L", "/2", "-L", "/1"]);
        assert_eq!(compared(&[one], &[other])[0].len(), 2);
    }
}
