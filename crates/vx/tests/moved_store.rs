//! A store that was filled in one home serves another: other `VX_HOME`, other `HOME`, other path of the workspace. What is
//! bound to a directory is named, and nothing else runs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use camino::Utf8Path;
use harness::{TestEnv, copy_directory};

/// A workspace in which all sorts of units find files by the paths that they are told: a script that reads and writes, a
/// macro that reads, a library that includes what the script wrote.
const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"made\", \"quote\"]\n",
    ),
    (
        "app/Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\nmade = { path = \"../made\" }\nquote = { path = \"../quote\" }\n",
    ),
    (
        "app/src/main.rs",
        "fn main() { println!(\"{} {}\", made::NUMBER, quote::quote!()); }\n",
    ),
    ("app/word.txt", "word"),
    (
        "made/Cargo.toml",
        "[package]\nname = \"made\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    (
        "made/build.rs",
        "fn main() {\n\
         let number = std::fs::read_to_string(\"number.txt\").unwrap();\n\
         let home = std::env::var(\"HOME\").unwrap();\n\
         let configured = std::path::Path::new(&home).join(\".numbers\").exists();\n\
         let out = std::env::var(\"OUT_DIR\").unwrap();\n\
         std::fs::write(out + \"/number.rs\", format!(\"pub const NUMBER: u32 = {};\", number.trim())).unwrap();\n\
         println!(\"cargo::rustc-check-cfg=cfg(configured)\");\n\
         if configured { println!(\"cargo::rustc-cfg=configured\"); }\n\
         println!(\"cargo::rerun-if-changed=number.txt\");\n\
         }\n",
    ),
    ("made/number.txt", "42\n"),
    (
        "made/src/lib.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/number.rs\"));\n",
    ),
    (
        "quote/Cargo.toml",
        "[package]\nname = \"quote\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
    ),
    (
        "quote/src/lib.rs",
        "use proc_macro::TokenStream;\n\
         #[proc_macro]\n\
         pub fn quote(_: TokenStream) -> TokenStream {\n\
         let path = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/word.txt\";\n\
         format!(\"{:?}\", std::fs::read_to_string(path).unwrap()).parse().unwrap()\n\
         }\n",
    ),
];

fn project() -> TestEnv {
    let env = TestEnv::new();
    for (path, text) in FILES {
        env.write(path, text);
    }
    env
}

/// A world of its own with the project of `other`, at a deeper path, and with a copy of its store.
fn moved(other: &TestEnv) -> (TestEnv, camino::Utf8PathBuf) {
    // A store has one user at a time.
    other.vx(["kill"]).run().success();
    let env = TestEnv::new();
    copy_directory(&other.home().join("cas"), &env.home().join("cas"));
    let checkout = env.root().join("further/down/checkout");
    copy_directory(&other.project(), &checkout);
    (env, checkout)
}

fn program(workspace: &Utf8Path) -> Vec<u8> {
    std::fs::read(workspace.join(".vx/build/debug/app")).unwrap()
}

#[test]
fn another_home_runs_nothing_and_gets_the_same_bytes() {
    let first = project();
    let units = first.build(&[]).units();
    assert_eq!(first.run_program("debug/app"), "42 word\n");
    let (second, checkout) = moved(&first);
    let counts = second.build_in(&checkout, &[]);
    assert_eq!(
        (counts.ran, counts.cached),
        (0, units),
        "{}",
        reasons(&second, &checkout)
    );
    assert_eq!(second.run_program_in(&checkout, "debug/app"), "42 word\n");
    assert_eq!(program(&first.project()), program(&checkout));
}

#[test]
fn what_is_bound_to_a_directory_runs_and_is_named() {
    let first = project();
    first.replace("app/src/main.rs", "quote::quote!()", "env!(\"CARGO_MANIFEST_DIR\")");
    first.build(&[]);
    let (second, checkout) = moved(&first);
    let counts = second.build_in(&checkout, &[]);
    assert_eq!(counts.ran, 1, "{}", reasons(&second, &checkout));
    let printed = second.run_program_in(&checkout, "debug/app");
    assert_eq!(printed, format!("42 {checkout}/app\n"));
    let key = second
        .vx(["explain", "--unit", "app", "--key"])
        .current_dir(&checkout)
        .run()
        .success()
        .stdout;
    let bound = format!("location of the workspace = {checkout}\n");
    assert!(key.contains(&bound), "{key}");
}

#[test]
fn what_a_script_finds_in_another_home_counts() {
    let first = project();
    first.build(&[]);
    let (second, checkout) = moved(&first);
    std::fs::write(second.root().join("user/.numbers"), "").unwrap();
    let counts = second.build_in(&checkout, &[]);
    assert!(
        counts.ran >= 2,
        "the script, and the library with its `cfg`: {counts:?}"
    );
}

#[test]
fn a_script_that_writes_the_path_of_the_home_is_bound_to_it() {
    let first = project();
    first.replace(
        "made/build.rs",
        "pub const NUMBER: u32 = {};\", number.trim())",
        "pub const NUMBER: &str = {home:?};\")",
    );
    first.build(&[]);
    assert_eq!(first.run_program("debug/app"), format!("{}/user word\n", first.root()));
    let (second, checkout) = moved(&first);
    second.build_in(&checkout, &[]);
    let printed = second.run_program_in(&checkout, "debug/app");
    assert_eq!(printed, format!("{}/user word\n", second.root()));
}

#[test]
fn a_library_that_tells_its_out_dir_is_bound_to_the_home_of_vx() {
    let first = project();
    first.write(
        "made/src/lib.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/number.rs\"));\npub const OUT: &str = env!(\"OUT_DIR\");\n",
    );
    first.replace("app/src/main.rs", "quote::quote!()", "made::OUT");
    first.build(&[]);
    let (second, checkout) = moved(&first);
    second.build_in(&checkout, &[]);
    let printed = second.run_program_in(&checkout, "debug/app");
    assert!(printed.contains(second.home().as_str()), "{printed}");
}

#[test]
fn a_path_package_beside_the_workspace_is_that_of_the_checkout() {
    let env = TestEnv::new();
    let write = |path: &str, text: &str| harness::files::write(&env.root().join(path), text);
    for (checkout, word) in [("one", "first"), ("two/deeper", "second")] {
        write(
            &format!("{checkout}/work/Cargo.toml"),
            "[package]\nname = \"work\"\nedition = \"2024\"\n[dependencies]\nbeside = { path = \"../beside\" }\n",
        );
        write(
            &format!("{checkout}/work/src/main.rs"),
            "fn main() { println!(\"{}\", beside::WORD); }\n",
        );
        write(
            &format!("{checkout}/beside/Cargo.toml"),
            "[package]\nname = \"beside\"\nedition = \"2024\"\n",
        );
        let text = format!("mod word;\npub use word::WORD;\n// {word}\n");
        write(&format!("{checkout}/beside/src/lib.rs"), &text.replace(word, "same"));
        write(
            &format!("{checkout}/beside/src/word.rs"),
            &format!("pub const WORD: &str = \"{word}\";\n"),
        );
    }
    for (checkout, word) in [("one", "first"), ("two/deeper", "second"), ("one", "first")] {
        let workspace = env.root().join(checkout).join("work");
        env.build_in(&workspace, &[]);
        assert_eq!(env.run_program_in(&workspace, "debug/work"), format!("{word}\n"));
    }
}

fn reasons(env: &TestEnv, checkout: &Utf8Path) -> String {
    env.vx(["explain"]).current_dir(checkout).run().stdout
}
