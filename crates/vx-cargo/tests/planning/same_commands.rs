//! Every rustc that cargo starts, vx would start with the same arguments in the same environment and directory.

use crate::support::compare::differences;
use crate::support::project::Project;
use crate::support::record;
use vx_proto::{Goal, Selection};

/// Builds with cargo, plans with vx, and finds no difference. `arguments` are those of `selection`.
fn check(project: &Project, arguments: &[&str]) {
    check_command(project, &[&["build"], arguments].concat());
}

/// The same for another command of cargo's than `build`.
fn check_command(project: &Project, arguments: &[&str]) {
    let plan = project.plan().unwrap();
    let scratch = project.scratch();
    std::fs::create_dir_all(&scratch).unwrap();
    let (started, target) = record::build(&project.context, &scratch, arguments);
    let found = differences(&plan, &project.context, &project.roots(), &started, &target);
    assert!(found.is_empty(), "{found:#?}");
    assert!(!started.is_empty());
}

fn release() -> Selection {
    Selection {
        profile: Some("release".to_owned()),
        ..Selection::default()
    }
}

const MANIFEST: &str = r#"
[package]
name = "hello-world"
version = "1.2.3-rc.1"
edition = "2021"
authors = ["A <a@example.com>", "B"]
description = "two\nlines"
license = "MIT"
rust-version = "1.70"
"#;

#[test]
fn a_program_with_its_library() {
    let files = [
        ("Cargo.toml", MANIFEST),
        ("README.md", "hello"),
        (
            "src/lib.rs",
            "pub fn name() -> &'static str { env!(\"CARGO_PKG_NAME\") }",
        ),
        ("src/main.rs", "fn main() { println!(\"{}\", hello_world::name()) }"),
        ("src/bin/other-name.rs", "fn main() {}"),
        ("examples/show.rs", "fn main() {}"),
    ];
    check(&Project::new(&files), &[]);
    check(&Project::new(&files).selecting(release()), &["--release"]);
    let examples = Selection {
        examples: true,
        ..Selection::default()
    };
    check(&Project::new(&files).selecting(examples), &["--examples"]);
    let host = Project::new(&files).context.toolchain.host;
    let target = Selection {
        target: vec![host.clone()],
        ..Selection::default()
    };
    check(&Project::new(&files).selecting(target), &["--target", &host]);
}

#[test]
fn members_features_renames_and_lints() {
    let files = [
        (
            "Cargo.toml",
            r#"
            [workspace]
            members = ["crates/*"]
            resolver = "2"
            [workspace.package]
            version = "0.3.0"
            edition = "2021"
            repository = "https://example.com/r"
            [workspace.lints.rust]
            unsafe_code = "forbid"
            unused = { level = "deny", priority = -1 }
            unexpected_cfgs = { level = "warn", check-cfg = ["cfg(special)"] }
            [workspace.lints.clippy]
            all = "warn"
            "#,
        ),
        (
            "crates/app/Cargo.toml",
            r#"
            [package]
            name = "app"
            version.workspace = true
            edition.workspace = true
            repository.workspace = true
            [features]
            default = ["extra"]
            extra = ["renamed/more"]
            never = []
            [dependencies]
            renamed = { package = "tool", path = "../tool" }
            absent = { path = "../absent", optional = true }
            [target.'cfg(unix)'.dependencies]
            for-unix = { path = "../for-unix" }
            [target.'cfg(windows)'.dependencies]
            absent2 = { package = "absent", path = "../absent" }
            [lints]
            workspace = true
            "#,
        ),
        ("crates/app/src/main.rs", "fn main() { renamed::f(); for_unix::f(); }"),
        (
            "crates/tool/Cargo.toml",
            "[package]\nname = \"tool\"\nversion.workspace = true\nedition.workspace = true\n[features]\nmore = []\n\
             [lints.rust]\ndead_code = \"allow\"\n",
        ),
        (
            "crates/tool/src/lib.rs",
            "pub fn f() {}\n#[cfg(not(feature = \"more\"))]\ncompile_error!(\"more\");",
        ),
        (
            "crates/for-unix/Cargo.toml",
            "[package]\nname = \"for-unix\"\nversion = \"1.0.0\"\n",
        ),
        ("crates/for-unix/src/lib.rs", "pub fn f() {}"),
        (
            "crates/absent/Cargo.toml",
            "[package]\nname = \"absent\"\nversion = \"1.0.0\"\n",
        ),
        ("crates/absent/src/lib.rs", ""),
    ];
    check(&Project::new(&files), &[]);
    let one = Selection {
        packages: vec!["app".to_owned()],
        ..release()
    };
    check(&Project::new(&files).selecting(one), &["--release", "-p", "app"]);
}

