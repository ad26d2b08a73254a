//! Build scripts: what they declare, what they read without declaring it, what they make, and what may be shared.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::process::Command;

use camino::Utf8Path;
use harness::{Counts, TestEnv};

#[track_caller]
fn assert_ran(counts: Counts, ran: u32) {
    assert_eq!(counts.ran, ran, "{counts:?}");
}

/// The units of a package with a build script and one program: the script compiled, the script run, the program.
const ALL: u32 = 3;
/// The script runs again and says something else, so the program follows.
const SCRIPT_AND_PROGRAM: u32 = 2;

/// A package with this build script and this program.
fn package(script: &str, program: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    env.write("build.rs", &format!("fn main() {{\n{script}\n}}\n"));
    env.write("src/main.rs", &format!("fn main() {{\n{program}\n}}\n"));
    env
}

#[test]
fn generated_code_is_included() {
    let env = package(
        r#"
        let out = std::env::var("OUT_DIR").unwrap();
        std::fs::write(format!("{out}/made.rs"), "pub const MADE: u8 = 7;").unwrap();
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"
        mod made { include!(concat!(env!("OUT_DIR"), "/made.rs")); }
        println!("{}", made::MADE);
        "#,
    );
    assert_ran(env.build(&[]), ALL);
    assert_eq!(env.run_program("debug/app"), "7\n");
    assert_ran(env.build(&[]), 0);

    let other = env.checkout("elsewhere/deep");
    assert_ran(env.build_in(&other, &[]), 0);
    assert_eq!(env.run_program_in(&other, "debug/app"), "7\n");

    env.replace("build.rs", "= 7;", "= 8;");
    assert_ran(env.build(&[]), ALL);
    assert_eq!(env.run_program("debug/app"), "8\n");
    env.replace("build.rs", "= 8;", "= 7;");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "7\n");
}

#[test]
fn a_program_may_read_its_out_dir_when_it_runs() {
    let env = package(
        r#"
        let out = std::env::var("OUT_DIR").unwrap();
        std::fs::create_dir_all(format!("{out}/deep")).unwrap();
        std::fs::write(format!("{out}/deep/text"), "kept").unwrap();
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"println!("{}", std::fs::read_to_string(concat!(env!("OUT_DIR"), "/deep/text")).unwrap());"#,
    );
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "kept\n");
    let other = env.checkout("elsewhere");
    env.build_in(&other, &[]);
    assert_eq!(env.run_program_in(&other, "debug/app"), "kept\n");
}

/// A package whose script writes down where it is. The program reads it in a test, if at all.
fn package_that_knows_its_place() -> TestEnv {
    package(
        r#"
        let out = std::env::var("OUT_DIR").unwrap();
        let here = std::env::current_dir().unwrap();
        std::fs::write(format!("{out}/place.rs"), format!("pub const PLACE: &str = {here:?};")).unwrap();
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rustc-env=SAID=something");
        "#,
        r#"
            println!("{}", env!("SAID"));
        }
        #[cfg(test)]
        mod tests {
            include!(concat!(env!("OUT_DIR"), "/place.rs"));
            #[test]
            fn place() { assert_eq!(PLACE, env!("CARGO_MANIFEST_DIR")); }
        "#,
    )
}

#[test]
fn an_out_dir_that_nobody_reads_does_not_make_the_script_run_in_every_checkout() {
    let env = package_that_knows_its_place();
    assert_ran(env.build(&[]), ALL);
    assert_ran(env.build(&[]), 0);

    let other = env.checkout("elsewhere/deep");
    assert_ran(env.build_in(&other, &[]), 0);
    assert_ran(env.build_in(&other, &[]), 0);
    assert_eq!(env.run_program_in(&other, "debug/app"), "something\n");
    env.vx(["kill"]).run().success();
    assert_ran(env.build_in(&other, &[]), 0);

    // Who compiles must find it.
    let main = r#"fn main() { println!("{}", include_str!(concat!(env!("OUT_DIR"), "/place.rs"))) }"#;
    std::fs::write(other.join("src/main.rs"), main).unwrap();
    assert_ran(env.build_in(&other, &[]), SCRIPT_AND_PROGRAM);
    let said = format!("pub const PLACE: &str = {:?};\n", other.as_str());
    assert_eq!(env.run_program_in(&other, "debug/app"), said);
    assert_ran(env.build_in(&other, &[]), 0);
}

