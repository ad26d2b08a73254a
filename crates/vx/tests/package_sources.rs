//! Packages from everywhere that Cargo takes them from: other registries, replaced sources, git, paths. Nothing here
//! leaves the machine. Each test has a download cache of its own, and holds what vx builds against what cargo builds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
#[path = "harness/registry.rs"]
mod registry;
#[path = "harness/repository.rs"]
mod repository;

use camino::Utf8Path;
use harness::{Counts, TestEnv, copy_directory, files};
use registry::TestRegistry;
use repository::Repository;

const MANIFEST: &str = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n";

fn project(dependencies: &str, main: &str) -> TestEnv {
    let env = TestEnv::new().with_own_downloads();
    env.write("Cargo.toml", &format!("{MANIFEST}{dependencies}"));
    env.write("src/main.rs", main);
    env
}

fn repository(env: &TestEnv, name: &str) -> Repository {
    Repository::new(env.root().join("repositories").join(name))
}

/// Builds once, with everything checked that holds for every source: the program says what cargo's says, nothing is done
/// twice, nothing starts in a second checkout, and everything is there for the next build without network.
#[track_caller]
fn assert_built_as_by_cargo(env: &TestEnv, units: u32) -> String {
    assert_built_with(env, units, &[])
}

#[track_caller]
fn assert_built_with(env: &TestEnv, units: u32, variables: &[(&str, &str)]) -> String {
    let mut cargo = env.cargo(["run", "--quiet"]);
    for (name, value) in variables {
        cargo = cargo.env(name, value);
    }
    let expected = cargo.run().success().stdout;
    let build = |directory: &Utf8Path, arguments: &[&str]| {
        let mut build = env.vx(["build", "--locked"]).args(arguments).current_dir(directory);
        for (name, value) in variables {
            build = build.env(name, value);
        }
        build.run().success().counts()
    };
    let (here, other) = (env.project(), env.root().join("elsewhere/deep"));
    let ran = Counts {
        ran: units,
        again: 0,
        cached: 0,
        fresh: 0,
    };
    assert_eq!(build(&here, &[]), ran);
    assert_eq!(env.run_program("debug/app"), expected);

    let fresh = Counts {
        ran: 0,
        again: 0,
        cached: 0,
        fresh: units,
    };
    let cached = Counts {
        ran: 0,
        again: 0,
        cached: units,
        fresh: 0,
    };
    assert_eq!(build(&here, &[]), fresh);
    assert_eq!(build(&here, &["--offline"]), cached);
    copy_directory(&here, &other);
    let started = env.started();
    assert_eq!(build(&other, &["--offline"]), cached);
    assert_eq!(env.started(), started, "a second checkout starts nothing");
    assert_eq!(env.run_program_in(&other, "debug/app"), expected);
    assert_eq!(build(&other, &["--offline", "--release"]), ran);
    expected
}

#[test]
fn a_commit_of_a_git_repository() {
    let env = project("", "fn main() { println!(\"{} {}\", dep::NAME, dep::place()); }\n");
    let dep = repository(&env, "dep.git");
    let lib = "pub const NAME: &str = env!(\"CARGO_PKG_NAME\");\npub fn place() -> u32 { line!() }\n";
    let first = dep.commit(&[
        ("Cargo.toml", "[package]\nname = \"dep\"\nversion = \"0.1.0\"\n"),
        ("src/lib.rs", lib),
    ]);
    dep.commit(&[("src/lib.rs", "compile_error!(\"another commit\");")]);
    let dependency = format!("dep = {{ git = \"{}\", rev = \"{first}\" }}\n", dep.url());
    env.write("Cargo.toml", &format!("{MANIFEST}{dependency}"));
    assert_eq!(assert_built_as_by_cargo(&env, 2), "dep 2\n");
}

