//! `vx check`, `vx test` and `vx bench`: what is compiled, what is run, and how it ends, as with Cargo.

mod harness;

use camino::Utf8Path;

use harness::TestEnv;

/// A library with a program, tests of all kinds, documentation, a benchmark, a macro and a build script.
fn project() -> TestEnv {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        r#"
        [workspace]
        members = ["macros"]
        [package]
        name = "the-app"
        version = "0.1.0"
        edition = "2024"
        [dependencies]
        macros = { path = "macros" }
        [[test]]
        name = "own-main"
        harness = false
        [[bench]]
        name = "speed"
        harness = false
        "#,
    );
    env.write(
        "build.rs",
        "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap(); std::fs::write(out + \"/seven\", \"7\").unwrap(); }",
    );
    env.write(
        "src/lib.rs",
        r#"
        /// Seven.
        ///
        /// ```
        /// assert_eq!(the_app::seven(), 7);
        /// ```
        pub fn seven() -> i32 { include!(concat!(env!("OUT_DIR"), "/seven")) }

        #[cfg(test)]
        mod tests {
            #[test]
            fn unit() { assert_eq!(super::seven(), macros::seven!()); }
        }
        "#,
    );
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{}\", the_app::seven()); }\n#[test] fn of_the_program() {}",
    );
    env.write(
        "tests/it.rs",
        r#"
        #[test]
        fn runs_the_program() {
            let program = env!("CARGO_BIN_EXE_the-app");
            assert_eq!(program, std::env::var("CARGO_BIN_EXE_the-app").unwrap());
            let output = std::process::Command::new(program).output().unwrap();
            assert_eq!(output.stdout, b"7\n");
            std::fs::write(concat!(env!("CARGO_TARGET_TMPDIR"), "/file"), "").unwrap();
            assert!(std::path::Path::new("Cargo.toml").exists());
        }
        "#,
    );
    env.write(
        "tests/own-main.rs",
        "fn main() { println!(\"own main, {:?}\", std::env::args().skip(1).collect::<Vec<_>>()); }",
    );
    env.write(
        "benches/speed.rs",
        "fn main() { println!(\"speed, {:?}\", std::env::args().nth(1)); }",
    );
    env.write(
        "macros/Cargo.toml",
        "[package]\nname = \"macros\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
    );
    env.write(
        "macros/src/lib.rs",
        "use proc_macro::TokenStream;\n#[proc_macro] pub fn seven(_: TokenStream) -> TokenStream { \"7\".parse().unwrap() }",
    );
    env
}

/// Runs a command and gives what it printed, and how many units it ran; no other processes were started.
#[track_caller]
fn ran(env: &TestEnv, directory: &Utf8Path, arguments: &[&str]) -> (String, u32) {
    let before = env.started();
    let outcome = env.vx(arguments).current_dir(directory).run().success();
    let counts = outcome.counts();
    assert_eq!(env.started() - before, counts.processes(), "{outcome}");
    (outcome.stdout, counts.ran)
}

#[test]
fn tests_of_all_kinds_are_run_and_compiled_once() {
    let env = project();
    env.vx(["build"]).run().success();
    let (stdout, compiled) = ran(&env, &env.project(), &["test"]);
    for test in [
        "tests::unit ... ok",
        "of_the_program ... ok",
        "runs_the_program ... ok",
        "seven (line 4) ... ok",
    ] {
        assert!(stdout.contains(test), "{test}: {stdout}");
    }
    assert!(stdout.contains("own main, []"), "{stdout}");
    // The tests of the library, those of the program, and two integration tests; the rest was there.
    assert_eq!(compiled, 4);

    let (stdout, compiled) = ran(&env, &env.project(), &["test", "unit", "--", "--show-output"]);
    assert!(
        stdout.contains("1 passed") && stdout.contains("own main, [\"unit\", \"--show-output\"]"),
        "{stdout}"
    );
    assert_eq!(compiled, 0);

    let (stdout, compiled) = ran(&env, &env.project(), &["test", "--doc"]);
    assert!(stdout.contains("1 passed") && !stdout.contains("unit"), "{stdout}");
    assert_eq!(compiled, 0);
}

