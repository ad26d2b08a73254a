//! The root of a workspace is where `cargo locate-project --workspace` finds it.

use std::process::Command;

use vx_cargo::{PlanContext, workspace_root};

use crate::support::project::Project;

const PACKAGE: &str = "[package]\nname = \"p\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";

/// Asks both from `directory`, and from elsewhere with the manifest named.
fn check(files: &[(&str, &str)], directory: &str, expected: &str) {
    let project = Project::new(files);
    let mut context = project.context.clone();
    context.directory = project.root.join(directory);
    std::fs::create_dir_all(&context.directory).unwrap();
    let output = Command::new(&context.toolchain.cargo)
        .args(["locate-project", "--workspace", "--message-format=plain"])
        .current_dir(&context.directory)
        .output()
        .unwrap();
    let cargos = String::from_utf8(output.stdout).unwrap();
    let expected = project.root.join(expected);
    assert_eq!(
        cargos.trim_end(),
        expected.join("Cargo.toml"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mine = |context: PlanContext| runtime.block_on(workspace_root(&context)).unwrap();
    let trimmed = expected.as_str().trim_end_matches('/');
    assert_eq!(mine(context.clone()), trimmed);
    let manifests = context
        .directory
        .ancestors()
        .map(|directory| directory.join("Cargo.toml"));
    context.selection.manifest_path = manifests
        .into_iter()
        .find(|manifest| manifest.exists())
        .map(String::from);
    context.directory = project.root.clone();
    assert_eq!(mine(context.clone()), trimmed);
}

#[test]
fn a_package_alone() {
    let files = [("Cargo.toml", PACKAGE), ("src/lib.rs", ""), ("src/deep/x.rs", "")];
    check(&files, "", "");
    check(&files, "src/deep", "");
}

#[test]
fn members() {
    let workspace = "[workspace]\nmembers = [\"a/*\"]\nexclude = [\"out\", \"a/no\"]\n";
    let files = [
        ("Cargo.toml", workspace),
        ("a/p/Cargo.toml", PACKAGE),
        ("a/p/src/lib.rs", ""),
        ("out/Cargo.toml", PACKAGE),
        ("out/src/lib.rs", ""),
        ("out/inner/Cargo.toml", PACKAGE),
        ("out/inner/src/lib.rs", ""),
    ];
    check(&files, "a/p/src", "");
    check(&files, "out", "out");
    check(&files, "out/inner", "out/inner");
}

#[test]
fn pointers_and_nested_workspaces() {
    let pointing = format!("{PACKAGE}workspace = \"../root\"\n");
    let files = [
        ("root/Cargo.toml", "[workspace]\nmembers = [\"../p\"]\n"),
        ("p/Cargo.toml", pointing.as_str()),
        ("p/src/lib.rs", ""),
    ];
    check(&files, "p/src", "root");
    let inner = format!("{PACKAGE}[workspace]\n");
    let files = [
        ("Cargo.toml", "[workspace]\nmembers = []\n"),
        ("inner/Cargo.toml", inner.as_str()),
        ("inner/src/lib.rs", ""),
    ];
    check(&files, "inner", "inner");
}
