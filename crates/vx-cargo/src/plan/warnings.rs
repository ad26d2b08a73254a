//! Warnings of planning: Cargo's own, and those that follow from the plan.

use std::collections::BTreeMap;

use camino::Utf8Path;
use vx_model::{Root, RootedPath, Roots, Template};

use super::paths;
use super::types::{Plan, UnitIndex};
use crate::cargo::metadata::Metadata;

/// Cargo's standard error, for the user.
pub(super) fn of_cargo(stderr: &str, roots: &Roots, metadata: &Metadata) -> Vec<Template> {
    let mut warnings: Vec<String> = Vec::new();
    for line in stderr.lines().filter(|line| !is_status(line)) {
        let is_new = line.starts_with("warning:") || line.starts_with("note:");
        match warnings.last_mut() {
            Some(last) if !is_new => {
                last.push('\n');
                last.push_str(line);
            }
            _ => warnings.push(line.to_owned()),
        }
    }
    // Cargo's own order varies from run to run.
    warnings.sort();
    let packages: Vec<&Utf8Path> = metadata.packages.iter().map(|package| package.directory()).collect();
    let template = |warning: &String| paths::template(roots, &packages, warning.trim_end());
    warnings.iter().map(template).collect()
}

/// Whether the line is Cargo's progress: a verb that ends in the twelfth column, and a text.
fn is_status(line: &str) -> bool {
    let verb = line.split_at_checked(12).filter(|(_, text)| text.starts_with(' '));
    verb.is_some_and(|(verb, _)| {
        let verb = verb.trim_start();
        verb.starts_with(|c: char| c.is_ascii_uppercase()) && verb.chars().all(|c| c.is_ascii_alphabetic())
    })
}

/// A warning for each path to which two targets would be written; the later one wins.
pub(super) fn collisions(plan: &Plan) -> Vec<Template> {
    let mut owners: BTreeMap<String, UnitIndex> = BTreeMap::new();
    let mut warnings = Vec::new();
    for unit in 0..plan.units.len() {
        for uplift in plan.unit(unit).uplifts() {
            let Some(other) = owners.insert(uplift.destination.clone(), unit) else {
                continue;
            };
            let [one, other] = [unit, other].map(|unit| plan.unit(unit).description());
            if one != other {
                let path = RootedPath::new(Root::Workspace, uplift.destination);
                let names = format!("\n  |\n  = note: {one} has the same output filename as {other}");
                let help = "\n  = help: consider changing their names to be unique or compiling them separately";
                warnings.push(
                    Template::from("warning: output filename collision at ")
                        .path(path)
                        .text(names)
                        .text(help),
                );
            }
        }
    }
    warnings
}

/// A warning if debugging information stays in separate files beside the objects, where nobody finds it.
pub(super) fn lost_debuginfo(plan: &Plan) -> Option<Template> {
    let unpacked = "unpacked".to_owned();
    let is_lost = (0..plan.units.len()).map(|unit| plan.unit(unit)).any(|planned| {
        let profile = &planned.unit.settings.profile;
        let is_asked_for = profile.split_debuginfo.as_ref() == Some(&unpacked) && profile.debuginfo.is_on();
        is_asked_for && planned.platform().split_debuginfo.contains(&unpacked)
    });
    is_lost.then(|| {
        "warning: debuggers will not find the debugging information of this build\n  |\n  \
         = note: `split-debuginfo = \"unpacked\"` leaves it beside the object files, which vx does not keep\n  \
         = help: use `packed` or `off` in the profile"
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_no_warning() {
        let stderr =
            "    Blocking waiting for file lock on package cache\nwarning: b\n  more\nwarning: a\n   Compiling x\n";
        let metadata = Metadata {
            packages: Vec::new(),
            workspace_members: Vec::new(),
            workspace_root: "/w".into(),
        };
        let warnings = of_cargo(stderr, &Roots::default(), &metadata);
        assert_eq!(
            warnings,
            [Template::from("warning: a"), Template::from("warning: b\n  more")]
        );
    }
}