#[test]
fn a_tag_a_branch_and_the_default_branch() {
    let env = project(
        "",
        "fn main() { println!(\"{} {} {}\", tagged::SAID, branched::SAID, plain::SAID); }\n",
    );
    let mut dependencies = String::new();
    for (name, reference) in [
        ("tagged", ", tag = \"v1.0\""),
        ("branched", ", branch = \"feature/a#b\""),
        ("plain", ""),
    ] {
        let dep = repository(&env, name);
        let commit = |said: &str| {
            let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
            let lib = format!("pub const SAID: &str = \"{said}\";\n");
            dep.commit(&[("Cargo.toml", &manifest), ("src/lib.rs", &lib)]);
        };
        commit("first");
        dep.git(&["tag", "v1.0"]);
        dep.git(&["checkout", "--quiet", "-b", "feature/a#b"]);
        commit("on a branch");
        dep.git(&["checkout", "--quiet", "main"]);
        commit("last");
        dependencies += &format!("{name} = {{ git = \"{}\"{reference} }}\n", dep.url());
    }
    env.write("Cargo.toml", &format!("{MANIFEST}{dependencies}"));
    assert_eq!(assert_built_as_by_cargo(&env, 4), "first on a branch last\n");
}

#[test]
fn the_lock_file_pins_a_branch() {
    let env = project("", "fn main() { println!(\"{}\", dep::SAID); }\n");
    let dep = repository(&env, "dep");
    let say = |said: &str| {
        let lib = format!("pub const SAID: &str = \"{said}\";\n");
        dep.commit(&[
            ("Cargo.toml", "[package]\nname = \"dep\"\nversion = \"0.1.0\"\n"),
            ("src/lib.rs", &lib),
        ]);
    };
    say("first");
    env.write(
        "Cargo.toml",
        &format!("{MANIFEST}dep = {{ git = \"{}\" }}\n", dep.url()),
    );
    // There is no lock file yet.
    assert_eq!(env.build(&[]).ran, 2);
    assert_eq!(env.run_program("debug/app"), "first\n");
    say("second");
    env.replace("src/main.rs", "println!(\"{}\"", "println!(\"{}!\"");
    assert_eq!(env.build(&["--locked"]).ran, 1);
    assert_eq!(env.run_program("debug/app"), "first!\n");
    env.vx(["kill"]).run().success();
    env.cargo(["update", "--quiet"]).run().success();
    assert_eq!(env.build(&["--locked"]).ran, 2);
    assert_eq!(env.run_program("debug/app"), "second!\n");
    env.replace("Cargo.toml", "git = ", "branch = \"main\", git = ");
    let outcome = env.vx(["build", "--locked"]).run().code(101);
    assert!(outcome.stderr.contains("--locked"), "{outcome}");
}

/// A repository with a workspace: `top` takes from it what it says, and uses `below/inner` and a submodule.
fn workspace_in_a_repository(env: &TestEnv) -> Repository {
    let text = repository(env, "text");
    text.commit(&[("text.txt", "text of a submodule")]);
    let dep = repository(env, "dep");
    dep.add_submodule(&text, "top/text");
    dep.commit(&[
        (
            "Cargo.toml",
            "[workspace]\nmembers = [\"top\", \"below/inner\"]\nresolver = \"3\"\n\
             [workspace.package]\nversion = \"1.2.3\"\nedition = \"2024\"\nauthors = [\"Ada\"]\n\
             [workspace.dependencies]\ninner = { path = \"below/inner\", features = [\"loud\"] }\n\
             [workspace.lints.rust]\nunused = \"deny\"\n",
        ),
        (
            "top/Cargo.toml",
            "[package]\nname = \"top\"\nversion.workspace = true\nedition.workspace = true\nauthors.workspace = true\n\
             [dependencies]\ninner.workspace = true\n[lints]\nworkspace = true\n",
        ),
        (
            "top/build.rs",
            "fn main() {\n    \
                 println!(\"cargo:rerun-if-changed=text/text.txt\");\n    \
                 let head = std::process::Command::new(\"git\").args([\"rev-parse\", \"HEAD\"]).output().unwrap();\n    \
                 let head = String::from_utf8(head.stdout).unwrap();\n    \
                 println!(\"cargo:rustc-env=HEAD={}\", head.trim());\n    \
                 let text = std::fs::read_to_string(\"text/text.txt\").unwrap();\n    \
                 std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/text\", text.to_uppercase()).unwrap();\n}\n",
        ),
        (
            "top/src/lib.rs",
            "pub use inner::said;\n\
             pub fn about() -> String {\n    \
                 let fixed = concat!(env!(\"CARGO_PKG_VERSION\"), \" \", env!(\"CARGO_PKG_AUTHORS\"), \" \", env!(\"HEAD\"));\n    \
                 let text = include_str!(concat!(env!(\"OUT_DIR\"), \"/text\"));\n    \
                 format!(\"{fixed} {text} {}\", include_str!(\"../../shared.txt\"))\n}\n",
        ),
        ("shared.txt", "beside the packages"),
        (
            "below/inner/Cargo.toml",
            "[package]\nname = \"inner\"\nversion.workspace = true\nedition.workspace = true\n[features]\nloud = []\n",
        ),
        (
            "below/inner/src/lib.rs",
            "pub fn said() -> &'static str { if cfg!(feature = \"loud\") { \"LOUD\" } else { \"quiet\" } }\n",
        ),
    ]);
    dep
}

