//! Whatever changes a plan changes an answer to one of its questions. The other direction matters less: asking again is
//! cheap.

use std::io;

use camino::Utf8Path;
use vx_cargo::{Plan, PlanContext};
use vx_model::{Input, Root, Roots};
use vx_proto::Selection;

use crate::support::project::Project;

/// The answers to the questions of a plan, as the engine would give them.
fn answers(plan: &Plan, context: &PlanContext, roots: &Roots) -> Vec<String> {
    plan.inputs
        .iter()
        .map(|input| format!("{input:?} {}", answer(input, context, roots)))
        .collect()
}

fn answer(input: &Input, context: &PlanContext, roots: &Roots) -> String {
    match input {
        Input::File(path) => match std::fs::read_to_string(roots.absolute(path)) {
            Ok(text) => text,
            Err(error) => format!("{:?}", error.kind()),
        },
        Input::Kind(path) => kind(roots.absolute(path).as_str().into()),
        Input::Listing(path) => listing(roots.absolute(path).as_str().into()).unwrap_or_else(|error| error.to_string()),
        Input::Ancestors(name) => {
            let workspace = Utf8Path::new(roots.dir(Root::Workspace));
            let above = workspace
                .ancestors()
                .skip(1)
                .filter(|directory| directory.join(name).exists());
            above.map(|directory| directory.as_str()).collect()
        }
        Input::Env(name) => format!("{:?}", context.environment.get(name)),
        Input::Tree(_) | Input::Location(_) | Input::Stat(_) | Input::Environment => {
            unreachable!("a plan asks for none of these")
        }
    }
}

fn kind(path: &Utf8Path) -> String {
    path.symlink_metadata().map_or_else(
        |error| format!("{:?}", error.kind()),
        |data| format!("{:?}", data.file_type()),
    )
}

fn listing(path: &Utf8Path) -> io::Result<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in path.read_dir_utf8()? {
        let entry = entry?;
        names.push(format!("{} {}", entry.file_name(), kind(entry.path())));
    }
    names.sort();
    Ok(names.join(", "))
}

fn content(plan: &Plan) -> String {
    serde_json::to_string(&Plan {
        inputs: Vec::new(),
        ..plan.clone()
    })
    .unwrap()
}

const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\nmembers = [\"crates/*\", \"deep/**/x\"]\n\
         [workspace.lints.rust]\nunused = \"deny\"\n[dependencies]\npart = { path = \"crates/part\" }\nbeside = { path = \"../beside\" }\n",
    ),
    ("src/main.rs", "fn main() {}"),
    (
        "crates/part/Cargo.toml",
        "[package]\nname = \"part\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lints]\nworkspace = true\n",
    ),
    ("crates/part/src/lib.rs", ""),
    (
        "deep/old/x/Cargo.toml",
        "[package]\nname = \"old\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
    ),
    ("deep/old/x/src/lib.rs", ""),
    (
        "../beside/Cargo.toml",
        "[package]\nname = \"beside\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
    ),
    ("../beside/src/lib.rs", ""),
];

fn project() -> Project {
    let everything = Selection {
        workspace: true,
        examples: true,
        bins: true,
        lib: true,
        ..Selection::default()
    };
    Project::new(FILES).selecting(everything)
}

/// Writes `files`, and finds that the plan changes and that its questions noticed.
fn must_be_noticed(files: &[(&str, &str)]) {
    let project = project();
    let before = project.plan().unwrap();
    let answers_before = answers(&before, &project.context, &project.roots());
    project.write(files);
    let after = project.plan().unwrap();
    assert_ne!(content(&before), content(&after), "{files:?} changes nothing");
    assert_ne!(
        answers_before,
        answers(&before, &project.context, &project.roots()),
        "{files:?} goes unnoticed"
    );
}

#[test]
fn nothing_changes_by_itself() {
    let project = project();
    let (one, two) = (project.plan().unwrap(), project.plan().unwrap());
    assert_eq!(serde_json::to_value(&one).unwrap(), serde_json::to_value(&two).unwrap());
    let ask = || answers(&one, &project.context, &project.roots());
    let before = ask();
    project.write(&[
        ("src/main.rs", "fn main() { println!() }"),
        ("src/module.rs", ""),
        ("notes.txt", ""),
    ]);
    assert_eq!(before, ask(), "sources are no questions of a plan");
}

