//! What build scripts and macros compute from paths is the same in every checkout, and paths themselves are the real ones.

#![cfg(target_os = "linux")]

mod harness;

use camino::{Utf8Path, Utf8PathBuf};
use harness::TestEnv;

/// A package whose macro and whose build script compute this, and whose program prints both.
fn package(value: &str) -> TestEnv {
    let env = TestEnv::new();
    let manifest =
        |name: &str, rest: &str| format!("[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}");
    env.write(
        "Cargo.toml",
        &manifest("app", "[dependencies]\nmade = { path = \"made\" }\n"),
    );
    env.write(
        "build.rs",
        &format!(
            "fn value() -> String {{ {value} }}\nfn main() {{ println!(\"cargo::rustc-env=VALUE={{}}\", value()); }}"
        ),
    );
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{} {}\", env!(\"VALUE\"), made::value!()); }",
    );
    env.write("made/Cargo.toml", &manifest("made", "[lib]\nproc-macro = true\n"));
    env.write(
        "made/src/lib.rs",
        &format!(
            "use proc_macro::TokenStream;\nfn made() -> String {{ {value} }}\n\
             #[proc_macro] pub fn value(_: TokenStream) -> TokenStream {{ format!(\"{{:?}}\", made()).parse().unwrap() }}"
        ),
    );
    env
}

fn says(env: &TestEnv, checkout: &Utf8Path) -> String {
    env.run_program_in(checkout, "debug/app").trim_end().to_owned()
}

#[test]
fn what_is_computed_from_a_path_is_the_same_in_every_checkout() {
    let env = package("std::env::current_dir().unwrap().as_os_str().len().to_string()");
    assert_eq!(env.build(&[]).ran, 4);
    let said = says(&env, &env.project());
    let other = env.checkout("elsewhere/and/deeper");
    let counts = env.build_in(&other, &[]);
    assert_eq!((counts.ran, counts.again), (0, 0));
    assert_eq!(says(&env, &other), said);
}

#[test]
fn a_path_that_shows_is_the_real_one_and_costs_one_run_once() {
    let env = package("std::env::current_dir().unwrap().display().to_string()");
    let counts = env.build(&[]);
    // The script's value is a template; the macro's is in the program, and so is what `env!` says.
    assert_eq!((counts.ran, counts.again), (4, 1));
    let project = env.project();
    assert_eq!(says(&env, &project), format!("{project} {project}"));
    env.replace("src/main.rs", "fn main() {", "fn main() { println!();");
    env.replace("made/src/lib.rs", "use proc_macro", "// Changed.\nuse proc_macro");
    let counts = env.build(&[]);
    assert_eq!(counts.again, 0, "it is remembered for the unit");
    let other = env.checkout("elsewhere");
    assert_eq!(env.build_in(&other, &[]).again, 0);
    assert!(says(&env, &other).ends_with(&format!("{other} {other}")));
}

/// Git does not look for a repository on another file system.
#[test]
fn a_repository_around_the_workspace_is_found() {
    let env = package(
        "let git = std::process::Command::new(\"git\").args([\"rev-parse\", \"--show-cdup\"]).output().unwrap();
         String::from_utf8(git.stdout).unwrap().trim().to_owned()",
    );
    env.build(&[]);
    let project = env.project();
    assert_eq!(says(&env, &project), "");
    initialize(&project.join(".."));
    env.build(&[]);
    assert_eq!(says(&env, &project), "../ ../");
}

/// A repository with a workspace in `rust` and a file beside that.
fn repository(env: &TestEnv, name: &str, text: &str) -> Utf8PathBuf {
    let workspace = env.checkout(&format!("{name}/rust"));
    harness::files::write(&workspace.join("../data"), text);
    initialize(&workspace.join(".."));
    workspace
}

