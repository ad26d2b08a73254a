//! Rules about the sources that neither rustc nor clippy knows.

use std::collections::BTreeSet;
use std::env;

use crate::sources::{members, read, root, tracked, tracked_texts};
use camino::Utf8Path;

/// The hosts that a tracked file may name. `vx-packages` and `vx-toolchain` alone know where packages and toolchains come from:
/// their constants for the official servers are listed in [`SERVERS`].
const HOSTS: &[&str] = &[
    // Names of licenses, of rustup and of Cargo's identifier of the official registry: nothing is fetched from there.
    "www.apache.org",
    "github.com",
    "rustup.rs",
    // Loopback, and the names that are reserved for examples and tests.
    "127.0.0.1",
    "[::1]",
    "localhost",
    "example.com",
    "example.org",
    "example.invalid",
    "example.test",
];

/// The official servers, and the paths that may name them.
const SERVERS: &[(&str, &str)] = &[
    ("index.crates.io", "crates/vx-packages/src"),
    ("static.rust-lang.org", "crates/vx-toolchain/src/dist/server.rs"),
];

/// Fixture projects are data: what tests build, not code of this project.
fn is_source(path: &Utf8Path) -> bool {
    path.extension() == Some("rs") && !path.components().any(|part| part.as_str() == "fixtures")
}

fn assert_none(found: &BTreeSet<String>, what: &str) {
    assert!(found.is_empty(), "{what}: {found:#?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = tracked_texts()
        .into_iter()
        .filter(|(path, text)| is_source(path) && !text.starts_with("//!"));
    assert_none(
        &silent.map(|(path, _)| path.to_string()).collect(),
        "these files do not open with `//!`",
    );
}

#[test]
fn every_crate_inherits_from_the_workspace() {
    let mut wrong = BTreeSet::new();
    for member in members() {
        let path = member.manifest_path.strip_prefix(root()).unwrap();
        let manifest: toml::Table = toml::from_str(&read(path.as_str())).unwrap();
        let inherits = |table: &toml::Value| table.get("workspace").and_then(toml::Value::as_bool) == Some(true);
        let package = &manifest["package"];
        for key in ["version", "edition", "rust-version", "license", "repository", "publish"] {
            if !package.get(key).is_some_and(inherits) {
                wrong.insert(format!("{path}: package.{key}"));
            }
        }
        if !manifest.get("lints").is_some_and(inherits) {
            wrong.insert(format!("{path}: lints"));
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
            let own = dependencies.filter(|(_, dependency)| !inherits(dependency));
            wrong.extend(own.map(|(name, _)| format!("{path}: {kind}.{name}")));
        }
    }
    assert_none(&wrong, "these do not say `workspace = true`");
}

#[test]
fn every_dependency_of_the_workspace_is_used_by_a_member() {
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")).unwrap();
    let used: BTreeSet<String> = members()
        .into_iter()
        .flat_map(|member| member.dependencies)
        .map(|dependency| dependency.name)
        .collect();
    let listed = manifest["workspace"]["dependencies"].as_table().unwrap().keys();
    let unused = listed.filter(|name| !used.contains(*name)).cloned().collect();
    assert_none(&unused, "no member depends on these");
}

#[test]
fn no_file_names_a_path_of_this_machine() {
    let home = env::var("HOME").unwrap_or_default();
    let paths: Vec<String> = [root().as_str(), home.as_str()]
        .into_iter()
        .map(|path| path.trim_end_matches('/'))
        .filter(|path| !path.is_empty())
        .map(|path| format!("{path}/"))
        .collect();
    let mut found = BTreeSet::new();
    for (path, text) in tracked_texts() {
        let named = text
            .lines()
            .enumerate()
            .filter(|(_, line)| paths.iter().any(|path| names_path(line, path)));
        found.extend(named.map(|(number, line)| format!("{path}:{}: {}", number + 1, line.trim())));
    }
    assert_none(&found, "these lines name a path of this machine");
}

/// Whether `path` occurs where an absolute path begins, not inside of another path.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || "_-.$})]>~".contains(before))
    })
}