fn project_with_workspace_of_git() -> (TestEnv, Repository) {
    let env = project("", "fn main() { println!(\"{} {}\", top::about(), top::said()); }\n");
    let dep = workspace_in_a_repository(&env);
    env.write(
        "Cargo.toml",
        &format!("{MANIFEST}top = {{ git = \"{}\" }}\n", dep.url()),
    );
    (env, dep)
}

#[test]
fn a_workspace_in_a_repository_with_a_submodule() {
    let (env, dep) = project_with_workspace_of_git();
    let head = dep.git(&["rev-parse", "HEAD"]);
    let said = assert_built_as_by_cargo(&env, 5);
    let expected = format!(
        "1.2.3 Ada {} TEXT OF A SUBMODULE beside the packages LOUD\n",
        head.trim()
    );
    assert_eq!(said, expected);
}

#[test]
fn a_second_home_needs_no_repository() {
    let (env, dep) = project_with_workspace_of_git();
    let first = env.counted(&[]);
    std::fs::remove_dir_all(dep.directory().parent().unwrap()).unwrap();
    let said = env.run_program("debug/app");
    env.vx(["kill"]).run().success();
    // The store and the packages go; the downloads stay.
    std::fs::remove_dir_all(env.home()).unwrap();
    std::fs::remove_dir_all(env.root().join("user/.cargo")).unwrap();
    assert_eq!(env.build(&["--locked"]).ran, first.counts().ran);
    assert_eq!(env.run_program("debug/app"), said);
}

#[test]
fn emptied_downloads_are_fetched_again() {
    let (env, _dep) = project_with_workspace_of_git();
    env.build(&[]);
    std::fs::remove_dir_all(env.root().join("downloads")).unwrap();
    std::fs::remove_dir_all(env.root().join("user/.cargo")).unwrap();
    // Another plan, of the same packages.
    let counts = env.build(&["--locked", "--release"]);
    assert_eq!((counts.ran, counts.units()), (5, 5));
}

#[test]
fn a_stale_lock_file_is_mended_without_another_look_at_the_repository() {
    let (env, dep) = project_with_workspace_of_git();
    env.build(&[]);
    std::fs::remove_dir_all(dep.directory()).unwrap();
    std::fs::remove_dir_all(env.root().join("user/.cargo")).unwrap();
    env.replace("Cargo.toml", "0.1.0", "0.2.0");
    assert_eq!(env.build(&["--offline"]).ran, 1);
}

#[test]
fn a_repository_that_is_gone_is_told_by_its_address() {
    let (env, dep) = project_with_workspace_of_git();
    env.cargo(["generate-lockfile", "--quiet"]).run().success();
    std::fs::remove_dir_all(dep.directory()).unwrap();
    let outcome = env.vx(["build"]).env("CARGO_NET_RETRY", "0").run().code(5);
    assert!(outcome.stderr.contains(&dep.url()), "{outcome}");
    assert_eq!(env.started(), 0);
    let outcome = env.vx(["build", "--offline"]).run().code(5);
    assert!(outcome.stderr.contains("offline"), "{outcome}");
}

