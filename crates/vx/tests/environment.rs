//! The environment of build steps: what each gets, and that everything that it could have read counts.

mod harness;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt;

use harness::{Counts, TestEnv};

/// A package with this build script, whose program prints what the script has put into the file `found`.
fn script(body: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write("Cargo.toml", "[package]\nname = \"app\"\nedition = \"2024\"\n");
    env.write(
        "build.rs",
        &format!(
            "fn main() {{
                let found: String = {{ {body} }};
                std::fs::write(format!(\"{{}}/found\", std::env::var(\"OUT_DIR\").unwrap()), found).unwrap();
                println!(\"cargo::rerun-if-changed=build.rs\");
            }}"
        ),
    );
    env.write(
        "src/main.rs",
        "fn main() { print!(\"{}\", include_str!(concat!(env!(\"OUT_DIR\"), \"/found\"))); }\n",
    );
    env
}

/// A program that prints what a macro with this body returns.
fn proc_macro(body: &str) -> TestEnv {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nedition = \"2024\"\n[dependencies]\nmacros = { path = \"macros\" }\n",
    );
    env.write("src/main.rs", "fn main() { print!(\"{}\", macros::found!()); }\n");
    env.write(
        "macros/Cargo.toml",
        "[package]\nname = \"macros\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
    );
    env.write(
        "macros/src/lib.rs",
        &format!(
            "#[proc_macro]
            pub fn found(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{
                let found: String = {{ {body} }};
                format!(\"{{found:?}}\").parse().unwrap()
            }}"
        ),
    );
    env
}

fn build(env: &TestEnv, name: &str, value: impl AsRef<OsStr>) -> Counts {
    env.vx(["build"]).env(name, value).run().success().counts()
}

/// Ways to find out `FOUND_IT` that no search in a binary finds. Each is an expression.
const READERS: &[&str] = &[
    // A name that is composed.
    r#"std::env::var(["FOUND", "IT"].join("_")).unwrap_or_default()"#,
    // All of them.
    r#"std::env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with("FOUND"))
        .map(|(_, value)| value.into_string().unwrap())
        .collect()"#,
    // A child.
    r#"{
        let printed = std::process::Command::new("sh").args(["-c", "eval echo \\$FOUND\"_\"IT"]).output().unwrap();
        String::from_utf8(printed.stdout).unwrap().trim().to_owned()
    }"#,
    // A file.
    r#"{
        let all = std::fs::read("/proc/self/environ").unwrap();
        let mut variables = all.split(|byte| *byte == 0).filter_map(|variable| std::str::from_utf8(variable).ok());
        variables.find_map(|variable| variable.strip_prefix("FOUND_IT=")).unwrap_or_default().to_owned()
    }"#,
];

#[track_caller]
fn every_value_is_found(env: &TestEnv, reader: &str) {
    for (value, runs_at_all) in [("one", true), ("two", true), ("one", false), ("two", false)] {
        let counts = build(env, "FOUND_IT", value);
        assert_eq!(env.run_program("debug/app"), value, "{reader}");
        assert_eq!(counts.ran > 0, runs_at_all, "{reader}: {counts:?}");
    }
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "", "{reader}");
}

#[test]
fn whatever_way_a_script_reads_a_variable_it_counts() {
    for reader in READERS {
        every_value_is_found(&script(reader), reader);
    }
}

#[test]
fn whatever_way_a_macro_reads_a_variable_it_counts() {
    for reader in READERS {
        every_value_is_found(&proc_macro(reader), reader);
    }
}

#[test]
fn a_macro_that_reads_nothing_does_not_run_for_an_unrelated_variable() {
    let env = proc_macro("\"constant\".chars().rev().collect()");
    assert_eq!(env.build(&[]).ran, 2);
    let before = env.started();
    assert_eq!(build(&env, "FOUND_IT", "one").ran, 0);
    assert_eq!(env.started(), before);
}

#[test]
fn a_variable_of_which_nothing_depends_makes_only_the_script_run() {
    let env = script("\"constant\".to_owned()");
    assert_eq!(env.build(&[]).ran, 3);
    assert_eq!(build(&env, "UNRELATED", "one").ran, 1);
    assert_eq!(build(&env, "UNRELATED", "one").ran, 0);
}

#[test]
fn a_build_in_another_terminal_starts_nothing() {
    let env = script(READERS[1]);
    let in_terminal = |number: &str| {
        let vx = env.vx(["build"]);
        let vx = vx.env("WINDOWID", number).env("TMUX_PANE", number).env("SHLVL", number);
        let vx = vx.env("SSH_CONNECTION", number).env("TERM", format!("xterm-{number}"));
        vx.env("PWD", format!("/{number}")).run().success().counts().ran
    };
    assert_eq!(in_terminal("1"), 3);
    let before = env.started();
    assert_eq!(in_terminal("2"), 0);
    assert_eq!(env.started(), before);
    // Nor with a daemon that has forgotten everything.
    env.vx(["kill"]).run().success();
    assert_eq!(in_terminal("3"), 0);
}

