//! The crates form layers: each imports only crates below it in the table of ARCHITECTURE.md.
//!
//! The table is read, not repeated, so that the page and the code cannot tell different things.

use std::collections::BTreeSet;

use crate::sources::{members, read};

/// The crates in the table of ARCHITECTURE.md, highest first.
fn layers() -> Vec<String> {
    let page = read("ARCHITECTURE.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `vx"));
    rows.filter_map(|row| Some(format!("vx{}", row.split_once('`')?.0)))
        .collect()
}

#[test]
fn the_table_lists_every_crate_once() {
    let mut layers = layers();
    layers.sort();
    let mut crates: Vec<String> = members().into_iter().map(|member| member.name.to_string()).collect();
    crates.retain(|name| name != "xtask");
    crates.sort();
    assert_eq!(
        layers, crates,
        "the table of ARCHITECTURE.md and the crates of the workspace differ"
    );
}

#[test]
fn no_crate_imports_one_above_it() {
    let layers = layers();
    let layer = |name: &str| layers.iter().position(|layer| layer == name);
    let mut wrong = BTreeSet::new();
    for member in members() {
        let Some(own) = layer(&member.name) else { continue };
        for dependency in &member.dependencies {
            if layer(&dependency.name).is_some_and(|other| other <= own) {
                wrong.insert(format!(
                    "{} imports {} ({:?})",
                    member.name, dependency.name, dependency.kind
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "against the order in ARCHITECTURE.md: {wrong:#?}");
}

#[test]
fn nothing_imports_the_tasks() {
    for member in members() {
        let imports = member.dependencies.iter().any(|dependency| dependency.name == "xtask");
        assert!(!imports, "{} imports xtask", member.name);
    }
}
