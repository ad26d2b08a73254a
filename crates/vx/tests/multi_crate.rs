//! A workspace: libraries on libraries, a procedural macro, several programs, examples, features.
//!
//! `app` uses `greet` and the macro `shout`; `greet` uses `words` under another name.

mod harness;

use harness::{Counts, TestEnv};

#[track_caller]
fn assert_ran(counts: Counts, ran: u32) {
    assert_eq!(counts.ran, ran, "{counts:?}");
}

#[test]
fn everything_runs_once_and_then_nothing() {
    let env = TestEnv::with_fixture("multi_crate");
    // Two libraries, a macro and two programs.
    assert_eq!(
        env.build(&[]),
        Counts {
            ran: 5,
            again: 0,
            cached: 0,
            fresh: 0
        }
    );
    assert_eq!(env.run_program("debug/app"), "hello world HEY\n");
    assert_eq!(env.run_program("debug/second"), "second: hello again\n");
    assert_eq!(
        env.build(&[]),
        Counts {
            ran: 0,
            again: 0,
            cached: 0,
            fresh: 5
        }
    );
    assert_ran(env.build(&["--workspace"]), 0);
}

#[test]
fn an_edit_runs_what_depends_on_it_and_its_undoing_runs_nothing() {
    let env = TestEnv::with_fixture("multi_crate");
    env.build(&[]);

    env.replace("app/src/main.rs", "world", "earth");
    assert_ran(env.build(&[]), 1);
    assert_eq!(env.run_program("debug/app"), "hello earth HEY\n");

    // The lowest library: itself, `greet`, both programs.
    env.replace("words/src/lib.rs", "\"hello\"", "\"hi\"");
    assert_ran(env.build(&[]), 4);
    assert_eq!(env.run_program("debug/app"), "hi earth HEY\n");
    assert_eq!(env.run_program("debug/second"), "second: hi again\n");

    env.replace("words/src/lib.rs", "\"hi\"", "\"hello\"");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "hello earth HEY\n");
    assert_eq!(env.run_program("debug/second"), "second: hello again\n");

    env.replace("app/src/main.rs", "earth", "world");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "hello world HEY\n");
}

#[test]
fn an_edited_macro_runs_its_users() {
    let env = TestEnv::with_fixture("multi_crate");
    env.build(&[]);
    env.replace("shout/src/lib.rs", "to_uppercase()", "to_lowercase()");
    env.replace("app/src/main.rs", "\" hey\"", "\" Hey\"");
    let counts = env.build(&[]);
    assert!(counts.ran >= 2, "{counts:?}");
    assert_eq!(env.run_program("debug/app"), "hello world hey\n");
}

#[test]
fn a_file_that_only_a_macro_reads_is_an_input() {
    let env = TestEnv::with_fixture("multi_crate");
    env.write(
        "shout/src/lib.rs",
        "use proc_macro::TokenStream;\n\
         #[proc_macro]\n\
         pub fn shout(_: TokenStream) -> TokenStream {\n\
             let path = std::path::Path::new(&std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()).join(\"word.txt\");\n\
             format!(\"{:?}\", std::fs::read_to_string(path).unwrap()).parse().unwrap()\n\
         }\n",
    );
    env.write("app/word.txt", " one");
    env.build(&["-p", "app"]);
    assert_eq!(env.run_program("debug/app"), "hello world one\n");
    env.write("app/word.txt", " two");
    env.build(&["-p", "app"]);
    assert_eq!(env.run_program("debug/app"), "hello world two\n");
    env.write("app/word.txt", " one");
    assert_ran(env.build(&["-p", "app"]), 0);
    assert_eq!(env.run_program("debug/app"), "hello world one\n");
}

#[test]
fn a_macro_that_finds_its_files_by_absolute_paths_is_shared_between_checkouts() {
    let env = TestEnv::with_fixture("multi_crate");
    env.write(
        "shout/src/lib.rs",
        "use proc_macro::TokenStream;\n\
         #[proc_macro]\n\
         pub fn shout(_: TokenStream) -> TokenStream {\n\
             format!(\"include_str!({:?})\", std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/word.txt\").parse().unwrap()\n\
         }\n",
    );
    env.write("app/word.txt", " one");
    let units = env.build(&["-p", "app"]).units();
    assert_eq!(env.run_program("debug/app"), "hello world one\n");
    let (second, third) = (env.checkout("elsewhere/second"), env.checkout("third"));
    let again = env.build_in(&second, &["-p", "app"]);
    assert_eq!((again.ran, again.cached), (0, units));
    assert_eq!(env.run_program_in(&second, "debug/app"), "hello world one\n");
    std::fs::write(third.join("app/word.txt"), " other").unwrap();
    assert_ran(env.build_in(&third, &["-p", "app"]), 1);
    assert_eq!(env.run_program_in(&third, "debug/app"), "hello world other\n");
}