#[test]
fn a_test_reads_the_out_dir_of_its_own_checkout() {
    let env = package_that_knows_its_place();
    env.build(&[]);
    let other = env.checkout("elsewhere");
    assert_ran(env.build_in(&other, &[]), 0);
    for checkout in [&env.project(), &other] {
        env.vx(["test", "--quiet"]).current_dir(checkout).run().success();
    }
}

#[test]
fn what_a_script_leaves_beside_its_out_dir_lies_beside_the_program() {
    let env = package(
        r#"
        let out = std::path::PathBuf::from(std::env::var("OUT_DIR").unwrap());
        let target = out.ancestors().find(|directory| directory.ends_with("target")).unwrap();
        let profile = out.ancestors().nth(3).unwrap();
        assert_eq!(profile, target.join(std::env::var("PROFILE").unwrap()));
        std::fs::write(profile.join("asset"), "kept").unwrap();
        std::fs::write(profile.join("deps/asset"), "for tests").unwrap();
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"
        let asset = std::env::current_exe().unwrap().with_file_name("asset");
        println!("{}", std::fs::read_to_string(asset).unwrap());
        "#,
    );
    assert_ran(env.build(&[]), ALL);
    assert_eq!(env.run_program("debug/app"), "kept\n");
    let in_deps = || std::fs::read_to_string(env.project().join(".vx/build/debug/deps/asset")).unwrap();
    assert_eq!(in_deps(), "for tests");

    let other = env.checkout("elsewhere");
    assert_ran(env.build_in(&other, &[]), 0);
    assert_eq!(env.run_program_in(&other, "debug/app"), "kept\n");

    env.remove(".vx/build/debug/asset");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "kept\n");

    assert_ran(env.build(&["--release"]), ALL);
    assert_eq!(env.run_program("release/app"), "kept\n");
}

#[test]
fn what_a_script_writes_into_its_package_is_written_in_every_checkout() {
    let env = package(
        r#"
        let text = std::fs::read_to_string("answer.txt").unwrap();
        std::fs::write("src/generated.rs", text.trim()).unwrap();
        println!("cargo::rerun-if-changed=answer.txt");
        "#,
        r#"println!("{}", include!("generated.rs"));"#,
    );
    env.write("answer.txt", "42");
    assert_ran(env.build(&[]), ALL);
    assert_eq!(env.run_program("debug/app"), "42\n");

    let other = env.checkout("elsewhere");
    std::fs::remove_file(other.join("src/generated.rs")).unwrap();
    assert_ran(env.build_in(&other, &[]), 0);
    assert_eq!(env.run_program_in(&other, "debug/app"), "42\n");
    let generated = std::fs::read_to_string(other.join("src/generated.rs")).unwrap();
    assert_eq!(generated, "42");

    env.write("answer.txt", "43");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "43\n");
    // As another branch is checked out: the script ran for it once.
    env.write("answer.txt", "42");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "42\n");
    // What the user changed since the script ran is the user's, as long as nothing makes the script run.
    env.write("src/generated.rs", "7");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "7\n");
}

/// A package with a script that writes into it what `answer.txt` holds, and fails when that is no number.
fn package_that_writes_its_answer() -> TestEnv {
    let env = package(
        r#"
        let answer = std::fs::read_to_string("answer.txt").unwrap();
        std::fs::write("src/generated.rs", &answer).unwrap();
        println!("cargo::rerun-if-changed=answer.txt");
        answer.parse::<u8>().unwrap();
        "#,
        r#"println!("{}", include!("generated.rs"));"#,
    );
    env.write("answer.txt", "42");
    env
}

#[test]
fn what_a_script_wrote_and_somebody_removed_is_written_again() {
    let env = package_that_writes_its_answer();
    env.build(&[]);
    env.remove("src/generated.rs");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "42\n");
}

#[test]
fn what_a_script_wrote_for_another_version_of_its_package_is_written_again() {
    let env = package_that_writes_its_answer();
    env.build(&[]);
    env.replace("Cargo.toml", "0.1.0", "0.2.0");
    env.write("answer.txt", "43");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "43\n");
    env.replace("Cargo.toml", "0.2.0", "0.1.0");
    env.write("answer.txt", "42");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "42\n");
}

#[test]
fn what_a_script_wrote_before_it_failed_is_written_over() {
    let env = package_that_writes_its_answer();
    env.build(&[]);
    env.write("answer.txt", "none");
    env.vx(["build"]).run().code(101);
    env.write("answer.txt", "42");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "42\n");
}