#[test]
fn many_homes_at_once_fetch_into_one_cache() {
    let (env, _dep) = project_with_workspace_of_git();
    env.cargo(["generate-lockfile", "--quiet"]).run().success();
    let others: Vec<TestEnv> = (0..3)
        .map(|_| {
            let other = TestEnv::new().with_downloads_of(&env);
            copy_directory(&env.project(), &other.project());
            other
        })
        .collect();
    let builds: Vec<_> = others
        .iter()
        .map(|other| other.vx(["build", "--locked"]).into_command())
        .collect();
    let children: Vec<_> = builds
        .into_iter()
        .map(|mut build| build.stderr(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let said: Vec<String> = others.iter().map(|other| other.run_program("debug/app")).collect();
    assert!(
        said.iter().all(|text| *text == said[0] && text.contains("LOUD")),
        "{said:?}"
    );
}

#[test]
fn sources_of_git_are_never_altered() {
    let (env, _dep) = project_with_workspace_of_git();
    env.build(&[]);
    let packages = env.home().join("packages");
    let commit = packages
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().into_path())
        .next()
        .unwrap();
    assert!(commit.file_name().unwrap().starts_with("dep-"), "{commit}");
    for file in ["shared.txt", "top/src/lib.rs", "top/text/text.txt"] {
        assert!(commit.join(file).metadata().unwrap().permissions().readonly(), "{file}");
    }
}

#[test]
fn places_in_programs_are_named_as_by_cargo() {
    let env = project("", "fn main() { println!(\"{}\", dep::place()); }\n");
    let dep = repository(&env, "dep");
    dep.commit(&[
        ("Cargo.toml", "[package]\nname = \"dep\"\nversion = \"0.1.0\"\n"),
        ("src/lib.rs", "pub fn place() -> &'static str { file!() }\n"),
    ]);
    env.write(
        "Cargo.toml",
        &format!("{MANIFEST}dep = {{ git = \"{}\" }}\n", dep.url()),
    );
    let said = env.cargo(["run", "--quiet"]).run().success().stdout;
    let (_, below_checkouts) = said.split_once("/git/checkouts/").unwrap();
    env.build(&["--locked"]);
    assert_eq!(env.run_program("debug/app"), below_checkouts);
}

#[test]
fn a_patch_by_git_and_one_that_nothing_uses() {
    let env = project("", "fn main() { println!(\"{}\", dep::SAID); }\n");
    let patched = repository(&env, "patched");
    let lib = |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
    patched.commit(&[
        ("Cargo.toml", &lib("dep")),
        ("src/lib.rs", "pub const SAID: &str = \"patched\";\n"),
    ]);
    let unused = repository(&env, "unused");
    unused.commit(&[("Cargo.toml", &lib("other")), ("src/lib.rs", "")]);
    let registry = TestRegistry::start();
    registry.publish(
        "dep",
        "0.1.0",
        &[],
        &[("src/lib.rs", "pub const SAID: &str = \"published\";\n")],
    );
    env.write(
        ".cargo/config.toml",
        &format!("[registries.local]\nindex = \"{}\"\n", registry.index()),
    );
    let manifest = format!(
        "{MANIFEST}dep = {{ version = \"0.1\", registry = \"local\" }}\n[patch.local]\n\
         dep = {{ git = \"{}\" }}\nother = {{ git = \"{}\" }}\n",
        patched.url(),
        unused.url()
    );
    env.write("Cargo.toml", &manifest);
    assert_eq!(assert_built_as_by_cargo(&env, 2), "patched\n");
}

/// A registry with `greet`, which uses `words`.
fn publish_words(registry: &TestRegistry) {
    registry.publish(
        "words",
        "1.0.0",
        &[],
        &[("src/lib.rs", "pub const HELLO: &str = \"hello\";\n")],
    );
    let greet =
        "pub fn greet() -> String { format!(\"{} from {}\", words::HELLO, file!().rsplit_once('/').unwrap().1) }\n";
    registry.publish("greet", "1.1.0", &["words"], &[("src/lib.rs", greet)]);
}

const GREETING: &str = "fn main() { println!(\"{}\", greet::greet()); }\n";

fn project_of_registry(registry: &TestRegistry) -> TestEnv {
    publish_words(registry);
    let env = project("greet = { version = \"1\", registry = \"our-own\" }\n", GREETING);
    let config = format!(
        "[registries.our-own]\nindex = \"{}\"\n[registry]\nglobal-credential-providers = [\"cargo:token\"]\n",
        registry.index()
    );
    env.write(".cargo/config.toml", &config);
    env
}

#[test]
fn another_registry() {
    let registry = TestRegistry::start();
    let env = project_of_registry(&registry);
    assert_eq!(assert_built_as_by_cargo(&env, 3), "hello from lib.rs\n");
    // Once for cargo, once for vx.
    assert_eq!((registry.downloads("greet"), registry.downloads("words")), (2, 2));
}

#[test]
fn a_package_that_only_a_feature_asks_for() {
    let registry = TestRegistry::start();
    let env = project_of_registry(&registry);
    env.replace("Cargo.toml", "greet = {", "greet = { optional = true,");
    env.write(
        "src/main.rs",
        "fn main() {\n#[cfg(feature = \"greet\")]\nprintln!(\"{}\", greet::greet());\n}\n",
    );
    for (arguments, units, said) in [
        (&[][..], 1, ""),
        (&["--features", "greet"], 3, "hello from lib.rs\n"),
        (&["--all-features"], 0, "hello from lib.rs\n"),
    ] {
        assert_eq!(env.build(arguments).ran, units, "{arguments:?}");
        assert_eq!(env.run_program("debug/app"), said);
    }
}

#[test]
fn a_missing_lock_file_is_made() {
    let registry = TestRegistry::start();
    let env = project_of_registry(&registry);
    assert_eq!(env.build(&[]).ran, 3);
    assert_eq!(env.run_program("debug/app"), "hello from lib.rs\n");
    let lock = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    assert!(lock.contains(&format!("source = \"{}\"", registry.index())), "{lock}");
    env.cargo(["build", "--quiet", "--locked"]).run().success();
}

#[test]
fn a_stale_lock_file_is_refused_when_it_must_not_change() {
    let registry = TestRegistry::start();
    let env = project_of_registry(&registry);
    env.cargo(["generate-lockfile", "--quiet"]).run().success();
    registry.publish("greet", "2.0.0", &[], &[("src/lib.rs", "")]);
    env.replace("Cargo.toml", "version = \"1\"", "version = \"2\"");
    let before = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    let outcome = env.vx(["build", "--locked"]).run().code(101);
    assert!(outcome.stderr.contains("--locked"), "{outcome}");
    let after = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    assert_eq!(after, before);
    assert_eq!(env.started(), 0);
}

#[test]
fn a_damaged_download_is_fetched_again() {
    let registry = TestRegistry::start();
    let env = project_of_registry(&registry);
    env.build(&[]);
    let asked = (registry.downloads("greet"), registry.downloads("words"));
    damage_downloads(&env.root().join("downloads/sha256"));
    let other = TestEnv::new().with_downloads_of(&env);
    copy_directory(&env.project(), &other.project());
    assert_eq!(other.build(&["--locked"]).ran, 3);
    assert_eq!(other.run_program("debug/app"), "hello from lib.rs\n");
    let asked_again = (registry.downloads("greet"), registry.downloads("words"));
    assert_eq!(asked_again, (asked.0 + 1, asked.1 + 1));
}

/// Changes one byte of every file in a directory of directories.
fn damage_downloads(directory: &Utf8Path) {
    let entries = |directory: &Utf8Path| directory.read_dir_utf8().unwrap().map(Result::unwrap);
    for file in entries(directory).flat_map(|below| entries(below.path())) {
        let mut content = std::fs::read(file.path()).unwrap();
        content[0] ^= 1;
        std::fs::remove_file(file.path()).unwrap();
        std::fs::write(file.path(), content).unwrap();
    }
}

#[test]
fn a_registry_that_asks_who_you_are() {
    let registry = TestRegistry::with_token("Bearer sesame");
    let env = project_of_registry(&registry);
    let token = [("CARGO_REGISTRIES_OUR_OWN_TOKEN", "Bearer sesame")];
    env.cargo(["generate-lockfile", "--quiet"])
        .env(token[0].0, token[0].1)
        .run()
        .success();
    let outcome = env.vx(["build", "--locked"]).run().code(5);
    assert!(outcome.stderr.contains("token"), "{outcome}");
    assert_eq!(env.started(), 0);
    assert_eq!(assert_built_with(&env, 3, &token), "hello from lib.rs\n");
    assert_eq!((registry.downloads("greet"), registry.downloads("words")), (2, 2));
}

#[test]
fn a_token_in_the_file_of_credentials() {
    let registry = TestRegistry::with_token("sesame");
    let env = project_of_registry(&registry);
    let credentials = "[registries.our-own]\ntoken = \"sesame\"\n";
    files::write(&env.root().join("user/.cargo/credentials.toml"), credentials);
    // The lock file is made with it, too.
    assert_eq!(env.build(&[]).ran, 3);
    assert_eq!(env.run_program("debug/app"), "hello from lib.rs\n");
}

#[test]
fn one_cache_serves_a_second_home() {
    let registry = TestRegistry::start();
    let env = project_of_registry(&registry);
    env.build(&[]);
    let requests = registry.requests();
    let other = TestEnv::new().with_downloads_of(&env);
    copy_directory(&env.project(), &other.project());
    assert_eq!(other.build(&["--locked"]).ran, 3);
    assert_eq!(registry.requests(), requests);
}

#[test]
fn a_mirror_instead_of_the_official_registry() {
    let registry = TestRegistry::start();
    publish_words(&registry);
    registry.publish(
        "greet",
        "1.1.0",
        &[],
        &[("src/lib.rs", "pub fn greet() -> &'static str { \"mirrored\" }\n")],
    );
    let env = project("greet = \"1\"\n", GREETING);
    let config = format!(
        "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"{}\"\n",
        registry.index()
    );
    env.write(".cargo/config.toml", &config);
    assert_eq!(assert_built_as_by_cargo(&env, 2), "mirrored\n");
}

#[test]
fn a_local_registry() {
    let registry = TestRegistry::start();
    let said = "pub fn greet() -> &'static str { \"local\" }\n";
    let env = project("greet = \"1\"\n", GREETING);
    registry
        .publish("greet", "1.1.0", &[], &[("src/lib.rs", said)])
        .put_into(&env.project().join("archives"));
    let config = "[source.crates-io]\nreplace-with = \"archives\"\n[source.archives]\nlocal-registry = \"archives\"\n";
    env.write(".cargo/config.toml", config);
    assert_eq!(assert_built_as_by_cargo(&env, 2), "local\n");
    assert_eq!(registry.requests(), 0);
}

/// A project whose packages of a registry and of git `cargo vendor` has put into `vendor`; nothing else is left of them.
fn vendored_project() -> TestEnv {
    let registry = TestRegistry::start();
    let env = project_of_registry(&registry);
    let dep = workspace_in_a_repository(&env);
    let dependencies = format!(
        "greet = {{ version = \"1\", registry = \"our-own\" }}\ninner = {{ git = \"{}\" }}\n",
        dep.url()
    );
    env.write("Cargo.toml", &format!("{MANIFEST}{dependencies}"));
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{} {}\", greet::greet(), inner::said()); }\n",
    );
    let config = env.cargo(["vendor"]).run().success().stdout;
    let registries = std::fs::read_to_string(env.project().join(".cargo/config.toml")).unwrap();
    env.write(".cargo/config.toml", &format!("{registries}{config}"));
    std::fs::remove_dir_all(env.root().join("repositories")).unwrap();
    std::fs::remove_dir_all(env.root().join("reference")).unwrap();
    env
}