#[test]
fn a_path_that_a_macro_writes_down_is_that_of_each_checkout() {
    let env = TestEnv::with_fixture("multi_crate");
    for path in [
        "directory",
        "directory.parent().unwrap()",
        "directory.join(\"../words\").canonicalize().unwrap()",
    ] {
        env.write(
            "shout/src/lib.rs",
            &format!(
                "use proc_macro::TokenStream;\n\
                 #[proc_macro]\n\
                 pub fn shout(_: TokenStream) -> TokenStream {{\n\
                     let directory = std::path::PathBuf::from(std::env::var(\"CARGO_MANIFEST_DIR\").unwrap());\n\
                     format!(\"{{:?}}\", {path}).parse().unwrap()\n\
                 }}\n"
            ),
        );
        let other = env.checkout(&format!("elsewhere/{}", path.len()));
        for directory in [&env.project(), &other, &env.project()] {
            env.build_in(directory, &["-p", "app"]);
            let said = env.run_program_in(directory, "debug/app");
            assert!(said.contains(directory.as_str()), "{path}: {said} in {directory}");
        }
    }
}

#[test]
fn a_variable_that_only_a_macro_reads_is_an_input() {
    let env = TestEnv::with_fixture("multi_crate");
    env.write(
        "shout/src/lib.rs",
        "use proc_macro::TokenStream;\n\
         #[proc_macro]\n\
         pub fn shout(_: TokenStream) -> TokenStream {\n\
             format!(\"{:?}\", std::env::var(\"WORD_OF_THE_DAY\").unwrap_or_default()).parse().unwrap()\n\
         }\n",
    );
    let build = |word: &str| {
        env.vx(["build", "-p", "app"])
            .env("WORD_OF_THE_DAY", word)
            .run()
            .success()
            .counts()
    };
    build("!");
    assert_eq!(env.run_program("debug/app"), "hello world!\n");
    build("?");
    assert_eq!(env.run_program("debug/app"), "hello world?\n");
    assert_ran(build("!"), 0);
    assert_eq!(env.run_program("debug/app"), "hello world!\n");
}

#[test]
fn a_second_checkout_starts_nothing() {
    let env = TestEnv::with_fixture("multi_crate");
    let counts = env.build(&["--workspace", "--examples", "--bins", "--lib"]);
    let other = env.checkout("elsewhere/again");
    let again = env.build_in(&other, &["--workspace", "--examples", "--bins", "--lib"]);
    assert_eq!(
        again,
        Counts {
            ran: 0,
            again: 0,
            cached: counts.units(),
            fresh: 0
        }
    );
    assert_eq!(env.run_program_in(&other, "debug/app"), "hello world HEY\n");
    assert_eq!(env.run_program_in(&other, "debug/examples/vocabulary"), "hello\n");
}

#[test]
fn a_branch_switched_back_starts_nothing() {
    let env = TestEnv::with_fixture("multi_crate");
    env.build(&[]);
    // Another branch: a package more, a dependency less.
    env.write(
        "extra/Cargo.toml",
        "[package]\nname = \"extra\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    env.write("extra/src/lib.rs", "pub fn extra() -> u8 { 7 }\n");
    env.replace("Cargo.toml", "\"shout\"]", "\"shout\", \"extra\"]");
    env.replace(
        "app/Cargo.toml",
        "shout.workspace = true",
        "extra = { path = \"../extra\" }",
    );
    let original = std::fs::read_to_string(env.project().join("app/src/main.rs")).unwrap();
    env.write("app/src/main.rs", "fn main() { println!(\"{}\", extra::extra()); }\n");
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "7\n");
    // And back.
    env.replace("Cargo.toml", "\"shout\", \"extra\"]", "\"shout\"]");
    env.replace(
        "app/Cargo.toml",
        "extra = { path = \"../extra\" }",
        "shout.workspace = true",
    );
    env.write("app/src/main.rs", &original);
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "hello world HEY\n");
}

#[test]
fn packages_and_targets_are_selected_as_in_cargo() {
    let env = TestEnv::with_fixture("multi_crate");
    assert_eq!(env.build(&["-p", "words"]).units(), 1);
    assert_eq!(env.build(&["-p", "greet"]).units(), 2);
    assert_eq!(env.build(&["--workspace", "--exclude", "app"]).units(), 3);
    assert_eq!(env.build(&["-p", "app", "--bin", "second"]).units(), 4);
    let examples = env.build(&["-p", "app", "--example", "vocabulary"]);
    assert_ran(examples, 1);
    assert_eq!(env.run_program("debug/examples/vocabulary"), "hello\n");
    let from_member = env.build_in(&env.project().join("greet"), &[]);
    assert_eq!((from_member.ran, from_member.units()), (0, 2));
}

#[test]
fn features_reach_the_lowest_library() {
    let env = TestEnv::with_fixture("multi_crate");
    env.build(&["-p", "app"]);
    let counts = env.build(&["-p", "app", "--features", "greet/polite"]);
    assert_ran(counts, 4);
    assert_eq!(env.run_program("debug/app"), "good day world HEY\n");
    assert_ran(env.build(&["-p", "app"]), 0);
    assert_eq!(env.run_program("debug/app"), "hello world HEY\n");
}