fn initialize(repository: &Utf8Path) {
    let mut git = std::process::Command::new("git");
    let status = git.args(["init", "--quiet", repository.as_str()]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn what_is_beside_the_workspace_in_its_repository_is_shared_between_checkouts() {
    let env = package(
        "let git = std::process::Command::new(\"git\").args([\"rev-parse\", \"--show-cdup\"]).output().unwrap();
         let data = std::fs::read_to_string(\"../data\").unwrap();
         format!(\"{} {data}\", String::from_utf8(git.stdout).unwrap().trim())",
    );
    let first = repository(&env, "first", "one");
    let counts = env.build_in(&first, &[]);
    assert_eq!((counts.ran, counts.again), (4, 0));
    assert_eq!(says(&env, &first), "../ one ../ one");
    let second = repository(&env, "elsewhere/second", "one");
    assert_eq!(env.build_in(&second, &[]).ran, 0);
    assert_eq!(says(&env, &second), "../ one ../ one");
    let third = repository(&env, "third", "two");
    env.build_in(&third, &[]);
    assert_eq!(says(&env, &third), "../ two ../ two");
}

#[test]
fn a_search_in_the_directories_above_is_shared_if_nothing_is_there() {
    let env = package(
        "let mut above = std::env::current_dir().unwrap(); let mut found = 0;
         loop { found += usize::from(above.join(\"a-file-that-nobody-has\").exists()); if !above.pop() { break } }
         found.to_string()",
    );
    env.build(&[]);
    let other = env.checkout("elsewhere/and/deeper");
    assert_eq!(env.build_in(&other, &[]).ran, 0);
    harness::files::write(&env.root().join("elsewhere/a-file-that-nobody-has"), "");
    env.build_in(&other, &[]);
    assert_eq!(says(&env, &other), "1 1");
    env.build(&[]);
    assert_eq!(says(&env, &env.project()), "0 0");
}

#[test]
fn a_script_that_fails_for_its_path_runs_where_its_package_is() {
    let env = package(
        "assert!(!std::env::current_dir().unwrap().starts_with(\"/run\"), \"not here\"); String::from(\"built\")",
    );
    let counts = env.build(&[]);
    assert_eq!(
        (counts.ran, counts.again),
        (4, 2),
        "the script, and the compiler with the macro"
    );
    assert_eq!(says(&env, &env.project()), "built built");
}

#[test]
fn messages_name_the_real_paths() {
    let env = package("String::new()");
    env.write(
        "build.rs",
        "fn main() { println!(\"cargo::warning=in {}\", std::env::current_dir().unwrap().display());\n\
         println!(\"cargo::rustc-env=VALUE=\"); }",
    );
    let project = env.project();
    let told = env.vx(["build"]).run().success().stderr;
    assert!(told.contains(&format!("warning: app@0.1.0: in {project}\n")), "{told}");
    let other = env.checkout("elsewhere");
    let told = env.vx(["build"]).current_dir(&other).run().success().stderr;
    assert!(told.contains(&format!("warning: app@0.1.0: in {other}\n")), "{told}");
    env.write(
        "src/main.rs",
        "fn main() { made::value!() + include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/absent\")); }",
    );
    let told = env.vx(["build"]).run().code(101).stderr;
    assert!(
        told.contains(&format!("{project}/absent")) && !told.contains("/run/vx"),
        "{told}"
    );
}

#[test]
fn a_script_that_compiles_the_workspaces_c_starts_nothing_in_a_second_checkout() {
    let env = package("String::new()");
    env.write("c/answer.c", "int answer(void) { return 42; }");
    env.write(
        "build.rs",
        r#"
        fn run(program: &str, arguments: &[&str]) {
            assert!(std::process::Command::new(program).args(arguments).status().unwrap().success());
        }
        fn main() {
            let out = std::env::var("OUT_DIR").unwrap();
            run("cc", &["-g", "-c", "c/answer.c", "-o", &format!("{out}/answer.o")]);
            run("ar", &["rcs", &format!("{out}/libanswer.a"), &format!("{out}/answer.o")]);
            println!("cargo::rustc-link-search=native={out}");
            println!("cargo::rustc-link-lib=static=answer");
            println!("cargo::rerun-if-changed={}/c", std::env::var("CARGO_MANIFEST_DIR").unwrap());
        }
        "#,
    );
    env.write(
        "src/main.rs",
        "unsafe extern \"C\" { fn answer() -> i32; } fn main() { println!(\"{}\", unsafe { answer() }); }",
    );
    let counts = env.build(&[]);
    assert_eq!((counts.ran, counts.again), (4, 0));
    assert_eq!(says(&env, &env.project()), "42");
    let other = env.checkout("elsewhere/and/deeper");
    assert_eq!(env.build_in(&other, &[]).ran, 0);
    assert_eq!(says(&env, &other), "42");
}

#[test]
fn a_script_that_calls_cargo_metadata_starts_nothing_in_a_second_checkout() {
    let env = package("String::new()");
    env.write(
        "build.rs",
        r#"
        fn main() {
            let mut cargo = std::process::Command::new(std::env::var("CARGO").unwrap());
            let metadata = cargo.args(["metadata", "--format-version=1", "--offline"]).output().unwrap();
            assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
            let text = String::from_utf8(metadata.stdout).unwrap();
            println!("cargo::rustc-env=VALUE={}", text.matches("\"proc-macro\"").count() > 0);
        }
        "#,
    );
    let counts = env.build(&[]);
    assert_eq!((counts.ran, counts.again), (4, 0));
    assert_eq!(says(&env, &env.project()), "true");
    let other = env.checkout("elsewhere/and/deeper");
    assert_eq!(env.build_in(&other, &[]).ran, 0);
}

/// Its metadata, which does not show the path, is used before its code is there, which does.
#[test]
fn a_library_whose_code_alone_shows_a_path_is_compiled_again_with_its_dependents() {
    let env = package("std::env::current_dir().unwrap().display().to_string()");
    env.replace("Cargo.toml", "made = { path = \"made\" }", "deep = { path = \"deep\" }");
    env.write(
        "deep/Cargo.toml",
        "[package]\nname = \"deep\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [dependencies]\nmade = { path = \"../made\" }\n",
    );
    env.write(
        "deep/src/lib.rs",
        "pub fn place() -> String { made::value!().to_owned() }",
    );
    env.write("build.rs", "fn main() {}");
    env.write("src/main.rs", "fn main() { println!(\"{}\", deep::place()); }");
    let project = env.project();
    env.vx(["build"]).run().success();
    assert_eq!(says(&env, &project), project.as_str());
    let other = env.checkout("elsewhere");
    env.vx(["build"]).current_dir(&other).run().success();
    assert_eq!(says(&env, &other), other.as_str());
    assert_eq!(env.build(&[]).ran, 0);
}