#[test]
fn vendored_packages() {
    let env = vendored_project();
    assert_eq!(assert_built_as_by_cargo(&env, 4), "hello from lib.rs quiet\n");
    assert!(
        !env.project()
            .join("vendor/greet/Cargo.toml")
            .metadata()
            .unwrap()
            .permissions()
            .readonly()
    );
}

#[test]
fn an_edited_vendored_file_is_refused_by_name() {
    let env = vendored_project();
    env.build(&[]);
    env.replace("vendor/words/src/lib.rs", "hello", "goodbye");
    let outcome = env.vx(["build"]).run().code(101);
    assert!(outcome.stderr.contains("vendor/words/src/lib.rs"), "{outcome}");
}

#[test]
fn vendored_files_without_checksums_may_be_edited() {
    let env = vendored_project();
    let package = std::fs::read_to_string(env.project().join("vendor/words/.cargo-checksum.json")).unwrap();
    let (_, package) = package.rsplit_once("\"package\":").unwrap();
    env.write(
        "vendor/words/.cargo-checksum.json",
        &format!("{{\"files\":{{}},\"package\":{package}"),
    );
    env.build(&[]);
    assert_eq!(env.run_program("debug/app"), "hello from lib.rs quiet\n");
    let other = env.checkout("other");
    env.replace("vendor/words/src/lib.rs", "hello", "goodbye");
    assert_eq!(env.build(&[]).ran, 3);
    assert_eq!(env.run_program("debug/app"), "goodbye from lib.rs quiet\n");
    // Another checkout has other files.
    assert_eq!(env.build_in(&other, &[]).ran, 0);
    assert_eq!(env.run_program_in(&other, "debug/app"), "hello from lib.rs quiet\n");
    env.replace("vendor/words/src/lib.rs", "goodbye", "hello");
    assert_eq!(env.build(&[]).ran, 0);
    assert_eq!(env.run_program("debug/app"), "hello from lib.rs quiet\n");
}

