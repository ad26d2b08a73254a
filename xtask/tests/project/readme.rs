//! What README.md says of the interface of vx is what the code says.

use crate::sources::read;

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
fn every_exit_code_is_explained() {
    let readme = read("README.md");
    let source = read("crates/vx/src/cli.rs");
    let (_, table) = source.split_once("Exit codes:\n").unwrap();
    let is_code = |line: &&str| line.trim_start().starts_with(|first: char| first.is_ascii_digit());
    let mut count = 0;
    for line in table.lines().take_while(is_code) {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "README.md has no row `{row}`");
        count += 1;
    }
    assert!(count > 1, "the exit codes in cli.rs were not found");
}

#[test]
fn every_command_is_named() {
    let readme = read("README.md");
    let source = read("crates/vx/src/cli.rs");
    let (_, commands) = source.split_once("pub(crate) enum Command {").unwrap();
    let (commands, _) = commands.split_once("\n}").unwrap();
    // A variant stands on a line of its own, with four blanks before it.
    let variants = commands.lines().filter_map(|line| line.strip_prefix("    "));
    let variants = variants.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    let hidden = |name: &str| name.starts_with("__");
    for variant in variants {
        let name = variant.split(['(', ',', ' ']).next().unwrap().to_lowercase();
        assert!(
            hidden(&name) || readme.contains(&format!("`vx {name}")),
            "README.md does not name `vx {name}`"
        );
    }
}