#[test]
fn nextest_runs_what_was_built() {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        "[package]\nname = \"the-app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    env.write(
        "build.rs",
        r#"fn main() { println!("cargo::rustc-env=SAID=by the script"); }"#,
    );
    env.write(
        "src/main.rs",
        "fn main() { println!(\"hello\"); }\n#[test] fn of_the_program() {}\n",
    );
    env.write(
        "tests/it.rs",
        r#"
        #[test]
        fn runs_the_program() {
            let program = std::env::var("NEXTEST_BIN_EXE_the-app").unwrap();
            assert_eq!(program, env!("CARGO_BIN_EXE_the-app"));
            assert_eq!(std::process::Command::new(program).output().unwrap().stdout, b"hello\n");
            assert_eq!(std::env::var("SAID").unwrap(), "by the script");
            assert!(std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).is_dir());
        }
        #[test]
        fn fails() { panic!("on purpose"); }
        "#,
    );
    let outcome = env
        .vx(["test", "--nextest", "--", "-E", "not test(fails)"])
        .run()
        .success();
    assert!(outcome.stderr.contains("2 tests run: 2 passed, 1 skipped"), "{outcome}");
    let one = env.vx(["test", "--nextest", "of_the_program"]).run().success();
    assert!(one.stderr.contains("1 test run: 1 passed"), "{one}");
    // The code is nextest's own.
    let outcome = env.vx(["test", "--nextest", "--no-fail-fast"]).run().code(100);
    assert!(outcome.stderr.contains("on purpose"), "{outcome}");
    assert!(outcome.stderr.contains("3 tests run: 2 passed, 1 failed"), "{outcome}");
    let listed = env.vx(["test", "--nextest", "--no-run"]).run().success();
    assert!(listed.stdout.contains("runs_the_program"), "{listed}");
}

#[test]
fn another_checkout_tests_its_own_program_and_compiles_what_holds_paths() {
    let env = project();
    env.vx(["test"]).run().success();
    let other = env.checkout("other");
    let (stdout, compiled) = ran(&env, &other, &["test"]);
    assert!(stdout.contains("runs_the_program ... ok"), "{stdout}");
    // It holds the path of the program.
    assert_eq!(compiled, 1);
    assert_eq!(env.run_program_in(&other, "debug/the-app"), "7\n");
    assert!(other.join(".vx/build/tmp/file").exists());
}

#[test]
fn benchmarks_are_run_with_the_profile_for_them() {
    let env = project();
    let (stdout, _) = ran(&env, &env.project(), &["bench"]);
    assert!(stdout.contains("speed, Some(\"--bench\")"), "{stdout}");
    assert!(env.project().join(".vx/build/release/deps").is_dir());
    assert_eq!(ran(&env, &env.project(), &["bench", "--no-run"]), (String::new(), 0));
}

#[test]
fn a_test_that_fails_ends_with_cargos_message_and_code() {
    let env = project();
    env.replace("src/lib.rs", "assert_eq!(super::seven()", "assert_ne!(super::seven()");
    let vx = env.vx(["test"]).run().code(101);
    let cargo = env.cargo(["test"]).run().code(101);
    let told = "error: test failed, to rerun pass `--lib`\n";
    assert!(vx.stderr.ends_with(told), "{vx}");
    assert!(cargo.stderr.ends_with(told), "{cargo}");
    assert!(!vx.stdout.contains("of_the_program"), "{vx}");

    let vx = env.vx(["test", "--no-fail-fast"]).run().code(101);
    let cargo = env.cargo(["test", "--no-fail-fast"]).run().code(101);
    let told = "error: 1 target failed:\n    `--lib`\n";
    assert!(vx.stderr.ends_with(told), "{vx}");
    assert!(cargo.stderr.ends_with(told), "{cargo}");
    assert!(vx.stdout.contains("of_the_program ... ok"), "{vx}");
}

#[test]
fn what_was_checked_is_never_taken_for_what_was_built() {
    let env = project();
    let (_, checked) = ran(&env, &env.project(), &["check", "--workspace", "--all-targets"]);
    // The build script twice: compiled, and run; the macro three times: built, checked, and checked with tests; the library and the
    // program twice; three more targets.
    assert_eq!(checked, 12);
    assert!(!env.project().join(".vx/build/debug/the-app").exists());

    let (_, built) = ran(&env, &env.project(), &["build"]);
    // The library and the program; the macro and the build script were built for the check.
    assert_eq!(built, 2);
    assert_eq!(env.run_program("debug/the-app"), "7\n");
    assert_eq!(
        ran(&env, &env.project(), &["check", "--workspace", "--all-targets"]).1,
        0
    );
}

