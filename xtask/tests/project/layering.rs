//! The crates form layers: each imports only crates below it in the table of ARCHITECTURE.md.
//!
//! The table is read, not repeated, so that the page and the code cannot disagree.

use std::collections::BTreeSet;

use cargo_metadata::DependencyKind;

use crate::sources::{members, read};

/// Crates that are not part of vx: its tasks, and what its tests use.
const OUTSIDE: &[&str] = &["xtask", "vx-attack-suite", "vx-dist-server"];

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
    crates.retain(|name| !OUTSIDE.contains(&name.as_str()));
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
fn only_tests_import_what_is_no_part_of_vx() {
    for member in members().into_iter().filter(|member| member.name != "xtask") {
        for dependency in &member.dependencies {
            let is_outside = OUTSIDE.contains(&dependency.name.as_str());
            let is_for_tests = dependency.kind == DependencyKind::Development && dependency.name != "xtask";
            assert!(
                !is_outside || is_for_tests,
                "{} imports {}",
                member.name,
                dependency.name
            );
        }
    }
}

#[test]
fn what_tests_stand_on_knows_nothing_of_vx() {
    for name in ["vx-attack-suite", "vx-dist-server"] {
        let member = members().into_iter().find(|member| member.name == name);
        let dependencies = member.expect("it is a member").dependencies;
        let of_vx = dependencies.iter().find(|dependency| dependency.name.starts_with("vx"));
        assert!(of_vx.is_none(), "{name} and vx could share a mistake: {of_vx:?}");
    }
}
