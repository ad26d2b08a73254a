//! One package without dependencies: what is built once is not built again, and what has changed is.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::{Counts, TestEnv};

const NOTHING_RAN: u32 = 0;

#[track_caller]
fn assert_ran(counts: Counts, ran: u32) {
    assert_eq!(counts.ran, ran, "{counts:?}");
}

#[test]
fn the_second_build_starts_nothing() {
    let env = TestEnv::with_fixture("hello");
    assert_eq!(
        env.build(&[]),
        Counts {
            ran: 1,
            again: 0,
            cached: 0,
            fresh: 0
        }
    );
    assert_eq!(env.run_program("debug/hello"), "hello\n");
    assert_eq!(
        env.build(&[]),
        Counts {
            ran: 0,
            again: 0,
            cached: 0,
            fresh: 1
        }
    );
    assert_eq!(env.run_program("debug/hello"), "hello\n");
}

#[test]
fn an_edit_runs_the_compiler_and_its_undoing_does_not() {
    let env = TestEnv::with_fixture("hello");
    assert_ran(env.build(&[]), 1);
    env.replace("src/greeting.rs", "\"hello\"", "\"goodbye\"");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "goodbye\n");
    env.replace("src/greeting.rs", "\"goodbye\"", "\"hello\"");
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "hello\n");
}

#[test]
fn an_edit_of_the_same_length_right_after_a_build_is_seen() {
    let env = TestEnv::with_fixture("hello");
    for text in ["\"aaaaa\"", "\"bbbbb\"", "\"ccccc\""] {
        env.write(
            "src/greeting.rs",
            &format!("pub fn text() -> &'static str {{ {text} }}\n"),
        );
        assert_ran(env.build(&[]), 1);
        assert_eq!(
            format!("{:?}\n", env.run_program("debug/hello").trim()),
            format!("{text}\n")
        );
    }
}

#[test]
fn a_touched_file_with_the_same_content_changes_nothing() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let path = env.project().join("src/main.rs");
    let text = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, text).unwrap();
    assert_ran(env.build(&[]), NOTHING_RAN);
}

#[test]
fn a_second_checkout_at_another_path_starts_nothing() {
    let env = TestEnv::with_fixture("hello");
    assert_ran(env.build(&[]), 1);
    let other = env.checkout("elsewhere/deep");
    assert_eq!(
        env.build_in(&other, &[]),
        Counts {
            ran: 0,
            again: 0,
            cached: 1,
            fresh: 0
        }
    );
    assert_eq!(env.run_program_in(&other, "debug/hello"), "hello\n");
}

#[test]
fn each_checkout_embeds_its_own_path() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{}\", env!(\"CARGO_MANIFEST_DIR\")); }\n",
    );
    env.build(&[]);
    assert_eq!(env.run_program("debug/hello").trim(), env.project());
    let other = env.checkout("elsewhere");
    env.build_in(&other, &[]);
    assert_eq!(env.run_program_in(&other, "debug/hello").trim(), other);
    // Both are known now.
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello").trim(), env.project());
}

#[test]
fn a_new_daemon_finds_what_an_earlier_one_built() {
    let env = TestEnv::with_fixture("hello");
    assert_ran(env.build(&[]), 1);
    env.vx(["kill"]).run().success();
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "hello\n");
}

#[test]
fn removed_and_damaged_outputs_are_laid_down_again() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let program = env.project().join(".vx/build/debug/hello");
    std::fs::remove_file(&program).unwrap();
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "hello\n");

    std::fs::write(&program, "no program").unwrap();
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "hello\n");

    env.vx(["clean"]).run().success();
    assert!(!env.project().join(".vx").exists());
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "hello\n");
}

#[test]
fn an_output_that_the_user_writes_to_does_not_reach_the_store() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let program = env.project().join(".vx/build/debug/hello");
    // In place, as `strip` does it: through the same inode.
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).open(&program).unwrap();
    file.set_len(10).unwrap();
    let other = env.checkout("elsewhere");
    assert_ran(env.build_in(&other, &[]), NOTHING_RAN);
    assert_eq!(env.run_program_in(&other, "debug/hello"), "hello\n");
}

#[test]
fn outputs_are_not_seen_by_version_control() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    assert_eq!(
        std::fs::read_to_string(env.project().join(".vx/.gitignore"))
            .unwrap()
            .trim(),
        "*"
    );
}

