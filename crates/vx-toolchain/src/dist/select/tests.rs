//! Selections from a real manifest, cut down to a few packages and targets (`tests/data/manifest.toml`).

use std::process::Command;

use super::super::DistServer;
use super::*;

const LINUX: &str = "x86_64-unknown-linux-gnu";

fn manifest() -> Manifest {
    let text = include_str!("../../../tests/data/manifest.toml");
    let server = DistServer::official().to_string();
    Manifest::parse(text.replace("@SERVER@", &server).as_bytes()).unwrap()
}

fn spec(host: &str) -> ToolchainSpec {
    ToolchainSpec {
        channel: "1.95.0".to_owned(),
        host: host.to_owned(),
        profile: None,
        components: Vec::new(),
        targets: Vec::new(),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The names, forms and addresses of what is selected; the addresses from a server in place of the official one.
fn selected(spec: &ToolchainSpec) -> String {
    let server = DistServer::new("https://example.com");
    let lines = select(&manifest(), spec).unwrap().into_iter().map(|component| {
        let Archive { format, url, checksum } = component.archive;
        let url = server.redirect(&url).unwrap();
        format!("{} {format:?}\n    {url}\n    {checksum}", component.name)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn names(spec: &ToolchainSpec) -> Vec<String> {
    let components = select(&manifest(), spec).unwrap();
    components.into_iter().map(|component| component.name).collect()
}

#[test]
fn the_least_that_builds() {
    insta::assert_snapshot!("linux", selected(&spec(LINUX)));
    insta::assert_snapshot!("darwin", selected(&spec("aarch64-apple-darwin")));
}

#[test]
fn a_profile_brings_what_only_some_hosts_have() {
    insta::assert_snapshot!("windows", selected(&spec("x86_64-pc-windows-gnu")));
}

#[test]
fn targets_components_and_a_profile() {
    let more = ToolchainSpec {
        profile: Some("default".to_owned()),
        components: owned(&["rust-src", "llvm-tools", "rust-analyzer-preview", "clippy"]),
        targets: owned(&["wasm32v1-none", "x86_64-unknown-linux-musl", LINUX]),
        ..spec(LINUX)
    };
    insta::assert_snapshot!("more", selected(&more));
}

#[test]
fn the_order_in_a_spec_does_not_matter() {
    let with = |components: &[&str], targets: &[&str]| ToolchainSpec {
        components: owned(components),
        targets: owned(targets),
        ..spec(LINUX)
    };
    let one = with(&["rust-src", "clippy"], &["wasm32v1-none", LINUX]);
    let other = with(&["clippy-preview", "rust-src", "rustc", "clippy"], &["wasm32v1-none"]);
    assert_eq!(names(&one), names(&other));
}

#[test]
fn a_component_may_be_named_with_its_target() {
    let named = ToolchainSpec {
        components: owned(&["rust-std-wasm32v1-none", "clippy-preview-x86_64-unknown-linux-gnu"]),
        ..spec(LINUX)
    };
    let found = names(&named);
    for name in &named.components {
        assert!(found.contains(name), "{name} in {found:?}");
    }
}

#[test]
fn the_essential_is_there_whatever_the_profile() {
    let mut manifest = manifest();
    manifest.profiles.insert("empty".to_owned(), Vec::new());
    let spec = ToolchainSpec {
        profile: Some("empty".to_owned()),
        ..spec(LINUX)
    };
    assert_eq!(select(&manifest, &spec).unwrap().len(), ESSENTIAL.len());
}

#[test]
fn what_the_channel_does_not_have_is_named() {
    let refused = |change: &dyn Fn(&mut ToolchainSpec)| {
        let mut spec = spec(LINUX);
        change(&mut spec);
        select(&manifest(), &spec).unwrap_err().to_string()
    };
    let messages = [
        refused(&|spec| spec.profile = Some("huge".to_owned())),
        refused(&|spec| spec.components = owned(&["rust-sources"])),
        refused(&|spec| spec.components = owned(&["rust-mingw"])),
        refused(&|spec| spec.targets = owned(&["wasm64-unknown-moon"])),
        refused(&|spec| spec.host = "wasm32v1-none".to_owned()),
    ];
    insta::assert_snapshot!("refused", messages.join("\n"));
}

#[test]
fn the_manifest_of_an_installed_toolchain_is_understood() {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(output.stdout).unwrap();
    let path = format!("{}/lib/rustlib/multirust-channel-manifest.toml", sysroot.trim());
    // A compiler that was not installed by rustup has none.
    let Ok(bytes) = std::fs::read(path) else { return };
    let manifest = Manifest::parse(&bytes).unwrap();
    for host in [LINUX, "aarch64-apple-darwin", "x86_64-pc-windows-msvc"] {
        let spec = ToolchainSpec {
            targets: owned(&["wasm32v1-none"]),
            components: owned(&["rust-src", "clippy", "rustfmt"]),
            ..spec(host)
        };
        match select(&manifest, &spec) {
            Ok(archives) => assert!(archives.len() >= 7),
            // A mirror need not have what its users do not run.
            Err(AcquireError::Unavailable { target, .. }) if host != LINUX => assert_eq!(target, host),
            Err(error) => panic!("{error}"),
        }
    }
}