#[test]
fn macros_and_libraries_of_all_kinds() {
    let library = |name: &str, kinds: &str| {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [{kinds}]\n\
             [dependencies]\nbase = {{ path = \"../base\" }}\n"
        )
    };
    let shared = library("shared", "\"dylib\"");
    let both = library("both", "\"rlib\", \"cdylib\", \"staticlib\"");
    let files = [
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"*\"]\nexclude = [\"outside\"]\nresolver = \"2\"\n\
             [profile.release]\nlto = \"thin\"\npanic = \"abort\"\ncodegen-units = 2\nstrip = true\noverflow-checks = true\n\
             [profile.release.package.base]\nopt-level = \"s\"\ndebug = \"line-tables-only\"\n\
             [profile.dev.build-override]\nopt-level = 1\n[profile.dev]\nsplit-debuginfo = \"packed\"\nrpath = true\n",
        ),
        (
            "app/Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[dependencies]\n\
             both = { path = \"../both\" }\nderive = { path = \"../derive\" }\n",
        ),
        (
            "app/src/main.rs",
            "fn main() { both::f(); println!(\"{}\", derive::one!()); }",
        ),
        ("shared/Cargo.toml", shared.as_str()),
        ("shared/src/lib.rs", "pub fn f() { base::f() }"),
        ("both/Cargo.toml", both.as_str()),
        ("both/src/lib.rs", "pub fn f() { base::f() }"),
        ("base/Cargo.toml", "[package]\nname = \"base\"\nversion = \"1.0.0\"\n"),
        ("base/src/lib.rs", "pub fn f() {}"),
        (
            "derive/Cargo.toml",
            "[package]\nname = \"derive\"\nversion = \"1.0.0\"\n[lib]\nproc-macro = true\n\
             [dependencies]\nhelp = { path = \"../help\" }\n",
        ),
        (
            "derive/src/lib.rs",
            "#[proc_macro]\npub fn one(_: proc_macro::TokenStream) -> proc_macro::TokenStream { help::one().parse().unwrap() }",
        ),
        ("help/Cargo.toml", "[package]\nname = \"help\"\nversion = \"1.0.0\"\n"),
        (
            "help/src/lib.rs",
            "extern crate proc_macro;\npub fn one() -> &'static str { \"1\" }",
        ),
    ];
    check(&Project::new(&files), &[]);
    let mut without_panic = files;
    // Rust's dynamic libraries cannot abort and be optimised at once.
    let manifest = files[0]
        .1
        .replace("panic = \"abort\"\n", "")
        .replace("lto = \"thin\"", "lto = \"off\"");
    without_panic[0].1 = &manifest;
    check(&Project::new(&without_panic).selecting(release()), &["--release"]);
}

/// The part that a library has in the optimisation of the program that links it.
fn check_lto(lto: &str) {
    let manifest = format!(
        "{MANIFEST}\n[dependencies]\nbase = {{ path = \"base\" }}\n[profile.release]\nlto = {lto}\nopt-level = 0\n"
    );
    let project = Project::new(&[
        ("Cargo.toml", manifest.as_str()),
        (
            "build.rs",
            "fn main() { println!(\"cargo:rerun-if-changed=build.rs\") }",
        ),
        ("src/lib.rs", "pub fn f() { base::f() }"),
        ("src/main.rs", "fn main() { hello_world::f() }"),
        ("base/Cargo.toml", "[package]\nname = \"base\"\nversion = \"1.0.0\"\n"),
        ("base/src/lib.rs", "pub fn f() {}"),
    ]);
    check(&project.selecting(release()), &["--release"]);
}