#[test]
fn a_path_in_another_workspace() {
    let env = project("", "fn main() { println!(\"{}\", inner::SAID); }\n");
    let beside = |path: &str, text: &str| files::write(&env.root().join("beside").join(path), text);
    beside(
        "Cargo.toml",
        "[workspace]\nmembers = [\"inner\"]\n[workspace.package]\nversion = \"3.2.1\"\n",
    );
    beside(
        "inner/Cargo.toml",
        "[package]\nname = \"inner\"\nversion.workspace = true\n",
    );
    beside(
        "inner/src/lib.rs",
        "pub const SAID: &str = env!(\"CARGO_PKG_VERSION\");\n",
    );
    env.write(
        "Cargo.toml",
        &format!("{MANIFEST}inner = {{ path = \"../beside/inner\" }}\n"),
    );
    let expected = env.cargo(["run", "--quiet"]).run().success().stdout;
    assert_eq!(env.build(&["--locked"]).ran, 2);
    assert_eq!(env.run_program("debug/app"), expected);
    beside(
        "Cargo.toml",
        "[workspace]\nmembers = [\"inner\"]\n[workspace.package]\nversion = \"3.2.2\"\n",
    );
    assert_eq!(env.build(&[]).ran, 2);
    assert_eq!(env.run_program("debug/app"), "3.2.2\n");
}

