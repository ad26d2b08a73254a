//! Final artifacts lie where cargo puts them, below `.vx/build` in place of `target`.

use std::collections::BTreeSet;

use vx_proto::Selection;

use crate::support::project::Project;
use crate::support::record;

const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", "[workspace]\nmembers = [\"*-pkg\"]\nresolver = \"2\"\n"),
    (
        "app-pkg/Cargo.toml",
        "[package]\nname = \"app-pkg\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nlib-pkg = { path = \"../lib-pkg\" }\n\
         macro-pkg = { path = \"../macro-pkg\" }\n[[example]]\nname = \"ex-lib\"\ncrate-type = [\"cdylib\"]\n",
    ),
    ("app-pkg/src/main.rs", "fn main() {}"),
    ("app-pkg/src/bin/two-words.rs", "fn main() {}"),
    ("app-pkg/examples/show-it.rs", "fn main() {}"),
    ("app-pkg/examples/ex-lib.rs", ""),
    (
        "lib-pkg/Cargo.toml",
        "[package]\nname = \"lib-pkg\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
    ),
    ("lib-pkg/src/lib.rs", ""),
    (
        "kinds-pkg/Cargo.toml",
        "[package]\nname = \"kinds-pkg\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"cdylib\", \"staticlib\", \"rlib\"]\n",
    ),
    ("kinds-pkg/src/lib.rs", ""),
    (
        "macro-pkg/Cargo.toml",
        "[package]\nname = \"macro-pkg\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
    ),
    ("macro-pkg/src/lib.rs", ""),
];

fn check(selection: Selection, arguments: &[&str]) {
    let project = Project::new(FILES).selecting(selection);
    let plan = project.plan().unwrap();
    let scratch = project.scratch();
    std::fs::create_dir_all(&scratch).unwrap();
    let (_, target) = record::build(&project.context, &scratch, &[&["build"], arguments].concat());
    let all = (0..plan.units.len()).flat_map(|unit| plan.unit(unit).uplifts());
    let mine: BTreeSet<String> = all
        .map(|uplift| uplift.destination.strip_prefix(".vx/build/").unwrap().to_owned())
        .collect();

    let mut theirs = BTreeSet::new();
    let host = &project.context.toolchain.host;
    for directory in [
        "debug",
        "debug/examples",
        &format!("{host}/debug"),
        &format!("{host}/debug/examples"),
    ] {
        let Ok(entries) = target.join(directory).read_dir_utf8() else {
            continue;
        };
        let names = entries
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_file());
        // Not what has a hash in its name, nor cargo's own.
        let is_final = |name: &str| !name.ends_with(".d") && !name.starts_with('.') && !has_hash(name);
        theirs.extend(
            names
                .filter(|entry| is_final(entry.file_name()))
                .map(|entry| format!("{directory}/{}", entry.file_name())),
        );
    }
    assert_eq!(mine, theirs);
}

fn has_hash(name: &str) -> bool {
    let stem = name.split('.').next().unwrap();
    stem.rsplit_once('-')
        .is_some_and(|(_, end)| end.len() == 16 && end.chars().all(|c| c.is_ascii_hexdigit()))
}

#[test]
fn of_a_whole_workspace() {
    check(Selection::default(), &[]);
}

#[test]
fn of_packed_debugging_information() {
    let packed = "profile.dev.split-debuginfo='packed'";
    let selection = Selection {
        config: vec![packed.to_owned()],
        ..Selection::default()
    };
    check(selection, &["--config", packed]);
}

#[test]
fn of_examples_and_platforms() {
    let examples = Selection {
        examples: true,
        ..Selection::default()
    };
    check(examples, &["--examples"]);
    let host = Project::new(FILES).context.toolchain.host;
    check(
        Selection {
            target: vec![host.clone()],
            ..Selection::default()
        },
        &["--target", &host],
    );
}

#[test]
fn debugging_information_that_is_not_kept_is_warned_of() {
    let project = |split: &str| {
        let manifest = format!(
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
             [profile.dev]\nsplit-debuginfo = \"{split}\"\n"
        );
        Project::new(&[("Cargo.toml", &manifest), ("src/main.rs", "fn main() {}")])
    };
    let warnings = |split: &str| project(split).plan().unwrap().warnings;
    assert_eq!(warnings("packed"), []);
    let [warning] = &warnings("unpacked")[..] else {
        panic!("no warning")
    };
    assert!(
        format!("{warning:?}").contains("debuggers will not find"),
        "{warning:?}"
    );
}

#[test]
fn two_targets_of_one_name_are_warned_of() {
    let package = |name: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
             [[bin]]\nname = \"same\"\npath = \"src/main.rs\"\n"
        )
    };
    let project = Project::new(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"a\", \"b\"]\nresolver = \"2\"\n",
        ),
        ("a/Cargo.toml", &package("a")),
        ("a/src/main.rs", "fn main() {}"),
        ("b/Cargo.toml", &package("b")),
        ("b/src/main.rs", "fn main() {}"),
    ]);
    let plan = project.plan().unwrap();
    let [warning] = plan.warnings.as_slice() else {
        panic!("{:?}", plan.warnings)
    };
    let warning = format!("{warning:?}");
    for part in [
        "output filename collision at",
        ".vx/build/debug/same",
        "`a` (bin",
        "`b` (bin",
    ] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
}