#[test]
fn profiles_are_kept_apart_and_remembered() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{}\", if cfg!(debug_assertions) { \"checked\" } else { \"fast\" }); }\n",
    );
    assert_ran(env.build(&[]), 1);
    assert_ran(env.build(&["--release"]), 1);
    assert_eq!(env.run_program("debug/hello"), "checked\n");
    assert_eq!(env.run_program("release/hello"), "fast\n");
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_ran(env.build(&["--profile", "release"]), NOTHING_RAN);
}

#[test]
fn a_profile_of_the_manifest_counts() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{}\", cfg!(debug_assertions)); }\n",
    );
    env.build(&[]);
    let manifest = std::fs::read_to_string(env.project().join("Cargo.toml")).unwrap();
    env.write(
        "Cargo.toml",
        &format!("{manifest}\n[profile.dev]\ndebug-assertions = false\n"),
    );
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "false\n");
    env.write("Cargo.toml", &manifest);
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "true\n");
}

#[test]
fn features_are_kept_apart_and_remembered() {
    let env = TestEnv::with_fixture("hello");
    assert_ran(env.build(&[]), 1);
    assert_ran(env.build(&["--features", "loud"]), 1);
    assert_eq!(env.run_program("debug/hello"), "HELLO\n");
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "hello\n");
    assert_ran(env.build(&["--all-features"]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "HELLO\n");
}

#[test]
fn only_variables_that_the_program_reads_make_it_run() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{:?}\", option_env!(\"COLOUR\")); }\n",
    );
    let build = |variable: &str, value: &str| env.vx(["build"]).env(variable, value).run().success().counts();
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "None\n");
    assert_ran(build("SHAPE", "round"), NOTHING_RAN);
    assert_ran(build("COLOUR", "red"), 1);
    assert_eq!(env.run_program("debug/hello"), "Some(\"red\")\n");
    assert_ran(build("COLOUR", ""), 1);
    assert_eq!(env.run_program("debug/hello"), "Some(\"\")\n");
    assert_ran(build("COLOUR", "red"), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "Some(\"red\")\n");
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "None\n");
}

#[test]
fn flags_of_the_user_count() {
    let env = TestEnv::with_fixture("hello");
    env.write("src/main.rs", "fn main() { println!(\"{}\", cfg!(special)); }\n");
    let with_flags = || {
        env.vx(["build"])
            .env("RUSTFLAGS", "--cfg special")
            .run()
            .success()
            .counts()
    };
    assert_ran(env.build(&[]), 1);
    assert_ran(with_flags(), 1);
    assert_eq!(env.run_program("debug/hello"), "true\n");
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "false\n");
    assert_ran(with_flags(), NOTHING_RAN);
}

#[test]
fn configuration_of_the_project_counts() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{:?} {}\", option_env!(\"FROM\"), cfg!(special)); }\n",
    );
    assert_ran(env.build(&[]), 1);
    env.write(
        ".cargo/config.toml",
        "[env]\nFROM = 'configuration'\n[build]\nrustflags = ['--cfg', 'special']\n",
    );
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "Some(\"configuration\") true\n");
    env.remove(".cargo/config.toml");
    assert_ran(env.build(&[]), NOTHING_RAN);
    assert_eq!(env.run_program("debug/hello"), "None false\n");
}

#[test]
fn included_files_are_inputs() {
    let env = TestEnv::with_fixture("hello");
    env.write("data/text.txt", "one");
    env.write("data/bytes.bin", "1");
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{} {:?}\", include_str!(\"../data/text.txt\"), include_bytes!(\"../data/bytes.bin\")); }\n",
    );
    assert_ran(env.build(&[]), 1);
    env.write("data/text.txt", "two");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "two [49]\n");
    env.write("data/bytes.bin", "2");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "two [50]\n");
    env.write("data/unrelated.txt", "three");
    assert_ran(env.build(&[]), NOTHING_RAN);
}

#[test]
fn the_other_path_of_a_module_is_seen() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    env.write("src/greeting/mod.rs", "pub fn text() -> &'static str { \"moved\" }\n");
    // Two files for one module are an error, not the old program.
    let outcome = env.vx(["build"]).run().code(101);
    assert!(
        outcome.stderr.contains("file for module `greeting` found at both"),
        "{outcome}"
    );
    env.remove("src/greeting.rs");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "moved\n");
}

