//! The command line: help, messages, exit codes, colors, verbosity, `vx run`, `vx clean`.

mod harness;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::{Outcome, TestEnv, snapshots};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// What vx printed and how it ended, as one text.
fn told(outcome: &Outcome) -> String {
    let code = outcome
        .status
        .code()
        .map_or_else(|| outcome.status.to_string(), |code| format!("exit code {code}"));
    format!("{code}\n--- stdout\n{}--- stderr\n{}", outcome.stdout, outcome.stderr)
}

#[track_caller]
fn assert_told(env: &TestEnv, name: &str, outcome: &Outcome) {
    snapshots::settings(env).bind(|| insta::assert_snapshot!(name, told(outcome)));
}

#[test]
fn help_of_every_command() {
    let env = TestEnv::new();
    for command in [
        "",
        "build",
        "run",
        "check",
        "clippy",
        "rustc",
        "doc",
        "test",
        "bench",
        "fetch",
        "toolchain",
        "clean",
        "explain",
        "status",
        "kill",
    ] {
        let arguments = [command, "--help"];
        let outcome = env
            .vx(arguments.into_iter().filter(|argument| !argument.is_empty()))
            .run()
            .success();
        assert_told(&env, &format!("help_{command}"), &outcome);
    }
}

#[test]
fn a_first_build_a_second_build_and_a_build_that_fails() {
    let env = TestEnv::with_fixture("hello");
    assert_told(&env, "first_build", &env.vx(["build"]).run());
    assert_told(&env, "second_build", &env.vx(["build"]).run());
    env.replace("src/greeting.rs", "\"hello\"", "5");
    assert_told(&env, "failed_build", &env.vx(["build"]).run());
}

#[test]
fn mistakes_of_the_user() {
    let env = TestEnv::with_fixture("hello");
    let cases: [(&str, &[&str]); 5] = [
        ("no_such_command", &["bild"]),
        ("no_such_option", &["build", "--nonsense"]),
        ("contradiction", &["build", "--quiet", "--verbose"]),
        ("no_such_manifest", &["build", "--manifest-path", "nowhere/Cargo.toml"]),
        ("no_such_program", &["build", "--bin", "nothing"]),
    ];
    for (name, arguments) in cases {
        assert_told(&env, name, &env.vx(arguments).run());
    }
}

#[test]
fn a_directory_without_a_project() {
    let env = TestEnv::new();
    assert_told(&env, "no_project", &env.vx(["build"]).run());
    assert_told(&env, "no_project_to_clean", &env.vx(["clean"]).run());
}

#[test]
fn an_invalid_manifest_is_reported_with_line_and_column() {
    let env = TestEnv::with_fixture("hello");
    env.write("Cargo.toml", "[package\n");
    assert_told(&env, "wrong_manifest", &env.vx(["build"]).run());
}

#[test]
fn variables_that_make_no_sense() {
    let env = TestEnv::with_fixture("hello");
    assert_told(
        &env,
        "endpoint_of_the_world",
        &env.vx(["status"]).env("VX_DAEMON", "0.0.0.0:80").run(),
    );
    assert_told(
        &env,
        "endless_timeout",
        &env.vx(["status"]).env("VX_IDLE_TIMEOUT", "forever").run(),
    );
    assert_told(
        &env,
        "wrong_colour",
        &env.vx(["status"]).env("CARGO_TERM_COLOR", "blue").run(),
    );
    assert_told(
        &env,
        "misspelt_variable",
        &env.vx(["status"]).env("VX_HOEM", "/x").run(),
    );
}

#[test]
fn a_toolchain_that_is_not_installed_is_named() {
    let env = TestEnv::with_fixture("hello");
    let outcome = env.vx(["+no-such-toolchain", "build"]).run();
    assert_ne!(outcome.status.code(), Some(0), "{outcome}");
    assert!(outcome.stderr.contains("no-such-toolchain"), "{outcome}");
    assert_eq!(env.started(), 0);
}

