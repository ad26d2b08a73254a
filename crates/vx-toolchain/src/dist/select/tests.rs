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

fn wish(host: &str) -> ToolchainWish {
    ToolchainWish {
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
fn selected(wish: &ToolchainWish) -> String {
    let server = DistServer::new("https://example.com");
    let lines = select(&manifest(), wish).unwrap().into_iter().map(|component| {
        let Archive { format, url, checksum } = component.archive;
        let url = server.redirect(&url).unwrap();
        format!("{} {format:?}\n    {url}\n    {checksum}", component.name)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn names(wish: &ToolchainWish) -> Vec<String> {
    let components = select(&manifest(), wish).unwrap();
    components.into_iter().map(|component| component.name).collect()
}

#[test]
fn the_least_that_builds() {
    insta::assert_snapshot!("linux", selected(&wish(LINUX)));
    insta::assert_snapshot!("darwin", selected(&wish("aarch64-apple-darwin")));
}

#[test]
fn a_profile_brings_what_only_some_hosts_have() {
    insta::assert_snapshot!("windows", selected(&wish("x86_64-pc-windows-gnu")));
}

#[test]
fn targets_components_and_a_profile() {
    let more = ToolchainWish {
        profile: Some("default".to_owned()),
        components: owned(&["rust-src", "llvm-tools", "rust-analyzer-preview", "clippy"]),
        targets: owned(&["wasm32v1-none", "x86_64-unknown-linux-musl", LINUX]),
        ..wish(LINUX)
    };
    insta::assert_snapshot!("more", selected(&more));
}

#[test]
fn the_order_of_wishes_does_not_matter() {
    let with = |components: &[&str], targets: &[&str]| ToolchainWish {
        components: owned(components),
        targets: owned(targets),
        ..wish(LINUX)
    };
    let one = with(&["rust-src", "clippy"], &["wasm32v1-none", LINUX]);
    let other = with(&["clippy-preview", "rust-src", "rustc", "clippy"], &["wasm32v1-none"]);
    assert_eq!(names(&one), names(&other));
}

#[test]
fn a_component_may_be_named_with_its_target() {
    let named = ToolchainWish {
        components: owned(&["rust-std-wasm32v1-none", "clippy-preview-x86_64-unknown-linux-gnu"]),
        ..wish(LINUX)
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
    let wish = ToolchainWish {
        profile: Some("empty".to_owned()),
        ..wish(LINUX)
    };
    assert_eq!(select(&manifest, &wish).unwrap().len(), ESSENTIAL.len());
}

#[test]
fn what_the_channel_does_not_have_is_named() {
    let refused = |change: &dyn Fn(&mut ToolchainWish)| {
        let mut wish = wish(LINUX);
        change(&mut wish);
        select(&manifest(), &wish).unwrap_err().to_string()
    };
    let messages = [
        refused(&|wish| wish.profile = Some("huge".to_owned())),
        refused(&|wish| wish.components = owned(&["rust-sources"])),
        refused(&|wish| wish.components = owned(&["rust-mingw"])),
        refused(&|wish| wish.targets = owned(&["wasm64-unknown-moon"])),
        refused(&|wish| wish.host = "wasm32v1-none".to_owned()),
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
        let wish = ToolchainWish {
            targets: owned(&["wasm32v1-none"]),
            components: owned(&["rust-src", "clippy", "rustfmt"]),
            ..wish(host)
        };
        match select(&manifest, &wish) {
            Ok(archives) => assert!(archives.len() >= 7),
            // A mirror need not have what its users do not run.
            Err(AcquireError::Unavailable { target, .. }) if host != LINUX => assert_eq!(target, host),
            Err(error) => panic!("{error}"),
        }
    }
}
