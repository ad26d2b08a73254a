//! Plans work, and make the same bytes wherever the checkout and the home lie.

use std::collections::BTreeMap;
use std::process::Command;

use vx_cargo::{DepInfo, Plan};
use vx_proto::Selection;

use crate::support::build::{Built, build};
use crate::support::project::Project;

const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[package]\nname = \"my-app\"\nversion = \"1.0.0\"\nedition = \"2021\"\nbuild = \"build.rs\"\n\
         [workspace]\nmembers = [\"part\", \"derive\"]\n[dependencies]\npart = { path = \"part\" }\n\
         derive = { path = \"derive\" }\nbeside = { path = \"../beside\" }\nfrom-registry = \"1\"\n",
    ),
    (
        "build.rs",
        r#"
        fn main() {
            let out = std::env::var("OUT_DIR").unwrap();
            std::fs::write(format!("{out}/gen.rs"), "pub fn place() -> &'static str { if X > 1 { panic!() } file!() } const X: u32 = 1;").unwrap();
            println!("cargo::rerun-if-changed=build.rs");
        }
        "#,
    ),
    (
        "src/main.rs",
        r#"
        mod generated { include!(concat!(env!("OUT_DIR"), "/gen.rs")); }
        fn main() {
            let texts = [part::place(), beside::place(), from_registry::place(), generated::place(), file!(), derive::text!()];
            println!("{}", texts.join(" "));
            let numbers: Vec<u32> = std::env::args().map(|argument| argument.len() as u32).collect();
            println!("{:?}", numbers.first());
        }
        "#,
    ),
    (
        "part/Cargo.toml",
        "[package]\nname = \"part\"\nversion = \"1.0.0\"\n[lib]\ncrate-type = [\"rlib\"]\n",
    ),
    (
        "part/src/lib.rs",
        "pub fn place() -> &'static str { file!() }\npub fn generic<T: std::fmt::Debug>(t: T) -> String { format!(\"{t:?}\") }",
    ),
    (
        "derive/Cargo.toml",
        "[package]\nname = \"derive\"\nversion = \"1.0.0\"\n[lib]\nproc-macro = true\n",
    ),
    (
        "derive/src/lib.rs",
        "extern crate proc_macro;\n#[proc_macro]\npub fn text(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"\\\"text\\\"\".parse().unwrap() }",
    ),
    (
        "../beside/Cargo.toml",
        "[package]\nname = \"beside\"\nversion = \"1.0.0\"\n",
    ),
    ("../beside/src/lib.rs", "pub fn place() -> &'static str { file!() }"),
];

fn project() -> Project {
    let project = Project::new(FILES);
    let entry = project.registry_package(
        "from-registry",
        "1.0.0",
        &[],
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"from-registry\"\nversion = \"1.0.0\"\n",
            ),
            ("src/lib.rs", "mod inner;\npub use inner::place;"),
            (
                "src/inner.rs",
                "pub fn place() -> &'static str { let unused = 1; file!() }",
            ),
        ],
    );
    let package = |name: &str, dependencies: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\ndependencies = [{dependencies}]\n")
    };
    let lock = [
        "version = 4\n".to_owned(),
        package("beside", ""),
        package("derive", ""),
        entry,
        package("my-app", "\"beside\", \"derive\", \"from-registry\", \"part\""),
        package("part", ""),
    ];
    project.write(&[("Cargo.lock", &lock.concat())]);
    project
}

/// Every output by file name. Incremental compilation, whose outputs depend on its history, is switched off.
fn artifacts(project: &Project, profile: &str) -> (BTreeMap<String, Vec<u8>>, Plan, Built) {
    let plan = project.plan().unwrap();
    let built = build(
        &plan,
        &project.context,
        &project.roots(),
        &project.scratch().join(profile),
    );
    let mut artifacts = BTreeMap::new();
    for exec in built.exec.values() {
        for file in exec.join("out").read_dir_utf8().unwrap() {
            let file = file.unwrap();
            if !file.file_name().ends_with(".d") {
                artifacts.insert(file.file_name().to_owned(), std::fs::read(file.path()).unwrap());
            }
        }
    }
    (artifacts, plan, built)
}

#[test]
fn two_checkouts_make_the_same_bytes() {
    for profile in ["dev", "release"] {
        let selection = Selection {
            profile: Some(profile.to_owned()),
            config: vec!["build.incremental=false".to_owned()],
            ..Selection::default()
        };
        let (one, two) = (project().selecting(selection.clone()), project().selecting(selection));
        let (artifacts_of_one, plan, built) = artifacts(&one, profile);
        let (artifacts_of_two, plan_of_two, _) = artifacts(&two, profile);

        let lines = |plan: &Plan| serde_json::to_string_pretty(plan).unwrap();
        let (plan_text, text_of_two) = (lines(&plan), lines(&plan_of_two));
        let differing = plan_text.lines().zip(text_of_two.lines()).find(|(one, two)| one != two);
        assert_eq!(differing, None);
        let names: Vec<&String> = artifacts_of_one.keys().collect();
        assert_eq!(names, artifacts_of_two.keys().collect::<Vec<_>>());
        for (name, content) in &artifacts_of_one {
            assert!(*content == artifacts_of_two[name], "{name} differs ({profile})");
            let (root, home) = (one.root.as_str(), one.context.home.root().as_str());
            let holds = |path: &str| content.windows(path.len()).any(|window| window == path.as_bytes());
            assert!(
                !holds(root) && !holds(home),
                "{name} holds a path of this machine ({profile})"
            );
        }

        let unit = plan.roots[0];
        let uplift = &plan.unit(unit).uplifts()[0];
        let directory = if profile == "dev" { "debug" } else { "release" };
        assert_eq!(uplift.destination, format!(".vx/build/{directory}/my-app"));
        let output = Command::new(built.file(unit, &uplift.file)).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let paths: Vec<&str> = said.lines().next().unwrap().split(' ').collect();
        assert_eq!(
            paths[..3],
            [
                "part/src/lib.rs",
                "../beside/src/lib.rs",
                "from-registry-1.0.0/src/inner.rs"
            ]
        );
        assert!(
            paths[3].starts_with("/vx/out/") && paths[3].ends_with("/gen.rs"),
            "{paths:?}"
        );
        assert_eq!(paths[4..], ["src/main.rs", "text"]);
    }
}

#[test]
fn dep_info_names_real_files() {
    let project = project();
    let plan = project.plan().unwrap();
    let built = build(&plan, &project.context, &project.roots(), &project.scratch());
    for (number, unit) in plan
        .units
        .iter()
        .enumerate()
        .filter(|(_, unit)| unit.compile_mode().is_some())
    {
        let compile = plan.unit(number).compile(&|script| built.outputs.get(script));
        let text = std::fs::read_to_string(built.file(number, compile.dep_info.as_deref().unwrap())).unwrap();
        let info = DepInfo::parse(&text);
        assert!(!info.files.is_empty());
        let directory = project.roots().absolute(&compile.working_directory);
        for file in &info.files {
            assert!(
                camino::Utf8Path::new(&directory).join(file).is_file(),
                "{file} of {:?}",
                unit.target
            );
        }
        let is_main = unit.target.name == "my-app";
        assert_eq!(info.env.iter().any(|(name, _)| name == "OUT_DIR"), is_main);
    }
}