#[test]
fn fat_optimisation_at_link_time() {
    check_lto("true");
}

#[test]
fn thin_optimisation_at_link_time() {
    check_lto("\"thin\"");
}

#[test]
fn no_optimisation_at_link_time() {
    check_lto("false");
    check_lto("\"off\"");
}

#[test]
fn packages_beside_the_workspace_and_of_the_registry() {
    let project = Project::new(&[
        (
            "Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nbeside = { path = \"../beside\" }\n\
             from-registry = \"0.4\"\n",
        ),
        ("src/main.rs", "fn main() { beside::f(); from_registry::f() }"),
        (
            "../beside/Cargo.toml",
            "[package]\nname = \"beside\"\nversion = \"2.0.0\"\n[lints.rust]\nunused = \"deny\"\n",
        ),
        ("../beside/src/lib.rs", "pub fn f() {}"),
    ]);
    let entry = project.registry_package(
        "from-registry",
        "0.4.5+build",
        &[],
        &[
            ("Cargo.toml", "[package]\nname = \"from-registry\"\nversion = \"0.4.5+build\"\n[lints.rust]\nunused = \"deny\"\n[features]\nx = []\n"),
            ("src/lib.rs", "pub fn f() {}"),
        ],
    );
    let lock = format!(
        "version = 4\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\ndependencies = [\"beside\", \"from-registry\"]\n\
         [[package]]\nname = \"beside\"\nversion = \"2.0.0\"\n{entry}"
    );
    project.write(&[("Cargo.lock", &lock)]);
    check(&project, &[]);
}

#[test]
fn configuration_and_environment() {
    let files = [
        ("Cargo.toml", MANIFEST),
        (
            "src/main.rs",
            "fn main() { println!(\"{:?} {:?}\", option_env!(\"PLAIN\"), option_env!(\"PLACE\")) }",
        ),
        (
            "build.rs",
            "fn main() { println!(\"cargo:rerun-if-changed=build.rs\") }",
        ),
        (
            ".cargo/config.toml",
            r#"
            [build]
            rustflags = ["--cfg", "from_build"]
            [target.'cfg(target_os = "linux")']
            rustflags = ["--cfg", "from_expression"]
            linker = "tools/my-cc"
            [env]
            PLAIN = "plain"
            KEPT = "of the configuration"
            FORCED = { value = "forced", force = true }
            PLACE = { value = "data/x", relative = true }
            CARGO_PKG_NAME = "never"
            "#,
        ),
        ("tools/my-cc", "#!/bin/sh\nexec cc \"$@\"\n"),
    ];
    let make = || {
        let project = Project::new(&files).with_environment(&[("KEPT", "of the user"), ("FORCED", "of the user")]);
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(project.root.join("tools/my-cc"), std::fs::Permissions::from_mode(0o755)).unwrap();
        project
    };
    check(&make(), &[]);
    check(
        &make().with_environment(&[("RUSTFLAGS", "--cfg from_environment -C  debuginfo=1")]),
        &[],
    );
    let host = make().context.toolchain.host;
    let target = Selection {
        target: vec![host.clone()],
        ..Selection::default()
    };
    check(&make().selecting(target.clone()), &["--target", &host]);
    let linker = format!("CARGO_TARGET_{}_LINKER", host.to_uppercase().replace('-', "_"));
    check(
        &make().selecting(target).with_environment(&[(&linker, "cc")]),
        &["--target", &host],
    );
}