#[test]
fn manifests() {
    must_be_noticed(&[("Cargo.toml", &format!("{}\n[profile.dev]\nopt-level = 1\n", FILES[0].1))]);
    must_be_noticed(&[("Cargo.toml", &FILES[0].1.replace("unused", "dead_code"))]);
    must_be_noticed(&[("crates/part/Cargo.toml", &FILES[2].1.replace("2021", "2024"))]);
    must_be_noticed(&[("../beside/Cargo.toml", &format!("{}[features]\nx = []\n", FILES[6].1))]);
}

#[test]
fn targets_that_appear() {
    for path in [
        "build.rs",
        "src/lib.rs",
        "src/bin/second.rs",
        "src/bin/third/main.rs",
        "examples/show.rs",
        "crates/part/examples/show/main.rs",
        "../beside/build.rs",
    ] {
        must_be_noticed(&[(path, "fn main() {}")]);
    }
    must_be_noticed(&[("README.md", "hello")]);
}

#[test]
fn members_that_appear() {
    for directory in ["crates/new", "deep/a/b/x"] {
        let manifest = format!("{directory}/Cargo.toml");
        let source = format!("{directory}/src/lib.rs");
        must_be_noticed(&[
            (
                &manifest,
                "[package]\nname = \"new\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
            ),
            (&source, ""),
        ]);
    }
}

#[test]
fn configuration() {
    let flags = "[build]\nrustflags = [\"--cfg\", \"x\"]\n";
    for path in [".cargo/config.toml", ".cargo/config", "../.cargo/config.toml"] {
        must_be_noticed(&[(path, flags)]);
    }
    must_be_noticed(&[(".cargo/config.toml", "[env]\nX = \"1\"\n")]);
}

#[test]
fn included_configuration() {
    let project = project();
    let including = "include = [\"more.toml\"]\n[env]\nX = \"1\"\n";
    project.write(&[
        (".cargo/config.toml", including),
        (".cargo/more.toml", "[env]\nY = \"1\"\n"),
    ]);
    let plan = project.plan().unwrap();
    let before = answers(&plan, &project.context, &project.roots());
    project.write(&[(".cargo/more.toml", "[env]\nY = \"2\"\n")]);
    assert_ne!(before, answers(&plan, &project.context, &project.roots()));
}

#[test]
fn variables_that_configuration_yields_to() {
    let project = project();
    project.write(&[(
        ".cargo/config.toml",
        "[env]\nX = \"1\"\nY = { value = \"2\", force = true }\n",
    )]);
    let plan = project.plan().unwrap();
    assert_eq!(
        plan.config_environment,
        [("X".to_owned(), "1".into()), ("Y".to_owned(), "2".into())]
    );
    let before = answers(&plan, &project.context, &project.roots());
    let project = project.with_environment(&[("X", "of the user")]);
    assert_ne!(before, answers(&plan, &project.context, &project.roots()));
    assert_eq!(
        project.plan().unwrap().config_environment,
        [("Y".to_owned(), "2".into())]
    );
}

#[test]
fn jobs_of_the_configuration() {
    let project = project();
    let jobs = |project: &Project| project.plan().unwrap().jobs;
    assert_eq!(jobs(&project), None);
    project.write(&[(".cargo/config.toml", "[build]\njobs = 3\n")]);
    assert_eq!(jobs(&project).as_deref(), Some("3"));
    project.write(&[(".cargo/config.toml", "[build]\njobs = \"default\"\n")]);
    assert_eq!(jobs(&project).as_deref(), Some("default"));
    let project = project.with_environment(&[("CARGO_BUILD_JOBS", "-1")]);
    assert_eq!(jobs(&project).as_deref(), Some("-1"));
}

#[test]
fn a_workspace_above() {
    let member = [
        (
            "Cargo.toml",
            "[package]\nname = \"one\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
        ),
        ("src/lib.rs", ""),
    ];
    let project = Project::new(&member);
    let plan = project.plan().unwrap();
    let before = answers(&plan, &project.context, &project.roots());
    project.write(&[("../Cargo.toml", "[workspace]\nmembers = [\"workspace\"]\n")]);
    assert_ne!(before, answers(&plan, &project.context, &project.roots()));
}