#[test]
fn no_file_names_a_registry() {
    let mut found = BTreeSet::new();
    for (path, text) in tracked_texts() {
        if path == "Cargo.lock" {
            continue;
        }
        for host in hosts(&text) {
            let is_server = SERVERS
                .iter()
                .any(|(name, directory)| host == *name && path.starts_with(directory));
            if !is_server && !HOSTS.contains(&host) {
                found.insert(format!("{path}: {host}"));
            }
        }
    }
    assert_none(&found, "these files name a host");
}

/// The hosts of all addresses in a text. A placeholder (`{host}`) is none.
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let addresses = text.split("https://").skip(1).chain(text.split("http://").skip(1));
    addresses.filter_map(|address| {
        let is_part = |character: char| character.is_ascii_alphanumeric() || ".-[]:".contains(character);
        let authority = &address[..address.find(|character| !is_part(character)).unwrap_or(address.len())];
        let host = match authority.split_once(']') {
            Some((address, _)) => &authority[..=address.len()],
            None => authority.split(':').next()?,
        };
        (!host.is_empty()).then_some(host)
    })
}

#[test]
fn hosts_are_found() {
    let text = "see https://example.com:443/x, http://[::1]:8080/ and http://{host}/";
    assert_eq!(hosts(text).collect::<Vec<_>>(), ["example.com", "[::1]"]);
}

#[test]
fn libraries_read_no_environment() {
    let reads = |text: &str| {
        ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("]
            .iter()
            .any(|call| text.contains(call))
    };
    let is_library = |path: &Utf8Path| {
        let parts: Vec<&str> = path.components().map(|part| part.as_str()).collect();
        // The only program is `vx`; a test may look at the environment that it was given.
        let is_test = path.file_stem() == Some("tests") || parts.contains(&"tests");
        matches!(parts.as_slice(), ["crates", name, "src", ..] if *name != "vx") && !is_test
    };
    let found = tracked_texts()
        .into_iter()
        .filter(|(path, text)| is_library(path) && reads(text));
    assert_none(
        &found.map(|(path, _)| path.to_string()).collect(),
        "these libraries read the environment",
    );
}

/// What runs must be what is keyed: such a request may only be made from an action.
#[test]
fn requests_to_the_executor_are_made_in_one_place() {
    let makes_one = |text: &str| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let uses = code.lines().filter(|line| line.contains("ExecuteRequest {"));
        uses.into_iter()
            .any(|line| !line.contains("struct ExecuteRequest") && !line.contains("-> ExecuteRequest"))
    };
    let is_test = |path: &Utf8Path| path.components().any(|part| part.as_str() == "tests");
    let found: BTreeSet<String> = tracked_texts()
        .into_iter()
        .filter(|(path, text)| is_source(path) && !is_test(path) && makes_one(text))
        .map(|(path, _)| path.to_string())
        .collect();
    let only = "crates/vx-daemon/src/engine/actions/localize.rs";
    assert_eq!(found, BTreeSet::from([only.to_owned()]));
}

#[test]
fn no_test_is_switched_off() {
    let switched_off = ["#[ign", "ore"].concat();
    let found = tracked_texts()
        .into_iter()
        .filter(|(path, text)| is_source(path) && text.contains(&switched_off));
    assert_none(
        &found.map(|(path, _)| path.to_string()).collect(),
        "these files switch tests off",
    );
}

#[test]
fn nextest_finds_its_configuration() {
    let found = root().join(".config/nextest.toml").canonicalize_utf8();
    let there = root().join("nextest.toml").canonicalize_utf8().unwrap();
    assert_eq!(
        found.unwrap(),
        there,
        "without it, nextest would use its defaults without a word"
    );
    assert!(
        tracked().iter().any(|path| path == ".config/nextest.toml"),
        "the link is not tracked"
    );
}