#[test]
fn a_script_that_changes_its_package_runs_in_every_checkout() {
    for change in [
        r#"std::io::Write::write_all(&mut std::fs::File::options().append(true).open("log").unwrap(), b"x").unwrap();"#,
        r#"std::fs::remove_file("log").unwrap(); std::fs::create_dir("log").unwrap();"#,
        r#"std::fs::rename("log", "log.old").unwrap();"#,
    ] {
        let env = package(change, "");
        env.write("log", "1");
        let [first, second] = ["first", "second"].map(|name| env.checkout(name));
        let state = |checkout: &Utf8Path| {
            let content = |name: &str| std::fs::read_to_string(checkout.join(name)).ok();
            (content("log"), content("log.old"), checkout.join("log").is_dir())
        };
        let before = state(&first);
        env.build_in(&first, &[]);
        env.build_in(&second, &[]);
        assert_ne!(state(&first), before, "{change}");
        assert_eq!(state(&second), state(&first), "{change}");
    }
}

#[test]
fn a_script_that_makes_a_file_where_there_is_none_says_in_every_checkout_what_it_found() {
    let env = package(
        r#"
        let found = std::fs::exists("config").unwrap();
        if !found { std::fs::write("config", "default").unwrap(); }
        println!("cargo::rustc-env=FOUND={found}");
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"println!("{}", env!("FOUND"));"#,
    );
    let other = env.checkout("elsewhere");
    std::fs::write(other.join("config"), "mine").unwrap();
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "false\n");
    env.build_in(&other, &[]);
    assert_eq!(env.run_program_in(&other, "debug/app"), "true\n");
    assert_eq!(std::fs::read_to_string(other.join("config")).unwrap(), "mine");
}

#[test]
fn what_a_script_says_reaches_the_compiler() {
    let env = package(
        r#"
        println!("cargo::rustc-check-cfg=cfg(special)");
        println!("cargo::rustc-cfg=special");
        println!("cargo::rustc-env=SAID=by the script");
        println!("cargo:rustc-env=SAID_THE_OLD_WAY=too");
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"println!("{} {} {}", cfg!(special), env!("SAID"), env!("SAID_THE_OLD_WAY"));"#,
    );
    assert_ran(env.build(&[]), ALL);
    assert_eq!(env.run_program("debug/app"), "true by the script too\n");
    assert_ran(env.build(&[]), 0);
}

#[test]
fn a_declared_file_runs_the_script_and_another_does_not() {
    let env = package(
        r#"
        let text = std::fs::read_to_string("data/declared.txt").unwrap();
        println!("cargo::rustc-env=TEXT={text}");
        println!("cargo::rerun-if-changed=data/declared.txt");
        "#,
        r#"println!("{}", env!("TEXT"));"#,
    );
    env.write("data/declared.txt", "one");
    assert_ran(env.build(&[]), ALL);
    env.write("data/other.txt", "unrelated");
    assert_ran(env.build(&[]), 0);
    env.write("data/declared.txt", "two");
    assert_ran(env.build(&[]), SCRIPT_AND_PROGRAM);
    assert_eq!(env.run_program("debug/app"), "two\n");
    env.write("data/declared.txt", "one");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "one\n");
}

#[test]
fn a_script_that_says_the_same_again_does_not_make_its_program_run() {
    let env = package(
        r#"
        println!("cargo::rustc-env=TEXT=constant");
        println!("cargo::rerun-if-changed=data.txt");
        "#,
        r#"println!("{}", env!("TEXT"));"#,
    );
    env.write("data.txt", "one");
    env.build(&[]);
    env.write("data.txt", "two");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/app"), "constant\n");
}

#[test]
fn a_declared_file_that_is_not_there_is_waited_for() {
    let env = package(
        r#"
        let text = std::fs::read_to_string("late.txt").unwrap_or_else(|_| "absent".to_owned());
        println!("cargo::rustc-env=TEXT={text}");
        println!("cargo::rerun-if-changed=late.txt");
        "#,
        r#"println!("{}", env!("TEXT"));"#,
    );
    assert_ran(env.build(&[]), ALL);
    // Cargo would run it each time.
    assert_ran(env.build(&[]), 0);
    env.write("late.txt", "there");
    assert_ran(env.build(&[]), SCRIPT_AND_PROGRAM);
    assert_eq!(env.run_program("debug/app"), "there\n");
    env.remove("late.txt");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "absent\n");
}