#[test]
fn after_a_fetch_a_build_needs_neither_the_registry_nor_the_repository() {
    let env = project("", "fn main() { println!(\"{} {}\", served::SAID, cloned::SAID); }\n");
    let registry = TestRegistry::start();
    registry.publish(
        "served",
        "1.0.0",
        &[],
        &[("src/lib.rs", "pub const SAID: &str = \"from the registry\";\n")],
    );
    let repository = repository(&env, "cloned");
    repository.commit(&[
        ("Cargo.toml", "[package]\nname = \"cloned\"\nversion = \"0.1.0\"\n"),
        ("src/lib.rs", "pub const SAID: &str = \"from git\";\n"),
    ]);
    let config = format!("[registries.local]\nindex = \"{}\"\n", registry.index());
    env.write(".cargo/config.toml", &config);
    let dependencies = format!(
        "served = {{ version = \"1\", registry = \"local\" }}\ncloned = {{ git = \"{}\" }}\n",
        repository.url()
    );
    env.write("Cargo.toml", &format!("{MANIFEST}{dependencies}"));
    env.vx(["fetch"]).run().success();
    assert!(env.project().join("Cargo.lock").exists());
    assert!(!env.project().join(".vx").exists(), "nothing is built");

    drop(registry);
    std::fs::remove_dir_all(env.root().join("repositories")).unwrap();
    assert_eq!(env.build(&["--offline", "--locked"]).ran, 3);
    assert_eq!(env.run_program("debug/app"), "from the registry from git\n");
}