#[test]
fn nothing_is_said_when_nothing_is_to_be_said() {
    let env = TestEnv::with_fixture("hello");
    let outcome = env.vx(["build", "--quiet"]).run().success();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    env.write("src/main.rs", "fn main() { nonsense }\n");
    let outcome = env.vx(["build", "-q"]).run().code(101);
    assert!(outcome.stderr.contains("cannot find value `nonsense`"), "{outcome}");
}

#[test]
fn verbose_builds_show_commands_and_what_did_not_run() {
    let env = TestEnv::with_fixture("multi_crate");
    let first = env.vx(["build", "--verbose"]).run().success();
    assert!(first.stderr.contains("     Running `"), "{first}");
    assert!(first.stderr.contains("--crate-name greet"), "{first}");
    let second = env.vx(["build", "-v"]).run().success();
    assert!(second.stderr.contains("       Fresh greet v0.1.0"), "{second}");
    let elsewhere = env.checkout("elsewhere");
    let third = env.vx(["build", "-v"]).current_dir(&elsewhere).run().success();
    assert!(third.stderr.contains("      Cached greet v0.1.0"), "{third}");
    assert!(!third.stderr.contains("Compiling"), "{third}");
}

#[test]
fn colours_are_for_those_who_ask() {
    let env = TestEnv::with_fixture("hello");
    env.write("src/main.rs", "fn main() { let unused = 1; }\n");
    let escapes = |outcome: Outcome| outcome.success().stderr.contains('\u{1b}');
    assert!(!escapes(env.vx(["build"]).run()));
    assert!(escapes(env.vx(["build", "--color", "always"]).run()));
    assert!(escapes(env.vx(["build"]).env("CARGO_TERM_COLOR", "always").run()));
    assert!(!escapes(
        env.vx(["build", "--color", "never"])
            .env("CARGO_TERM_COLOR", "always")
            .run()
    ));
    assert!(!escapes(env.vx(["build"]).env("NO_COLOR", "1").run()));
}

#[test]
fn json_is_cargos_one_message_a_line() {
    let env = TestEnv::with_fixture("hello");
    env.write("src/main.rs", "fn main() { let unused = 1; }\n");
    for _ in ["runs", "fresh"] {
        let outcome = env.vx(["build", "--message-format", "json"]).run().success();
        let messages: Vec<Value> = outcome
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect();
        let reasons: Vec<&str> = messages
            .iter()
            .filter_map(|message| message["reason"].as_str())
            .collect();
        assert_eq!(
            reasons,
            ["compiler-message", "compiler-artifact", "build-finished"],
            "{outcome}"
        );
        assert_eq!(messages[0]["message"]["code"]["code"], "unused_variables");
        assert_eq!(messages[1]["target"]["name"], "hello");
        let executable = env.project().join(".vx/build/debug/hello");
        assert_eq!(messages[1]["executable"], executable.as_str());
        assert_eq!(messages[2]["success"], true);
    }
}

#[test]
fn run_passes_arguments_output_and_exit_code() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "src/main.rs",
        "fn main() {\n    \
             let arguments: Vec<String> = std::env::args().skip(1).collect();\n    \
             println!(\"{arguments:?} {}\", std::env::current_dir().unwrap().display());\n    \
             eprintln!(\"{}\", std::env::var(\"CARGO_PKG_NAME\").unwrap());\n    \
             std::process::exit(7);\n}\n",
    );
    let source = env.project().join("src");
    let outcome = env
        .vx(["run", "--quiet", "--", "--release", "two words"])
        .current_dir(&source)
        .run()
        .code(7);
    assert_eq!(outcome.stdout, format!("[\"--release\", \"two words\"] {source}\n"));
    assert_eq!(outcome.stderr, "hello\n");
    let outcome = env.vx(["run"]).run().code(7);
    assert!(outcome.stderr.contains("     Running `"), "{outcome}");
}

