//! `--action-log`: what a build started, for other programs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::TestEnv;
use serde_json::Value;

/// Builds with a log, and answers its lines.
fn logged_build(env: &TestEnv) -> Vec<Value> {
    let log = env.project().join("actions.jsonl");
    env.vx(["build", "--action-log", log.as_str()]).run().success();
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_build_logs_what_it_started_and_nothing_that_was_in_the_store() {
    let env = TestEnv::with_fixture("hello");
    let lines = logged_build(&env);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let line = &lines[0];
    assert_eq!(line["package"], "hello");
    assert_eq!(line["environment"]["CARGO_PKG_NAME"], "hello");
    let arguments = line["arguments"].as_array().unwrap();
    assert!(arguments.iter().any(|argument| argument == "--crate-name"));
    assert!(line["directory"].as_str().unwrap().starts_with('/'));
    assert!(logged_build(&env).is_empty());
}

#[test]
fn a_log_that_cannot_be_written_fails_the_build() {
    let env = TestEnv::with_fixture("hello");
    let outcome = env.vx(["build", "--action-log", "nowhere/log"]).run().code(6);
    assert!(outcome.stderr.contains("nowhere/log"), "{outcome}");
}