#[test]
fn a_new_program_is_discovered_and_a_removed_one_is_forgotten() {
    let env = TestEnv::with_fixture("hello");
    assert_eq!(env.build(&[]).units(), 1);
    env.write("src/bin/second.rs", "fn main() { println!(\"second\"); }\n");
    let counts = env.build(&[]);
    assert_eq!((counts.ran, counts.units()), (1, 2));
    assert_eq!(env.run_program("debug/second"), "second\n");
    env.remove("src/bin/second.rs");
    let counts = env.build(&[]);
    assert_eq!((counts.ran, counts.units()), (0, 1));
}

#[test]
fn a_failure_is_shown_and_never_remembered() {
    let env = TestEnv::with_fixture("hello");
    env.replace("src/greeting.rs", "\"hello\"", "5");
    for _ in 0..2 {
        let outcome = env.vx(["build"]).run().code(101);
        assert!(outcome.stderr.contains("error[E0308]: mismatched types"), "{outcome}");
        assert!(outcome.stderr.contains("src/greeting.rs:2:5"), "{outcome}");
        assert!(outcome.stderr.contains("could not compile `hello`"), "{outcome}");
    }
    env.replace("src/greeting.rs", "5", "\"hello\"");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "hello\n");
}

#[test]
fn warnings_are_shown_again_when_nothing_runs() {
    let env = TestEnv::with_fixture("hello");
    env.write("src/main.rs", "fn main() { let unused = 1; println!(\"warned\"); }\n");
    let first = env.counted(&[]);
    assert_ran(first.counts(), 1);
    assert!(first.stderr.contains("unused variable: `unused`"), "{first}");
    for directory in [env.project(), env.project(), env.checkout("elsewhere")] {
        let again = env.counted_in(&directory, &[]);
        assert_ran(again.counts(), NOTHING_RAN);
        assert!(again.stderr.contains("unused variable: `unused`"), "{again}");
        assert!(again.stderr.contains("--> src/main.rs:1:17"), "{again}");
    }
}

#[test]
fn a_damaged_store_is_a_miss_and_never_a_wrong_program() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    env.vx(["kill"]).run().success();
    let damaged = damage_blobs(&env.home().join("cas"));
    assert!(damaged > 0, "there are blobs");
    env.vx(["clean"]).run().success();
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/hello"), "hello\n");
}

/// Changes a byte of every file in the store that is named by a hash, and says how many there are.
fn damage_blobs(directory: &camino::Utf8Path) -> usize {
    let mut damaged = 0;
    for entry in directory.read_dir_utf8().unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            damaged += damage_blobs(entry.path());
        } else if is_blob(entry.file_name()) {
            let mut bytes = std::fs::read(entry.path()).unwrap();
            match bytes.last_mut() {
                Some(byte) => *byte ^= 1,
                None => bytes.push(0),
            }
            std::fs::remove_file(entry.path()).unwrap();
            std::fs::write(entry.path(), bytes).unwrap();
            damaged += 1;
        }
    }
    damaged
}

/// Whether this is the name of a blob; that of an executable one ends in `.x`.
fn is_blob(name: &str) -> bool {
    let hash = name.strip_suffix(".x").unwrap_or(name);
    hash.len() >= 60 && hash.chars().all(|letter| letter.is_ascii_hexdigit())
}

#[test]
fn checkouts_that_build_at_once_share_one_compilation() {
    let env = TestEnv::with_fixture("hello");
    // The services run before the race begins.
    env.write("src/bin/warm.rs", "fn main() {}\n");
    env.build(&["--bin", "warm"]);
    let before = env.started();
    let checkouts = ["a", "b", "c", "d"].map(|name| env.checkout(name));
    let counts: Vec<Counts> = std::thread::scope(|scope| {
        let builds = checkouts.each_ref().map(|checkout| {
            scope.spawn(|| {
                env.vx(["build", "--bin", "hello"])
                    .current_dir(checkout)
                    .run()
                    .success()
                    .counts()
            })
        });
        builds.into_iter().map(|build| build.join().unwrap()).collect()
    });
    assert_eq!(env.started() - before, 1, "{counts:?}");
    assert_eq!(counts.iter().map(|counts| counts.ran).sum::<u32>(), 1, "{counts:?}");
    for checkout in &checkouts {
        assert_eq!(env.run_program_in(checkout, "debug/hello"), "hello\n");
    }
}
