//! Which packages leak the path of their checkout: their build scripts write it into `OUT_DIR` or print it, so that the result
//! of one checkout would be wrong in another. Seen in cargo's own build; vx must run these scripts, and what reads their
//! output, in every checkout.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use regex::bytes::Regex;
use walkdir::WalkDir;

/// The packages among all that cargo built in `target` from `checkout`, by name, sorted.
pub(super) fn packages_bound_to(checkout: &Utf8Path, target: &Utf8Path) -> Result<Vec<String>> {
    let path_of_checkout = Regex::new(&regex::escape(checkout.as_str()))?;
    // A path that is only watched is not in the result.
    let watches = Regex::new("^cargo::?rerun-if-changed=")?;
    let mut bound = BTreeSet::new();
    for entry in WalkDir::new(target).follow_links(false) {
        let entry = entry.with_context(|| format!("cannot look through {target}"))?;
        let Some(path) = Utf8Path::from_path(entry.path()).and_then(|path| path.strip_prefix(target).ok()) else {
            continue;
        };
        let Some((package, rest)) = run_of_script(path).filter(|_| entry.file_type().is_file()) else {
            continue;
        };
        let content = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
        let holds = match rest {
            "output" => content
                .split(|byte| *byte == b'\n')
                .any(|line| !watches.is_match(line) && path_of_checkout.is_match(line)),
            rest => rest.starts_with("out/") && path_of_checkout.is_match(&content),
        };
        if holds {
            bound.insert(package.to_owned());
        }
    }
    Ok(bound.into_iter().collect())
}

/// The package and what is left of `[TRIPLE/]PROFILE/build/PACKAGE-HASH/REST`.
fn run_of_script(path: &Utf8Path) -> Option<(&str, &str)> {
    let (_, below) = path.as_str().split_once("/build/")?;
    let (run, rest) = below.split_once('/')?;
    Some((run.rsplit_once('-')?.0, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_known_by_the_output_of_their_scripts() {
        let directory = tempfile::tempdir().unwrap();
        let target = Utf8Path::from_path(directory.path()).unwrap();
        let write = |path: &str, text: &str| {
            let path = target.join("debug").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("build/in-out-0123/out/deep/tests.rs", "include!(\"/w/app/x\");");
        write("build/in-output-0123/output", "cargo::rustc-env=A=/w/app\n");
        write("build/watches-0123/output", "cargo:rerun-if-changed=/w/app/x\n");
        write("build/elsewhere-0123/out/tests.rs", "/w/other");
        write("deps/app.d", "/w/app");
        let bound = packages_bound_to("/w/app".into(), target).unwrap();
        assert_eq!(bound, ["in-out", "in-output"]);
    }
}