#[test]
fn a_declared_directory_counts_with_all_that_is_in_it() {
    let env = package(
        r#"
        let mut names: Vec<_> = std::fs::read_dir("data").unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        println!("cargo::rustc-env=NAMES={names:?}");
        println!("cargo::rerun-if-changed=data");
        "#,
        r#"println!("{}", env!("NAMES"));"#,
    );
    env.write("data/a", "");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "[\"a\"]\n");
    env.write("data/b", "");
    assert_ran(env.build(&[]), SCRIPT_AND_PROGRAM);
    assert_eq!(env.run_program("debug/app"), "[\"a\", \"b\"]\n");
    env.remove("data/b");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "[\"a\"]\n");
}

#[test]
fn a_script_that_declares_nothing_runs_when_any_file_of_its_package_changes() {
    let env = package(
        r#"
        let text = std::fs::read_to_string("data.txt").unwrap();
        println!("cargo::rustc-env=TEXT={text}");
        "#,
        r#"println!("{}", env!("TEXT"));"#,
    );
    env.write("data.txt", "one");
    assert_ran(env.build(&[]), ALL);
    assert_ran(env.build(&[]), 0);
    env.write("data.txt", "two");
    assert_ran(env.build(&[]), SCRIPT_AND_PROGRAM);
    assert_eq!(env.run_program("debug/app"), "two\n");
    env.write("data.txt", "one");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "one\n");
}

#[test]
fn a_variable_makes_the_script_run_and_its_program_only_if_that_says_something_else() {
    let env = package(
        r#"
        let colour = std::env::var("COLOUR").unwrap_or_else(|_| "none".to_owned());
        println!("cargo::rustc-env=FOUND={colour}");
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rerun-if-env-changed=COLOUR");
        "#,
        r#"println!("{}", env!("FOUND"));"#,
    );
    let build = |name: &str, value: &str| env.vx(["build"]).env(name, value).run().success().counts();
    assert_ran(env.build(&[]), ALL);
    assert_eq!(env.run_program("debug/app"), "none\n");
    assert_ran(build("SHAPE", "round"), 1);
    assert_eq!(env.run_program("debug/app"), "none\n");
    assert_ran(build("COLOUR", "red"), SCRIPT_AND_PROGRAM);
    assert_eq!(env.run_program("debug/app"), "red\n");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "none\n");
}

#[test]
fn a_variable_that_a_script_reads_and_does_not_declare_counts_all_the_same() {
    let env = package(
        r#"
        println!("cargo::rustc-env=FOUND={}", std::env::var("COLOUR").unwrap_or_default());
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"println!("<{}>", env!("FOUND"));"#,
    );
    let build = |value: &str| env.vx(["build"]).env("COLOUR", value).run().success().counts();
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "<>\n");
    build("red");
    assert_eq!(env.run_program("debug/app"), "<red>\n");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "<>\n");
}

#[test]
fn a_file_that_a_script_reads_and_does_not_declare_is_never_served_stale_elsewhere() {
    let env = package(
        r#"
        println!("cargo::rustc-env=FOUND={}", std::fs::read_to_string("undeclared.txt").unwrap());
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"println!("{}", env!("FOUND"));"#,
    );
    env.write("undeclared.txt", "here");
    env.build(&[]);
    let other = env.checkout("elsewhere");
    std::fs::write(other.join("undeclared.txt"), "there").unwrap();
    assert_ran(env.build_in(&other, &[]), SCRIPT_AND_PROGRAM);
    assert_eq!(env.run_program_in(&other, "debug/app"), "there\n");
    assert_eq!(env.run_program("debug/app"), "here\n");
}

fn git(directory: &Utf8Path, arguments: &[&str]) {
    let identity = [
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.org",
        "-c",
        "init.defaultBranch=main",
    ];
    let mut command = Command::new("git");
    command.args(identity).args(arguments).current_dir(directory);
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command.output().expect("git can be run");
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_script_that_asks_git_never_answers_for_another_checkout() {
    let env = package(
        r#"
        let output = std::process::Command::new("git").args(["log", "-1", "--format=%s"]).output().unwrap();
        println!("cargo::rustc-env=COMMIT={}", String::from_utf8(output.stdout).unwrap().trim());
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        r#"println!("{}", env!("COMMIT"));"#,
    );
    let commit = |directory: &Utf8Path, message: &str| {
        git(directory, &["init", "--quiet"]);
        git(directory, &["add", "build.rs", "src", "Cargo.toml"]);
        git(directory, &["commit", "--quiet", "--message", message]);
    };
    let other = env.checkout("elsewhere");
    commit(&env.project(), "first");
    commit(&other, "second");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "first\n");
    env.build_in(&other, &[]);
    assert_eq!(env.run_program_in(&other, "debug/app"), "second\n");
}

