//! What pages say about environment variables is what the code says. Commands, options and exit codes are compared where they
//! are defined, in the tests of `vx`.

use std::collections::BTreeSet;

use crate::sources::{read, tracked_texts};

#[test]
fn every_environment_variable_is_explained() {
    let readme = read("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `VX_"));
    let listed: Vec<String> = rows
        .filter_map(|row| Some(format!("VX_{}", row.split_once('`')?.0)))
        .collect();
    assert_eq!(listed, vx_home::env::ALL);
}

#[test]
fn pages_name_only_variables_that_exist() {
    let is_part = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let mut unknown = BTreeSet::new();
    let pages = tracked_texts()
        .into_iter()
        .filter(|(path, _)| path.extension() == Some("md"));
    for (path, text) in pages {
        for (start, _) in text.match_indices("VX_") {
            let rest = &text[start..];
            let name = &rest[..rest.find(|letter| !is_part(letter)).unwrap_or(rest.len())];
            // `VX_*` means all of them.
            if name != "VX_" && !vx_home::env::ALL.contains(&name) {
                unknown.insert(format!("{path}: {name}"));
            }
        }
    }
    assert!(unknown.is_empty(), "vx does not read these: {unknown:#?}");
}
