//! A build script sees the same environment as under cargo.

use std::collections::BTreeMap;

use camino::Utf8Path;
use vx_cargo::UnitKind;
use vx_model::Root;
use vx_proto::Selection;

use crate::support::compare::script_outputs;
use crate::support::project::Project;
use crate::support::record;

/// What vx decides otherwise, or leaves to execd.
const NOT_COMPARED: &[&str] = &[
    "CARGO_MAKEFLAGS",
    "LD_LIBRARY_PATH",
    "NUM_JOBS",
    "PWD",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "_",
];

/// What the record adds to cargo's environment.
const OF_THE_RECORD: &[&str] = &["CARGO_TARGET_DIR", "SSL_CERT_DIR", "SSL_CERT_FILE"];

const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\nlinks = \"my-lib\"\n[features]\ndefault = [\"a-b\"]\n\
         \"a-b\" = []\nc = []\n[dependencies]\nnative-sys = { path = \"native-sys\" }\n\
         [profile.special]\ninherits = \"release\"\ndebug = 1\nopt-level = \"z\"\n",
    ),
    ("build.rs", SCRIPT),
    ("src/main.rs", "fn main() {}"),
    (
        "native-sys/Cargo.toml",
        "[package]\nname = \"native-sys\"\nversion = \"1.0.0\"\nlinks = \"native\"\nbuild = \"build.rs\"\n",
    ),
    (
        "native-sys/build.rs",
        "fn main() { println!(\"cargo:some-key=some value\\ncargo:rerun-if-changed=build.rs\") }",
    ),
    ("native-sys/src/lib.rs", ""),
    (
        ".cargo/config.toml",
        "[env]\nOF_CONFIG = \"1\"\n[build]\nrustflags = [\"--cfg\", \"x\", \"-C\", \"target-feature=+avx\"]\n",
    ),
];

/// Writes down what it sees.
const SCRIPT: &str = r#"
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    let seen: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    std::fs::write(format!("{out}/seen"), seen.join("\0")).unwrap();
    println!("cargo:rerun-if-changed=build.rs\ncargo:rustc-check-cfg=cfg(x)");
}
"#;

fn check(project: &Project, arguments: &[&str]) {
    let plan = project.plan().unwrap();
    let scratch = project.scratch();
    std::fs::create_dir_all(&scratch).unwrap();
    let (started, target) = record::build(&project.context, &scratch, &[&["build"], arguments].concat());
    let roots = project.roots();
    let outputs = script_outputs(&plan, &roots, &started, &target);
    let of_app =
        |unit: &vx_cargo::Unit| unit.kind == UnitKind::RunBuildScript && plan.packages[unit.package].name == "app";
    let unit = plan.units.iter().position(of_app).unwrap();
    let out_dir = roots.absolute(&outputs.get(unit).unwrap().out_dir);
    let mut of_app = started.iter().filter(|started| {
        started
            .environment
            .get("CARGO_PKG_NAME")
            .is_some_and(|name| name == "app")
    });
    let their_out_dir = of_app.find_map(|started| started.environment.get("OUT_DIR")).unwrap();
    let run = plan.unit(unit).script_run().command(&|unit| outputs.get(unit));

    let seen = std::fs::read_to_string(Utf8Path::new(their_out_dir).join("seen")).unwrap();
    // They differ in the hash.
    let seen = seen.replace(their_out_dir, &out_dir);
    let mut theirs: BTreeMap<&str, &str> = seen.split('\0').filter_map(|line| line.split_once('=')).collect();
    theirs.retain(|name, value| {
        let is_users = project
            .context
            .environment
            .get(*name)
            .is_some_and(|users| users == value);
        !is_users && !NOT_COMPARED.contains(name) && !OF_THE_RECORD.contains(name)
    });
    let roots = roots.with(Root::Script, target.parent().unwrap().as_str());
    let mine: BTreeMap<String, String> = run
        .environment
        .iter()
        .map(|(name, value)| (name.clone(), value.render(&roots)))
        .collect();
    let mine: BTreeMap<&str, &str> = mine
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !NOT_COMPARED.contains(name))
        .collect();
    assert_eq!(mine, theirs);
    assert_eq!(roots.absolute(&run.working_directory), project.root);
    for hidden in &run.hidden {
        assert!(!theirs.contains_key(hidden.as_str()), "{hidden}");
    }
}

#[test]
fn in_every_profile() {
    check(&Project::new(FILES), &[]);
    for profile in ["release", "special"] {
        let selection = Selection {
            profile: Some(profile.to_owned()),
            ..Selection::default()
        };
        check(&Project::new(FILES).selecting(selection), &["--profile", profile]);
    }
}

#[test]
fn for_a_platform_by_name() {
    let host = Project::new(FILES).context.toolchain.host;
    let linker = format!("CARGO_TARGET_{}_LINKER", host.to_uppercase().replace('-', "_"));
    let selection = Selection {
        target: vec![host.clone()],
        features: vec!["c".to_owned()],
        ..Selection::default()
    };
    let project = Project::new(FILES)
        .selecting(selection)
        .with_environment(&[(&linker, "cc")]);
    check(&project, &["--target", &host, "-F", "c"]);
}
