//! What Cargo had to say while planning, for the user.

use camino::Utf8Path;
use vx_model::{Roots, Template};

use super::paths;
use crate::cargo::metadata::Metadata;

/// What Cargo wrote to standard error, for the user.
pub(super) fn warnings(stderr: &str, roots: &Roots, metadata: &Metadata) -> Vec<Template> {
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
    // Cargo's own order differs from run to run.
    warnings.sort();
    let packages: Vec<&Utf8Path> = metadata.packages.iter().map(|package| package.directory()).collect();
    let template = |warning: &String| paths::template(roots, &packages, warning.trim_end());
    warnings.iter().map(template).collect()
}

/// Whether Cargo reports progress here: a verb that ends in the twelfth column, and a text.
fn is_status(line: &str) -> bool {
    let verb = line.split_at_checked(12).filter(|(_, text)| text.starts_with(' '));
    verb.is_some_and(|(verb, _)| {
        let verb = verb.trim_start();
        verb.starts_with(|c: char| c.is_ascii_uppercase()) && verb.chars().all(|c| c.is_ascii_alphabetic())
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
        let warnings = warnings(stderr, &Roots::default(), &metadata);
        assert_eq!(
            warnings,
            [Template::from("warning: a"), Template::from("warning: b\n  more")]
        );
    }
}