#[test]
fn errors_are_found_by_a_check_and_shown_again_until_they_are_mended() {
    let env = project();
    env.vx(["check"]).run().success();
    env.replace("src/main.rs", "the_app::seven()", "the_app::eight()");
    for _ in 0..2 {
        let outcome = env.vx(["check"]).run().code(101);
        assert!(outcome.stderr.contains("cannot find function `eight`"), "{outcome}");
    }
    env.replace("src/main.rs", "the_app::eight()", "the_app::seven()");
    assert_eq!(ran(&env, &env.project(), &["check"]).1, 0);
    // Only tests are wrong: only they say so.
    env.replace("tests/it.rs", "let program", "let program: i32");
    env.vx(["check"]).run().success();
    env.vx(["check", "--tests"]).run().code(101);
}

#[test]
fn what_could_be_made_is_laid_down_though_something_else_failed() {
    let env = project();
    env.write("src/bin/broken.rs", "fn main() { nowhere() }");
    env.write("src/bin/mistaken.rs", "fn main() { never() }");
    let outcome = env.vx(["build", "--keep-going"]).run().code(101);
    for name in ["broken", "mistaken"] {
        let error = format!("error: could not compile `the-app` (bin \"{name}\") due to 1 previous error");
        assert_eq!(outcome.stderr.matches(&error).count(), 1, "{outcome}");
    }
    assert_eq!(env.run_program("debug/the-app"), "7\n");
    assert!(!env.project().join(".vx/build/debug/broken").exists());

    // Cargo's messages name it too: editors load macros whatever the state of the code.
    let outcome = env
        .vx(["build", "--keep-going", "--message-format", "json"])
        .run()
        .code(101);
    let program = env.project().join(".vx/build/debug/the-app");
    let told = format!("\"executable\":\"{program}\"");
    assert!(outcome.stdout.contains(&told), "{outcome}");
    assert!(outcome.stdout.trim_end().ends_with("\"success\":false}"), "{outcome}");
}

#[test]
fn what_a_library_and_its_tests_have_in_common_is_shown_once() {
    let env = project();
    env.replace("src/lib.rs", "pub fn seven", "fn unused() {}\npub fn seven");
    let shown = |stderr: &str| {
        (
            stderr.matches("never used").count(),
            stderr.matches("(1 duplicate)").count(),
        )
    };
    let cargo = env.cargo(["check", "--lib", "--tests"]).run().success();
    assert_eq!(shown(&cargo.stderr), (1, 1), "{}", cargo.stderr);
    for _ in ["compiled", "unchanged"] {
        let ours = env.vx(["check", "--lib", "--tests"]).run().success();
        assert_eq!(shown(&ours.stderr), (1, 1), "{}", ours.stderr);
    }
    let other = env.checkout("other");
    let cached = env
        .vx(["check", "--lib", "--tests"])
        .current_dir(&other)
        .run()
        .success();
    assert_eq!(shown(&cached.stderr), (1, 1), "{}", cached.stderr);
}

