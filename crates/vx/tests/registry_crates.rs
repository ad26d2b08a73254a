//! Packages of the registry: downloaded and verified by vx, shared between homes through the download cache.
//!
//! The versions are those of the committed lock file, so each is fetched once for all tests; see `nextest.toml`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use camino::Utf8PathBuf;
use harness::{Counts, TestEnv, copy_directory, download_cache};

const EXPECTED: &str = "{\"number\":\"42\",\"int_size\":4,\"system\":\"unix\"}\n";

/// Nobody listens there, so whoever wants the network fails at once.
const NO_NETWORK: (&str, &str) = ("HTTPS_PROXY", "http://127.0.0.1:9");

#[test]
fn crates_with_scripts_and_macros_are_built_once() {
    let env = TestEnv::with_fixture("registry_crates");
    let first = env.build(&["--locked"]);
    assert_eq!((first.cached, first.fresh), (0, 0));
    assert_eq!(env.run_program("debug/registry_crates"), EXPECTED);
    assert_eq!(
        env.build(&["--locked"]),
        Counts {
            ran: 0,
            cached: 0,
            fresh: first.units()
        }
    );

    let other = env.checkout("elsewhere/deep");
    assert_eq!(
        env.build_in(&other, &["--locked"]),
        Counts {
            ran: 0,
            cached: first.units(),
            fresh: 0
        }
    );
    assert_eq!(env.run_program_in(&other, "debug/registry_crates"), EXPECTED);

    env.replace("src/main.rs", "format(42)", "format(43)");
    assert_eq!(env.build(&["--locked"]).ran, 1);
    assert_eq!(env.run_program("debug/registry_crates"), EXPECTED.replace("42", "43"));
}

#[test]
fn an_unrelated_project_shares_the_compiled_crates() {
    let env = TestEnv::with_fixture("registry_crates");
    env.build(&["--locked"]);
    let other = env.root().join("other");
    copy_directory(&env.project(), &other);
    std::fs::write(
        other.join("src/main.rs"),
        "fn main() { println!(\"{}\", itoa::Buffer::new().format(7)); }\n",
    )
    .unwrap();
    assert_eq!(env.build_in(&other, &["--locked"]).ran, 1);
    assert_eq!(env.run_program_in(&other, "debug/registry_crates"), "7\n");
}

#[test]
fn a_new_home_needs_no_network_when_the_downloads_are_there() {
    let first = TestEnv::with_fixture("registry_crates");
    first.build(&["--locked", "-p", "itoa", "-p", "cfg-if"]);
    drop(first);
    fetch_everything();

    let second = TestEnv::with_fixture("registry_crates");
    second
        .vx(["build", "--locked", "--offline"])
        .env(NO_NETWORK.0, NO_NETWORK.1)
        .run()
        .success();
    assert_eq!(second.run_program("debug/registry_crates"), EXPECTED);
}

/// Makes sure that every package of the fixture is in the shared download cache.
fn fetch_everything() {
    TestEnv::with_fixture("registry_crates").build(&["--locked"]);
}

/// A download cache of this test's own, filled from the shared one.
fn own_downloads(env: &TestEnv) -> Utf8PathBuf {
    fetch_everything();
    let own = env.root().join("downloads");
    copy_directory(&Utf8PathBuf::from_path_buf(download_cache()).unwrap(), &own);
    own
}

/// The file in `directory` whose name is the checksum of itoa in the lock file of `env`.
fn download_of_itoa(env: &TestEnv, directory: &camino::Utf8Path) -> Utf8PathBuf {
    let lock = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    let (_, itoa) = lock.split_once("name = \"itoa\"").unwrap();
    let (_, checksum) = itoa.split_once("checksum = \"").unwrap();
    let checksum = checksum.split('"').next().unwrap();
    find(directory, checksum).unwrap_or_else(|| panic!("{checksum} is not in {directory}"))
}

fn find(directory: &camino::Utf8Path, name: &str) -> Option<Utf8PathBuf> {
    directory
        .read_dir_utf8()
        .unwrap()
        .map(Result::unwrap)
        .find_map(|entry| match entry.file_type().unwrap() {
            kind if kind.is_dir() => find(entry.path(), name),
            _ => entry.file_name().starts_with(name).then(|| entry.path().to_owned()),
        })
}