#[test]
fn the_variable_that_made_a_script_run_is_named() {
    let env = script(READERS[0]);
    build(&env, "FOUND_IT", "a secret");
    build(&env, "FOUND_IT", "another");
    let told = env.vx(["explain"]).run().success().stdout;
    assert!(told.contains("environment variable FOUND_IT changed"), "{told}");
    let key = env.vx(["explain", "--unit", "app", "--key"]).run().success().stdout;
    assert!(key.contains("environment variable FOUND_IT = sha256:"), "{key}");
    env.build(&[]);
    build(&env, "OTHER", "1");
    let told = env.vx(["explain"]).run().success().stdout;
    assert!(told.contains("environment variable OTHER is set now"), "{told}");
}

#[test]
fn the_current_directory_of_the_shell_is_the_workspace_in_every_checkout() {
    let env = script(r#"format!("{} ", std::env::var("PWD").is_ok())"#);
    let say = env.vx(["build"]).env("PWD", env.root().as_str()).run().success();
    assert_eq!(say.counts().ran, 3);
    let other = env.checkout("elsewhere");
    assert_eq!(env.build_in(&other, &[]).ran, 0);
    assert_eq!(env.run_program_in(&other, "debug/app"), "true ");

    let env = script(r#"std::env::var("PWD").unwrap()"#);
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), env.project());
    let other = env.checkout("elsewhere");
    env.build_in(&other, &[]);
    assert_eq!(env.run_program_in(&other, "debug/app"), other);
}

#[test]
fn a_script_that_calls_rustc_gets_that_of_the_build() {
    let env = script(
        r#"
        let say = |rustc: &str| {
            let said = std::process::Command::new(rustc).arg("-vV").output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            String::from_utf8(said.stdout).unwrap()
        };
        assert_eq!(say("rustc"), say(&std::env::var("RUSTC").unwrap()));
        String::new()
        "#,
    );
    assert_eq!(env.build(&[]).ran, 3);
}

#[test]
fn values_that_are_not_utf_8_reach_processes_unchanged() {
    let bytes = r#"
        use std::os::unix::ffi::OsStrExt as _;
        format!("{:?}", std::env::var_os("LATIN").unwrap().as_bytes())
    "#;
    for env in [script(bytes), proc_macro(bytes)] {
        for value in [&b"caf\xe9"[..], b"caf\xea", "caf\u{e9}".as_bytes()] {
            assert!(build(&env, "LATIN", OsStr::from_bytes(value)).ran > 0);
            assert_eq!(env.run_program("debug/app"), format!("{value:?}"));
        }
        assert_eq!(build(&env, "LATIN", OsStr::from_bytes(b"caf\xe9")).ran, 0);
    }
}

#[test]
fn what_decides_how_a_child_builds_reaches_it() {
    let env = script(
        r#"
        let child = std::process::Command::new("sh").args(["-c", "echo $NODE_ENV"]).output().unwrap();
        String::from_utf8(child.stdout).unwrap()
        "#,
    );
    for mode in ["production", "development"] {
        build(&env, "NODE_ENV", mode);
        assert_eq!(env.run_program("debug/app"), format!("{mode}\n"));
    }
}

#[test]
fn a_linker_wrapper_may_read_every_variable_and_a_linker_of_the_system_may_not() {
    let env = TestEnv::with_fixture("hello");
    assert_eq!(env.build(&[]).ran, 1);
    assert_eq!(build(&env, "STRIP_IT", "--strip-all").ran, 0);

    let wrapper = env.root().join("wrapper");
    std::fs::write(&wrapper, "#!/bin/sh\nexec cc ${STRIP_IT:+-Wl,$STRIP_IT} \"$@\"\n").unwrap();
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    env.write(
        ".cargo/config.toml",
        &format!("[target.'cfg(all())']\nlinker = {:?}\n", wrapper.as_str()),
    );
    let length = || {
        std::fs::metadata(env.project().join(".vx/build/debug/hello"))
            .unwrap()
            .len()
    };
    assert_eq!(env.build(&[]).ran, 1);
    let whole = length();
    assert_eq!(build(&env, "STRIP_IT", "--strip-all").ran, 1);
    assert!(length() < whole);
    assert_eq!(env.build(&[]).ran, 0);
    assert_eq!(length(), whole);
}