#[test]
fn clippy_says_what_it_has_to_say_until_it_is_heard() {
    let env = project();
    env.write(
        "src/lints.rs",
        "pub fn has_none(all: &[u8]) -> bool { all.len() == 0 }\n",
    );
    env.replace("src/lib.rs", "pub fn seven", "pub mod lints;\npub fn seven");
    let (_, checked) = ran(&env, &env.project(), &["check"]);
    let cargo = env.cargo(["clippy"]).run().success();
    let first = env.vx(["clippy"]).run().success();
    assert!(cargo.stderr.contains("length comparison to zero"), "{cargo}");
    let warning = |text: &str| {
        text[text.find("warning: length").unwrap()..]
            .lines()
            .take(9)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(warning(&first.stderr), warning(&cargo.stderr));
    assert!(first.counts().ran > 0 && checked > 0, "another compiler compiles anew");
    let other = env.checkout("elsewhere");
    for checkout in [env.project(), other] {
        let again = env.vx(["clippy"]).current_dir(&checkout).run().success();
        assert!(again.stderr.contains("length comparison to zero"), "{again}");
        assert_eq!(again.counts().ran, 0);
    }
    let denied = env.vx(["clippy", "--", "-D", "clippy::len_zero"]).run().code(101);
    assert!(denied.stderr.contains("error: length comparison to zero"), "{denied}");
    // What was allowed by a file is said again without it, and the reverse.
    let limited = "pub fn many(a: u8, b: u8, c: u8) -> u8 { a ^ b ^ c }\n";
    env.write("src/lints.rs", limited);
    let quiet = env.vx(["clippy"]).run().success();
    assert!(!quiet.stderr.contains("too many arguments"), "{quiet}");
    env.write("clippy.toml", "too-many-arguments-threshold = 2\n");
    let outcome = env.vx(["clippy"]).run().success();
    assert!(outcome.stderr.contains("too many arguments"), "{outcome}");
    std::fs::remove_file(env.project().join("clippy.toml")).unwrap();
    let quiet = env.vx(["clippy"]).run().success();
    assert!(!quiet.stderr.contains("too many arguments"), "{quiet}");
    // The check and Clippy are never taken for one another.
    assert_eq!(ran(&env, &env.project(), &["check"]).1, 2);
    assert_eq!(ran(&env, &env.project(), &["clippy"]).1, 0);
}

#[test]
fn flags_for_one_target_reach_that_target_alone() {
    let env = project();
    let said = "println!(\"{}\", the_app::seven() + if cfg!(louder) { 1 } else { 0 })";
    env.replace("src/main.rs", "println!(\"{}\", the_app::seven())", said);
    let (_, all) = ran(&env, &env.project(), &["build"]);
    assert!(all > 1);
    let arguments = ["rustc", "--bin", "the-app", "--", "--cfg", "louder"];
    assert_eq!(ran(&env, &env.project(), &arguments).1, 1);
    assert_eq!(env.run_program("debug/the-app"), "8\n");
    assert_eq!(ran(&env, &env.project(), &["build"]).1, 0);
    assert_eq!(env.run_program("debug/the-app"), "7\n");

    // What they make rustc write is the user's, even if it comes from the store.
    let assembly = || {
        let files = env.project().join(".vx/build/debug/deps").read_dir_utf8().unwrap();
        let mut files = files.map(|file| file.unwrap().into_path());
        files.find(|file| file.extension() == Some("s"))
    };
    let arguments = ["rustc", "--lib", "--", "--emit=asm"];
    assert_eq!(ran(&env, &env.project(), &arguments).1, 1);
    let file = assembly().unwrap();
    assert!(std::fs::read_to_string(&file).unwrap().contains("seven"), "{file}");
    std::fs::remove_file(file).unwrap();
    assert_eq!(ran(&env, &env.project(), &arguments).1, 0);
    assert!(assembly().is_some());

    let unclear = env.vx(["rustc", "--", "--cfg", "louder"]).run().code(101);
    assert!(unclear.stderr.contains("can only be passed to one target"), "{unclear}");
}

#[test]
fn documentation_is_made_once_in_each_checkout() {
    let env = project();
    env.replace(
        "src/lib.rs",
        "pub fn seven",
        "/// Says [`seven`].\npub fn said() {}\npub fn seven",
    );
    let pages = |directory: &Utf8Path| {
        let doc = directory.join(".vx/build/doc");
        let page = |name: &str| std::fs::read_to_string(doc.join(name)).unwrap();
        assert!(
            doc.join("macros/index.html").is_file(),
            "dependencies are documented too"
        );
        (page("the_app/index.html"), page("the_app/fn.said.html"))
    };
    let first = env.vx(["doc"]).run().success();
    let page = env.project().join(".vx/build/doc/the_app/index.html");
    assert!(first.stderr.ends_with(&format!("   Generated {page}\n")), "{first}");
    let made = pages(&env.project());
    env.cargo(["doc"]).run().success();
    let cargos = std::fs::read_to_string(env.root().join("reference/target/doc/the_app/fn.said.html")).unwrap();
    assert_eq!(made.1, cargos);

    assert_eq!(ran(&env, &env.project(), &["doc"]).1, 0);
    env.vx(["kill"]).run().success();
    assert_eq!(env.vx(["doc"]).run().success().counts().ran, 0);
    let other = env.checkout("elsewhere");
    assert_eq!(
        ran(&env, &other, &["doc"]).1,
        2,
        "the library and the macro are documented there"
    );
    assert_eq!(pages(&other).1, made.1);

    env.replace("src/lib.rs", "Says [`seven`].", "Says [`eight`].");
    let outcome = env.vx(["doc"]).run().success();
    assert!(outcome.stderr.contains("unresolved link to `eight`"), "{outcome}");
    assert_eq!(outcome.counts().ran, 1);
    let again = env.vx(["doc"]).run().success();
    assert!(again.stderr.contains("unresolved link to `eight`"), "{again}");
    std::fs::remove_dir_all(env.project().join(".vx/build/doc/the_app")).unwrap();
    assert_eq!(ran(&env, &env.project(), &["doc", "--no-deps"]).1, 1);
}
