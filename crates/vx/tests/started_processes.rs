//! What runs is what is keyed: every argument, variable and path of the processes of real builds is in their actions, or
//! is a variable that the action says it finds around it, whose reading is reported.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::collections::BTreeMap;

use harness::TestEnv;
use serde_json::Value;

/// What processes find in place of the user's variables of these names.
const GIVEN: &[(&str, &str)] = &[("PWD", "{workspace}"), ("RUSTUP_TOOLCHAIN", "{toolchain}")];

/// Variables that Cargo sets and rustc reports where they are read: they are recorded inputs then.
const REPORTED: &[&str] = &["OUT_DIR", "CARGO_PRIMARY_PACKAGE", "FROM_SCRIPT"];

/// What `vx explain --key` tells of one unit.
struct Key {
    unit: String,
    parts: Vec<(String, String)>,
}

impl Key {
    fn values<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a str> {
        let of_label = move |(own, value): &'a (String, String)| (own == label).then_some(value.as_str());
        self.parts.iter().filter_map(of_label)
    }
}

fn keys(env: &TestEnv, package: &str) -> Vec<Key> {
    let text = env.vx(["explain", "--unit", package, "--key"]).run().success().stdout;
    let mut keys: Vec<Key> = Vec::new();
    for line in text.lines() {
        let (label, value) = line.split_once(" = ").unwrap();
        match label {
            "unit" => keys.push(Key {
                unit: value.to_owned(),
                parts: Vec::new(),
            }),
            _ => keys
                .last_mut()
                .unwrap()
                .parts
                .push((label.to_owned(), value.to_owned())),
        }
    }
    keys
}

/// A template as it is displayed, filled in.
fn render(template: &str, roots: &[(&str, String)]) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        text += &rest[..at];
        let from = &rest[at..];
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text += &from[..1];
            rest = after;
            continue;
        }
        let (path, after) = from[1..].split_once('}').unwrap();
        let (root, below) = path.split_once('/').unwrap_or((path, ""));
        let (_, directory) = roots
            .iter()
            .find(|(name, _)| *name == root)
            .unwrap_or_else(|| panic!("{path}"));
        text += directory;
        if !below.is_empty() {
            text += &format!("/{below}");
        }
        rest = after;
    }
    text + rest
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Where the roots of this process are.
fn roots(env: &TestEnv, arguments: &[String], environment: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let sysroot = |program: &str| program.strip_suffix("/bin/rustc").map(str::to_owned);
    let toolchain = sysroot(&arguments[0]).or_else(|| sysroot(environment.get("RUSTC")?));
    let exec = match arguments.iter().position(|argument| argument == "--out-dir") {
        Some(at) => arguments[at + 1].strip_suffix("/out").unwrap().to_owned(),
        None => arguments[0].strip_suffix("/build-script").unwrap().to_owned(),
    };
    // A script writes to a directory of its own, in which Cargo's target directory is imitated.
    let script = environment.get("OUT_DIR").and_then(|out| out.split_once("/target/"));
    vec![
        ("workspace", env.project().into_string()),
        ("vx-home", env.home().into_string()),
        ("home", env.root().join("user").into_string()),
        ("toolchain", toolchain.unwrap()),
        ("exec", exec),
        (
            "script",
            script.map(|(script, _)| script.to_owned()).unwrap_or_default(),
        ),
        ("host", String::new()),
    ]
}

/// Checks one process against the actions of its package: it must be exactly that of one of them.
fn check(env: &TestEnv, process: &Value, keys: &[Key], user: &BTreeMap<String, String>) {
    let arguments = texts(&process["arguments"]);
    let environment: BTreeMap<String, String> = serde_json::from_value(process["environment"].clone()).unwrap();
    let roots = roots(env, &arguments, &environment);
    let is_of = |key: &&Key| {
        let own: Vec<String> = key
            .values("argument")
            .map(|argument| render(argument, &roots))
            .collect();
        own == arguments
    };
    let names: Vec<&str> = keys.iter().map(|key| key.unit.as_str()).collect();
    let key = keys
        .iter()
        .find(is_of)
        .unwrap_or_else(|| panic!("no action of {names:?} has {arguments:#?}"));
    let directory = key.values("working directory").next().unwrap();
    assert_eq!(
        render(&format!("{{{directory}}}"), &roots),
        process["directory"],
        "{}",
        key.unit
    );
    let finds_environment = key.values("finds the user's environment").eq(["true"]);
    for (name, value) in &environment {
        let label = format!("environment variable {name}");
        let is_own = key.values(&label).any(|own| render(own, &roots) == *value);
        let is_found = finds_environment && (user.get(name) == Some(value) || REPORTED.contains(&name.as_str()));
        let given = GIVEN.iter().find(|(given, _)| given == name);
        let is_given = finds_environment && given.is_some_and(|(_, root)| render(root, &roots) == *value);
        assert!(
            is_own || is_found || is_given,
            "{}: {name}={value} is not of its action",
            key.unit
        );
    }
}

fn check_all(env: &TestEnv, packages: &[&str]) {
    let log = env.root().join("actions.jsonl");
    let user = BTreeMap::from([
        ("COLOUR".to_owned(), "red".to_owned()),
        ("BRACES".to_owned(), "{exec}".to_owned()),
    ]);
    let mut build = env.vx(["build", "--workspace", "--action-log", log.as_str()]);
    for (name, value) in &user {
        build = build.env(name, value);
    }
    let mut user = user.clone();
    let command = build.into_command();
    let passed = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    user.extend(passed.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut command = command;
    assert!(command.status().unwrap().success());
    let processes: Vec<Value> = std::fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(processes.len() >= packages.len(), "{processes:#?}");
    for package in packages {
        let keys = keys(env, package);
        let of_package = processes.iter().filter(|process| process["package"] == *package);
        for process in of_package {
            check(env, process, &keys, &user);
        }
    }
}

#[test]
fn processes_of_a_workspace_with_macros_and_programs_are_their_actions() {
    let env = TestEnv::with_fixture("multi_crate");
    check_all(&env, &["app", "greet", "words", "shout"]);
}

#[test]
fn processes_with_build_scripts_are_their_actions() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "build.rs",
        "fn main() {\n\
         println!(\"cargo::rustc-env=FROM_SCRIPT={{workspace}}\");\n\
         println!(\"cargo::rerun-if-env-changed=COLOUR\");\n\
         let _ = std::env::var(\"BRACES\");\n\
         std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/x\", \"\").unwrap();\n\
         }\n",
    );
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{} {}\", env!(\"FROM_SCRIPT\"), option_env!(\"COLOUR\").unwrap_or_default()); }\n",
    );
    check_all(&env, &["hello"]);
    let keys = keys(&env, "hello");
    let recorded = |label: &str| {
        keys.iter()
            .flat_map(|key| key.values(label))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(recorded("environment variable FROM_SCRIPT").contains(&"={{workspace}}".to_owned()));
    let braces = recorded("environment variable BRACES");
    assert!(
        !braces.is_empty() && braces.iter().all(|value| value.starts_with("sha256:")),
        "{braces:?}"
    );
}