#[test]
fn a_script_that_fails_is_told_with_what_it_said_and_is_not_remembered() {
    let env = package(
        r#"
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::warning=looking for a library");
        eprintln!("no such library");
        std::process::exit(3);
        "#,
        "",
    );
    for _ in 0..2 {
        let outcome = env.vx(["build"]).run().code(101);
        assert!(outcome.stderr.contains("no such library"), "{outcome}");
        assert!(
            outcome.stderr.contains("warning: app@0.1.0: looking for a library"),
            "{outcome}"
        );
        assert!(
            outcome
                .stderr
                .contains("failed to run custom build command for `app v0.1.0"),
            "{outcome}"
        );
    }
    env.replace("build.rs", "std::process::exit(3);", "");
    env.build(&[]);
}

#[test]
fn an_error_that_a_script_declares_is_a_failure() {
    let env = package(
        r#"println!("cargo::warning=a library is there"); println!("cargo::error=the library is too old");"#,
        "",
    );
    let outcome = env.vx(["build"]).run().code(101);
    assert!(outcome.stderr.contains("the library is too old"), "{outcome}");
    assert!(
        outcome.stderr.contains("warning: app@0.1.0: a library is there"),
        "{outcome}"
    );
}

#[test]
fn warnings_of_a_script_are_shown_again_when_nothing_runs() {
    let env = package(
        r#"
        println!("cargo::warning=mind the gap");
        println!("cargo::rerun-if-changed=build.rs");
        "#,
        "",
    );
    for ran in [ALL, 0] {
        let outcome = env.counted(&[]);
        assert_ran(outcome.counts(), ran);
        assert!(outcome.stderr.contains("warning: app@0.1.0: mind the gap"), "{outcome}");
    }
}

#[test]
fn scripts_have_dependencies_of_their_own() {
    let env = package(
        r#"println!("cargo::rustc-env=TEXT={}", helper::text());"#,
        r#"println!("{}", env!("TEXT"));"#,
    );
    let manifest = std::fs::read_to_string(env.project().join("Cargo.toml")).unwrap();
    env.write(
        "Cargo.toml",
        &format!("{manifest}[build-dependencies]\nhelper = {{ path = \"helper\" }}\n"),
    );
    env.write(
        "helper/Cargo.toml",
        "[package]\nname = \"helper\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    env.write("helper/src/lib.rs", "pub fn text() -> &'static str { \"helped\" }\n");
    assert_ran(env.build(&[]), ALL + 1);
    assert_eq!(env.run_program("debug/app"), "helped\n");
    env.replace("helper/src/lib.rs", "helped", "helped again");
    assert_ran(env.build(&[]), ALL + 1);
    assert_eq!(env.run_program("debug/app"), "helped again\n");
}

/// `app` uses `native`, which links a library and tells about it.
fn workspace_with_links(script_of_native: &str) -> TestEnv {
    let env = package(
        r#"println!("cargo::rustc-env=TOLD={}", std::env::var("DEP_THING_TOLD").unwrap());"#,
        r#"println!("{} {}", env!("TOLD"), native::answer());"#,
    );
    let manifest = std::fs::read_to_string(env.project().join("Cargo.toml")).unwrap();
    env.write(
        "Cargo.toml",
        &format!("{manifest}[dependencies]\nnative = {{ path = \"native\" }}\n"),
    );
    env.write(
        "native/Cargo.toml",
        "[package]\nname = \"native\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlinks = \"thing\"\n",
    );
    env.write("native/build.rs", &format!("fn main() {{\n{script_of_native}\n}}\n"));
    env
}

#[test]
fn metadata_of_links_reaches_the_scripts_of_dependants() {
    let env = workspace_with_links(
        r#"
        println!("cargo::metadata=TOLD=first");
        println!("cargo::rerun-if-changed=build.rs");
        "#,
    );
    env.write("native/src/lib.rs", "pub fn answer() -> i32 { 1 }\n");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "first 1\n");
    assert_ran(env.build(&[]), 0);
    env.replace("native/build.rs", "TOLD=first", "TOLD=second");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "second 1\n");
    env.replace("native/build.rs", "TOLD=second", "TOLD=first");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "first 1\n");
}