#[test]
fn a_program_that_dies_of_a_signal_is_seen_to() {
    let env = TestEnv::with_fixture("hello");
    env.write("src/main.rs", "fn main() { std::process::abort() }\n");
    let outcome = env.vx(["run"]).run();
    assert_eq!(outcome.status.signal(), Some(Signal::ABORT.as_raw()), "{outcome}");
}

#[test]
fn run_does_not_guess_between_programs() {
    let env = TestEnv::with_fixture("hello");
    env.write("src/bin/second.rs", "fn main() { println!(\"second\"); }\n");
    let outcome = env.vx(["run"]).run();
    assert!(!outcome.status.success(), "{outcome}");
    assert!(
        outcome.stderr.contains("could not determine which binary to run"),
        "{outcome}"
    );
    assert!(outcome.stderr.contains("hello, second"), "{outcome}");
    assert_eq!(env.started(), 0);

    assert_eq!(env.vx(["run", "--bin", "second"]).run().success().stdout, "second\n");
    assert_eq!(env.started(), 1, "only the program that is run is built");
    let manifest = std::fs::read_to_string(env.project().join("Cargo.toml")).unwrap();
    env.write(
        "Cargo.toml",
        &manifest.replace("edition", "default-run = \"hello\"\nedition"),
    );
    assert_eq!(env.vx(["run"]).run().success().stdout, "hello\n");
}

#[test]
fn examples_are_run_by_name() {
    let env = TestEnv::with_fixture("multi_crate");
    let outcome = env.vx(["run", "-p", "app", "--example", "vocabulary"]).run().success();
    assert_eq!(outcome.stdout, "hello\n");
    assert_eq!(env.vx(["run", "-p", "app"]).run().success().stdout, "hello world HEY\n");
}

#[test]
fn nothing_is_run_when_the_build_fails() {
    let env = TestEnv::with_fixture("hello");
    env.vx(["run"]).run().success();
    env.write("src/main.rs", "fn main() { nonsense }\n");
    let outcome = env.vx(["run"]).run().code(101);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn clean_needs_no_daemon_and_starts_none() {
    let env = TestEnv::with_fixture("multi_crate");
    env.vx(["clean"]).run().success();
    env.write(".vx/build/debug/app", "");
    let member = env.project().join("greet/src");
    env.vx(["clean"]).current_dir(&member).run().success();
    assert!(!env.project().join(".vx").exists());
    assert!(!env.home().exists());
}

#[test]
fn clean_does_not_follow_a_link() {
    let env = TestEnv::with_fixture("hello");
    let outside = env.root().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("precious"), "").unwrap();
    std::os::unix::fs::symlink(&outside, env.project().join(".vx")).unwrap();
    env.vx(["clean"]).run().success();
    assert!(!env.project().join(".vx").exists());
    assert!(outside.join("precious").exists());
}

#[test]
fn an_interrupted_build_ends_with_what_it_started() {
    let env = TestEnv::with_fixture("hello");
    // A build script that tells that it runs and then runs for ever.
    env.write(
        "build.rs",
        "fn main() {\n    \
             std::fs::write(\"running\", \"\").unwrap();\n    \
             loop { std::thread::park(); }\n}\n",
    );
    let mut command = env.vx(["build"]).into_command();
    let mut vx = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(vx.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Compiling") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "the build ended");
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while !env
        .processes()
        .iter()
        .any(|process| process.command.contains("build-script"))
    {
        assert!(Instant::now() < deadline, "the build script does not start");
        std::thread::yield_now();
    }
    kill_process(Pid::from_child(&vx), Signal::INT).unwrap();
    assert_eq!(vx.wait().unwrap().code(), Some(130));
    for process in env.processes() {
        let is_of_the_build = process.command.contains("build-script") || process.command.contains("rustc");
        assert!(
            !is_of_the_build || process.ends_before(Instant::now() + Duration::from_secs(2)),
            "{process:?}"
        );
    }
    env.remove("build.rs");
    assert_eq!(env.build(&[]).ran, 1);
}
