//! `vx explain`: what ran in the last build, and the input that made it run, in the user's words.

mod harness;

use harness::TestEnv;

fn explain(env: &TestEnv) -> String {
    env.vx(["explain"]).run().success().stdout
}

#[test]
fn the_file_that_changed_is_named() {
    let env = TestEnv::with_fixture("multi_crate");
    env.build(&[]);
    env.replace("app/src/main.rs", "world", "earth");
    env.build(&[]);
    let told = explain(&env);
    assert!(told.contains("app/src/main.rs"), "{told}");
    assert!(told.contains("1 ran"), "{told}");
    assert!(!told.contains("greet"), "{told}");
}

#[test]
fn the_variable_that_changed_is_named() {
    let env = TestEnv::with_fixture("hello");
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{:?}\", option_env!(\"COLOUR\")); }\n",
    );
    env.build(&[]);
    env.vx(["build"]).env("COLOUR", "red").run().success();
    let told = explain(&env);
    assert!(told.contains("COLOUR"), "{told}");
}

#[test]
fn nothing_ran_is_an_answer() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    env.build(&[]);
    let told = explain(&env);
    assert!(told.starts_with("0 ran, "), "{told}");
    let verbose = env.vx(["explain", "--verbose"]).run().success().stdout;
    assert!(verbose.contains("hello v0.1.0"), "{verbose}");
}

#[test]
fn a_dependency_that_changed_is_named() {
    let env = TestEnv::with_fixture("multi_crate");
    env.build(&[]);
    env.replace("words/src/lib.rs", "\"hello\"", "\"hi\"");
    env.build(&[]);
    let told = explain(&env);
    assert!(told.contains("words/src/lib.rs"), "{told}");
    assert!(told.contains("4 ran"), "{told}");
}

#[test]
fn a_build_from_the_store_is_told_as_soon_as_it_has_ended() {
    let env = TestEnv::with_fixture("multi_crate");
    env.build(&[]);
    let copy = env.checkout("elsewhere");
    let in_copy = |arguments: &[&str]| {
        env.vx(arguments.iter().copied())
            .current_dir(&copy)
            .run()
            .success()
            .stdout
    };
    in_copy(&["build"]);
    assert!(in_copy(&["explain"]).starts_with("0 ran, 5 cached"));
}