#[test]
fn a_library_in_c_is_compiled_and_linked() {
    let env = workspace_with_links(
        r#"
        let out = std::env::var("OUT_DIR").unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let status = std::process::Command::new(program).args(arguments).status().unwrap();
            assert!(status.success(), "{program} {arguments:?}");
        };
        run("cc", &["-c", "answer.c", "-o", &format!("{out}/answer.o")]);
        run("ar", &["rcs", &format!("{out}/libanswer.a"), &format!("{out}/answer.o")]);
        println!("cargo::rustc-link-search=native={out}");
        println!("cargo::rustc-link-lib=static=answer");
        println!("cargo::rerun-if-changed=answer.c");
        println!("cargo::metadata=TOLD=linked");
        "#,
    );
    env.write("native/answer.c", "int answer(void) { return 42; }\n");
    env.write(
        "native/src/lib.rs",
        "unsafe extern \"C\" { #[link_name = \"answer\"] fn answer_in_c() -> i32; }\n\
         pub fn answer() -> i32 { unsafe { answer_in_c() } }\n",
    );
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "linked 42\n");
    let other = env.checkout("elsewhere");
    assert_ran(env.build_in(&other, &[]), 0);
    assert_eq!(env.run_program_in(&other, "debug/app"), "linked 42\n");

    env.replace("native/answer.c", "42", "43");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "linked 43\n");
    env.replace("native/answer.c", "43", "42");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "linked 42\n");
}

#[test]
fn the_length_of_a_file_that_a_script_does_not_read_is_an_input() {
    let env = package(
        r#"println!("cargo::rustc-env=LENGTH={}", std::fs::metadata("data").unwrap().len());"#,
        r#"println!("{}", env!("LENGTH"))"#,
    );
    env.write("data", "1");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "1\n");
    env.write("data", "123");
    assert_ran(env.build(&[]), SCRIPT_AND_PROGRAM);
    assert_eq!(env.run_program("debug/app"), "3\n");
    env.write("data", "1");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "1\n");
}

/// Makes `libs/libanswer.a` in the project, a library in C that answers `answer`.
fn make_library(env: &TestEnv, answer: i32) {
    let directory = env.project().join("libs");
    env.write("libs/answer.c", &format!("int answer(void) {{ return {answer}; }}\n"));
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(&directory).status();
        assert!(status.unwrap().success(), "{program} {arguments:?}");
    };
    run("cc", &["-c", "answer.c", "-o", "answer.o"]);
    // Without the moment of its making in it, so that equal libraries are equal files.
    run("ar", &["rcsD", "libanswer.a", "answer.o"]);
}

#[test]
fn a_native_library_that_a_script_only_points_at_is_an_input() {
    let env = package(
        r#"
        let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        println!("cargo::rustc-link-search=native={package}/libs");
        println!("cargo::rustc-link-lib=static=answer");
        println!("cargo::rerun-if-changed=libs/libanswer.a");
        "#,
        "println!(\"{}\", app::answer())",
    );
    env.write(
        "src/lib.rs",
        "unsafe extern \"C\" { #[link_name = \"answer\"] fn answer_in_c() -> i32; }\n\
         pub fn answer() -> i32 { unsafe { answer_in_c() } }\n",
    );
    make_library(&env, 42);
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "42\n");
    // The script says what it said before; the library that took the native one in is another all the same.
    make_library(&env, 43);
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "43\n");
    make_library(&env, 42);
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "42\n");
}

#[test]
fn what_a_program_writes_into_out_dir_is_in_no_later_build() {
    let env = package(
        r#"
        let out = std::env::var("OUT_DIR").unwrap();
        std::fs::write(format!("{out}/made.rs"), "\"made by the script\"").unwrap();
        "#,
        r#"
        println!("{}", include!(concat!(env!("OUT_DIR"), "/made.rs")));
        std::fs::write(concat!(env!("OUT_DIR"), "/made.rs"), "\"made by the program\"").unwrap();
        // one
        "#,
    );
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "made by the script\n");
    env.replace("src/main.rs", "// one", "// two");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/app"), "made by the script\n");
    env.replace("build.rs", "let out", "/* two */ let out");
    assert_ran(env.build(&[]), 2);
    env.replace("src/main.rs", "// two", "// three");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/app"), "made by the script\n");
}