#[test]
fn an_inherited_setting_of_the_workspace_counts() {
    let env = TestEnv::with_fixture("multi_crate");
    env.write(
        "app/src/main.rs",
        "fn main() { println!(\"{}\", env!(\"CARGO_PKG_VERSION\")); }\n",
    );
    env.build(&["--bin", "app"]);
    assert_eq!(env.run_program("debug/app"), "0.1.0\n");
    env.replace("Cargo.toml", "version = \"0.1.0\"", "version = \"0.2.0\"");
    env.build(&["--bin", "app"]);
    assert_eq!(env.run_program("debug/app"), "0.2.0\n");
}

#[test]
fn lints_of_the_workspace_count() {
    let env = TestEnv::with_fixture("multi_crate");
    env.write(
        "words/src/lib.rs",
        "pub const HELLO: &str = \"hello\";\nfn unused() {}\n",
    );
    let outcome = env.counted(&["-p", "words"]);
    assert!(outcome.stderr.contains("function `unused` is never used"), "{outcome}");
    let manifest = std::fs::read_to_string(env.project().join("words/Cargo.toml")).unwrap();
    env.write(
        "words/Cargo.toml",
        &format!("{manifest}\n[lints.rust]\ndead_code = \"deny\"\n"),
    );
    let outcome = env.vx(["build", "-p", "words"]).run().code(101);
    assert!(
        outcome.stderr.contains("error: function `unused` is never used"),
        "{outcome}"
    );
}

#[test]
fn a_dynamic_library_is_built_and_can_be_loaded() {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        "[package]\nname = \"plugin\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\", \"staticlib\", \"rlib\"]\n",
    );
    env.write(
        "src/lib.rs",
        "#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> i32 { 42 }\n",
    );
    env.write("src/main.rs", "fn main() { println!(\"{}\", plugin::answer()); }\n");
    assert_ran(env.build(&[]), 2);
    assert_eq!(env.run_program("debug/plugin"), "42\n");
    let outputs = ["libplugin.so", "libplugin.a", "libplugin.rlib"];
    for name in outputs {
        assert!(env.project().join(".vx/build/debug").join(name).is_file(), "{name}");
    }
    let other = env.checkout("elsewhere");
    assert_ran(env.build_in(&other, &[]), 0);
    for name in outputs {
        let [here, there] = [env.project(), other.clone()].map(|checkout| checkout.join(".vx/build/debug").join(name));
        assert!(
            std::fs::read(here).unwrap() == std::fs::read(there).unwrap(),
            "{name} differs between checkouts"
        );
    }
}

#[test]
fn an_error_in_a_library_stops_what_needs_it_and_names_it() {
    let env = TestEnv::with_fixture("multi_crate");
    env.replace("words/src/lib.rs", "&str", "u8");
    let outcome = env.vx(["build"]).run().code(101);
    assert!(outcome.stderr.contains("error[E0308]"), "{outcome}");
    assert!(outcome.stderr.contains("could not compile `words` (lib)"), "{outcome}");
    assert!(!env.project().join(".vx/build/debug/app").exists());
}

#[test]
fn a_dependency_outside_the_workspace_is_an_input_too() {
    let env = TestEnv::new();
    let outside = env.root().join("outside");
    std::fs::create_dir_all(outside.join("src")).unwrap();
    std::fs::write(
        outside.join("Cargo.toml"),
        "[package]\nname = \"outside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    )
    .unwrap();
    let write = |text: &str| {
        std::fs::write(
            outside.join("src/lib.rs"),
            format!("pub const TEXT: &str = \"{text}\";\n"),
        )
        .unwrap();
    };
    write("one");
    env.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\noutside = { path = \"../outside\" }\n",
    );
    env.write("src/main.rs", "fn main() { println!(\"{}\", outside::TEXT); }\n");
    assert_ran(env.build(&[]), 2);
    assert_eq!(env.run_program("debug/app"), "one\n");
    write("two");
    assert_ran(env.build(&[]), 2);
    assert_eq!(env.run_program("debug/app"), "two\n");
    write("one");
    assert_ran(env.build(&[]), 0);
    assert_eq!(env.run_program("debug/app"), "one\n");
}

/// rustc starts its incremental state over when a path in the command changes.
#[test]
fn an_incremental_compilation_has_the_same_command_every_time() {
    let env = TestEnv::with_fixture("multi_crate");
    let mut commands = Vec::new();
    for word in ["earth", "moon", "sun"] {
        env.write(
            "app/src/bin/second.rs",
            &format!("fn main() {{ println!(\"{word}\"); }}\n"),
        );
        let output = env.vx(["build", "--verbose", "--bin", "second"]).run().success().stderr;
        assert_eq!(env.run_program("debug/second"), format!("{word}\n"));
        let is_command = |line: &&str| line.contains("--crate-name second");
        commands.extend(output.lines().find(is_command).map(str::to_owned));
    }
    assert_eq!(commands.len(), 3);
    assert!(commands[0].contains("incremental="), "{}", commands[0]);
    assert_eq!(commands[0], commands[1]);
    assert_eq!(commands[1], commands[2]);
}