#[test]
fn what_build_scripts_say() {
    let files = [
        (
            "Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"rlib\", \"cdylib\"]\n\
             [dependencies]\nnative-sys = { path = \"native-sys\" }\nmacros = { path = \"macros\" }\n",
        ),
        (
            "build.rs",
            r#"
            fn main() {
                let out = std::env::var("OUT_DIR").unwrap();
                assert_eq!(std::env::var("DEP_NATIVE_THE_KEY").unwrap(), "value");
                assert!(std::env::var("DEP_NATIVE_ROOT").unwrap().ends_with("/out"));
                std::fs::write(format!("{out}/gen.rs"), "pub const X: u32 = 1;").unwrap();
                println!("some text\ncargo::rustc-cfg=special\ncargo::rustc-check-cfg=cfg(special)");
                println!("cargo::rustc-env=GREETING=hello = you");
                println!("cargo::rustc-env=PLACE={out}/gen.rs");
                println!("cargo::rustc-link-search=native={out}");
                println!("cargo::rustc-link-search=/usr/lib");
                println!("cargo::rustc-link-arg=-Wl,-O1");
                println!("cargo::rustc-link-arg-bins=-Wl,--as-needed");
                println!("cargo::rustc-link-arg-bin=app=-Wl,-O1");
                println!("cargo::rustc-link-arg-cdylib=-Wl,--no-undefined");
                println!("cargo::rerun-if-changed=build.rs");
                println!("cargo::rerun-if-env-changed=SOMETHING");
            }
            "#,
        ),
        (
            "src/lib.rs",
            "include!(concat!(env!(\"OUT_DIR\"), \"/gen.rs\"));\n#[cfg(not(special))]\ncompile_error!(\"special\");",
        ),
        (
            "src/main.rs",
            "fn main() { println!(\"{} {}\", app::X, env!(\"GREETING\")); macros::nothing!(); native_sys::f() }",
        ),
        (
            "native-sys/Cargo.toml",
            "[package]\nname = \"native-sys\"\nversion = \"1.0.0\"\nlinks = \"native\"\nbuild = \"make.rs\"\n",
        ),
        (
            "native-sys/make.rs",
            r#"
            fn main() {
                let out = std::env::var("OUT_DIR").unwrap();
                println!("cargo:rustc-flags=-L {} -l m -lc", out);
                println!("cargo:rustc-link-lib=dl");
                println!("cargo:the-key=value");
                println!("cargo:root={}", out);
                println!("cargo:rustc-cdylib-link-arg=-Wl,-O1");
            }
            "#,
        ),
        ("native-sys/src/lib.rs", "pub fn f() {}"),
        (
            "macros/Cargo.toml",
            "[package]\nname = \"macros\"\nversion = \"1.0.0\"\n[lib]\nproc-macro = true\n[dependencies]\n\
             native-sys = { path = \"../native-sys\" }\n",
        ),
        (
            "macros/src/lib.rs",
            "extern crate proc_macro;\n#[proc_macro]\npub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream { proc_macro::TokenStream::new() }",
        ),
    ];
    check(&Project::new(&files), &[]);
    check(&Project::new(&files).selecting(release()), &["--release"]);
}

/// A workspace with targets of all kinds.
const TARGETS: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nmembers = [\"app\", \"macros\", \"helper\"]\nresolver = \"2\"\n[profile.release]\npanic = \"abort\"\nlto = true\n",
    ),
    (
        "app/Cargo.toml",
        r#"
            [package]
            name = "the-app"
            version = "0.1.0"
            edition = "2021"
            [dependencies]
            macros = { path = "../macros" }
            [dev-dependencies]
            helper = { path = "../helper" }
            [build-dependencies]
            helper = { path = "../helper" }
            # The shell that records commands loses variables with a hyphen in their names.
            [[bin]]
            name = "app"
            path = "src/main.rs"
            [[test]]
            name = "own-main"
            harness = false
            [[bench]]
            name = "speed"
            harness = false
            "#,
    ),
    ("app/build.rs", "fn main() { helper::f() }"),
    ("app/src/lib.rs", "#[test] fn t() {}"),
    ("app/src/main.rs", "fn main() {}\n#[test] fn t() { assert!(true) }"),
    ("app/examples/show.rs", "fn main() { helper::f() }"),
    (
        "app/tests/it.rs",
        "#[test] fn t() { println!(\"{} {}\", env!(\"CARGO_BIN_EXE_app\"), env!(\"CARGO_TARGET_TMPDIR\")) }",
    ),
    ("app/tests/own-main.rs", "fn main() {}"),
    ("app/benches/speed.rs", "fn main() {}"),
    (
        "macros/Cargo.toml",
        "[package]\nname = \"macros\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
    ),
    ("macros/src/lib.rs", "extern crate proc_macro;\n#[test] fn t() {}"),
    (
        "helper/Cargo.toml",
        "[package]\nname = \"helper\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
    ),
    ("helper/src/lib.rs", "pub fn f() {}"),
];