fn damage(file: &camino::Utf8Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_download_is_fetched_again() {
    let env = TestEnv::with_fixture("registry_crates");
    let downloads = own_downloads(&env);
    damage(&download_of_itoa(&env, &downloads));
    env.vx(["build", "--locked"])
        .env("VX_DOWNLOAD_CACHE_DIR", &downloads)
        .run()
        .success();
    assert_eq!(env.run_program("debug/registry_crates"), EXPECTED);
}

#[test]
fn a_missing_download_without_network_is_told_by_name() {
    let env = TestEnv::with_fixture("registry_crates");
    let downloads = own_downloads(&env);
    damage(&download_of_itoa(&env, &downloads));
    let build = env.vx(["build", "--locked", "--offline"]);
    let outcome = build.env("VX_DOWNLOAD_CACHE_DIR", &downloads).run().code(5);
    assert!(outcome.stderr.contains("itoa"), "{outcome}");
    assert_eq!(env.started(), 0, "nothing is built with half of the packages");
}

#[test]
fn a_package_that_is_not_what_the_lock_file_says_is_refused() {
    let env = TestEnv::with_fixture("registry_crates");
    let lock = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    let (before, itoa) = lock.split_once("name = \"itoa\"").unwrap();
    let (head, tail) = itoa.split_once("checksum = \"").unwrap();
    let wrong = "0".repeat(64);
    env.write(
        "Cargo.lock",
        &format!("{before}name = \"itoa\"{head}checksum = \"{wrong}{}", &tail[64..]),
    );
    let outcome = env.vx(["build", "--locked"]).run().code(5);
    assert!(outcome.stderr.contains("itoa"), "{outcome}");
    assert_eq!(env.started(), 0);
}

#[test]
fn a_missing_lock_file_is_made() {
    let env = TestEnv::new();
    env.write(
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nitoa = \"=1.0.15\"\n",
    );
    env.write(
        "src/main.rs",
        "fn main() { println!(\"{}\", itoa::Buffer::new().format(5)); }\n",
    );
    assert_eq!(env.build(&[]).ran, 2);
    assert_eq!(env.run_program("debug/app"), "5\n");
    let lock = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    assert!(
        lock.contains("name = \"itoa\"\nversion = \"1.0.15\"\nsource = \"registry+"),
        "{lock}"
    );
}

#[test]
fn a_stale_lock_file_is_refused_when_it_must_not_change() {
    let env = TestEnv::with_fixture("registry_crates");
    env.replace("Cargo.toml", "itoa = \"=1.0.15\"", "itoa = \"=1.0.14\"");
    let before = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    let outcome = env.vx(["build", "--locked"]).run().code(101);
    assert!(outcome.stderr.contains("--locked"), "{outcome}");
    assert_eq!(
        std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap(),
        before
    );
    assert_eq!(env.started(), 0);
}

#[test]
fn what_is_not_supported_is_refused_by_name_before_anything_runs() {
    let manifest = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\n";
    let lock = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"gitted\",\n]\n\n\
                [[package]]\nname = \"gitted\"\nversion = \"0.1.0\"\nsource = \"";
    let git = "git+https://example.org/gitted?rev=0123456789012345678901234567890123456789\
               #0123456789012345678901234567890123456789\"\n";
    let other_registry = "sparse+https://example.org/index/\"\n";
    let cases = [
        (
            "gitted = { git = \"https://example.org/gitted\", rev = \"0123456789012345678901234567890123456789\" }\n",
            git,
            "git",
        ),
        (
            "gitted = { version = \"0.1\", registry = \"other\" }\n",
            other_registry,
            "registry",
        ),
    ];
    for (dependency, source, named) in cases {
        let env = TestEnv::new();
        env.write("Cargo.toml", &format!("{manifest}{dependency}"));
        env.write("Cargo.lock", &format!("{lock}{source}"));
        env.write("src/main.rs", "fn main() {}\n");
        env.write(
            ".cargo/config.toml",
            "[registries.other]\nindex = \"sparse+https://example.org/index/\"\n",
        );
        let outcome = env.vx(["build"]).env(NO_NETWORK.0, NO_NETWORK.1).run().code(3);
        assert!(outcome.stderr.contains("gitted"), "{outcome}");
        assert!(outcome.stderr.contains(named), "{outcome}");
        assert_eq!(env.started(), 0);
    }
}