fn compare(selection: Selection, arguments: &[&str]) {
    check_command(&Project::new(TARGETS).selecting(selection), arguments);
}

fn goal(goal: Goal) -> Selection {
    Selection {
        goal,
        ..Selection::default()
    }
}

fn of_profile(profile: &str, selection: Selection) -> Selection {
    Selection {
        profile: Some(profile.to_owned()),
        ..selection
    }
}

#[test]
fn of_tests() {
    compare(goal(Goal::Test), &["test", "--no-run"]);
    let library = Selection {
        lib: true,
        ..goal(Goal::Test)
    };
    let release = ["test", "--no-run", "--release", "--lib"];
    compare(of_profile("release", library), &release);
    let tests = Selection {
        tests: true,
        ..goal(Goal::Build)
    };
    compare(tests, &["build", "--tests"]);
}

#[test]
fn of_benches() {
    let named = Selection {
        bench: vec!["speed".to_owned()],
        ..goal(Goal::Bench)
    };
    compare(named, &["bench", "--no-run", "--bench", "speed"]);
}

#[test]
fn of_checks() {
    compare(goal(Goal::Check), &["check"]);
    let as_tests = of_profile("test", goal(Goal::Check));
    compare(as_tests, &["check", "--profile", "test"]);
    let named = Selection {
        test: vec!["it".to_owned()],
        lib: true,
        ..goal(Goal::Check)
    };
    compare(named, &["check", "--lib", "--test", "it"]);
}

#[test]
fn of_checks_of_all_targets() {
    let all = || Selection {
        all_targets: true,
        ..goal(Goal::Check)
    };
    compare(all(), &["check", "--all-targets"]);
    let release = ["check", "--all-targets", "--release"];
    compare(of_profile("release", all()), &release);
}

#[test]
fn of_clippy() {
    let with_extra_args = Selection {
        extra_args: vec!["-D".to_owned(), "clippy::all".to_owned()],
        ..goal(Goal::Clippy)
    };
    compare(with_extra_args, &["clippy", "--", "-D", "clippy::all"]);
    let all_targets = Selection {
        all_targets: true,
        extra_args: vec!["--no-deps".to_owned()],
        ..goal(Goal::Clippy)
    };
    compare(all_targets, &["clippy", "--all-targets", "--no-deps"]);
}

#[test]
fn of_one_target_with_flags_of_its_own() {
    let extra_args = ["-C", "debuginfo=1", "--cfg", "own"];
    let library = Selection {
        packages: vec!["the-app".to_owned()],
        lib: true,
        crate_types: vec!["cdylib".to_owned(), "rlib".to_owned()],
        extra_args: extra_args.map(str::to_owned).to_vec(),
        ..goal(Goal::Rustc)
    };
    let arguments = ["rustc", "-p", "the-app", "--lib", "--crate-type=cdylib,rlib", "--"];
    compare(library, &[&arguments[..], &extra_args].concat());
}

#[test]
fn of_documentation() {
    compare(goal(Goal::Doc), &["doc"]);
    let private = Selection {
        workspace: true,
        no_deps: true,
        extra_args: vec!["--document-private-items".to_owned()],
        ..goal(Goal::Doc)
    };
    compare(
        private,
        &["doc", "--workspace", "--no-deps", "--document-private-items"],
    );
    let programs = Selection {
        bins: true,
        ..goal(Goal::Doc)
    };
    compare(programs, &["doc", "--bins"]);
}
