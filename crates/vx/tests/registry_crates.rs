//! Packages of the registry: downloaded and verified by vx, shared between homes through the download cache.
//!
//! The versions are those of the committed lock file, so each is fetched once for all tests; see `nextest.toml`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use camino::{Utf8Path, Utf8PathBuf};
use harness::{Counts, TestEnv, download_cache};

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
            again: 0,
            cached: 0,
            fresh: first.units()
        }
    );

    let other = env.checkout("elsewhere/deep");
    assert_eq!(
        env.build_in(&other, &["--locked"]),
        Counts {
            ran: 0,
            again: 0,
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
    assert_eq!(env.build(&["--locked", "-p", "itoa"]).ran, 1);
    let other = env.root().join("other");
    std::fs::create_dir_all(other.join("src")).unwrap();
    let write = |path: &str, text: String| std::fs::write(other.join(path), text).unwrap();
    let package = "name = \"other\"\nversion = \"0.1.0\"\n";
    write(
        "Cargo.toml",
        format!("[package]\n{package}edition = \"2024\"\n[dependencies]\nitoa = \"=1.0.15\"\n"),
    );
    write(
        "src/main.rs",
        "fn main() { println!(\"{}\", itoa::Buffer::new().format(7)); }\n".to_owned(),
    );
    let itoa = format!(
        "name = \"itoa\"\nversion = \"1.0.15\"\n\
         source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{}\"\n",
        checksum_of_itoa(&env)
    );
    let other_in_lock = format!("{package}dependencies = [\n \"itoa\",\n]\n");
    write(
        "Cargo.lock",
        format!("version = 4\n\n[[package]]\n{itoa}\n[[package]]\n{other_in_lock}"),
    );
    assert_eq!(env.build_in(&other, &["--locked"]).ran, 1);
    assert_eq!(env.run_program_in(&other, "debug/other"), "7\n");
}

#[test]
fn a_new_home_needs_no_network_when_the_downloads_are_there() {
    fetch_everything();
    let env = TestEnv::with_fixture("registry_crates");
    let build = env.vx(["build", "--locked", "--offline", "-p", "itoa"]);
    assert_eq!(build.env(NO_NETWORK.0, NO_NETWORK.1).run().success().counts().ran, 1);
}

/// Makes sure that every package of the fixture is in the shared download cache: all are fetched, one is built.
fn fetch_everything() {
    let env = TestEnv::with_fixture("registry_crates");
    assert_eq!(env.build(&["--locked", "-p", "itoa"]).ran, 1);
}

/// The checksum of itoa in the lock file of the project.
fn checksum_of_itoa(env: &TestEnv) -> String {
    let lock = std::fs::read_to_string(env.project().join("Cargo.lock")).unwrap();
    let (_, itoa) = lock.split_once("name = \"itoa\"").unwrap();
    let (_, checksum) = itoa.split_once("checksum = \"").unwrap();
    checksum[..64].to_owned()
}

/// The files in `directory` that are named by a hash, and nothing that is only there for a moment.
fn downloads_in(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for entry in directory.read_dir_utf8().unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if entry.file_type().unwrap().is_dir() {
            found.extend(downloads_in(entry.path()));
        } else if name.len() >= 62 && name.bytes().all(|letter| letter.is_ascii_hexdigit()) {
            found.push(entry.into_path());
        }
    }
    found
}

/// A download cache of this test's own, filled from the shared one; itoa in it is damaged.
fn downloads_with_a_damaged_itoa(env: &TestEnv) -> Utf8PathBuf {
    fetch_everything();
    let shared = Utf8PathBuf::from_path_buf(download_cache()).unwrap();
    let own = env.root().join("downloads");
    for file in downloads_in(&shared.join("sha256")) {
        let copy = own.join(file.strip_prefix(&shared).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(file, copy).unwrap();
    }
    let checksum = checksum_of_itoa(env);
    let is_itoa = |file: &Utf8PathBuf| file.as_str().replace('/', "").ends_with(&checksum);
    let itoa = downloads_in(&own)
        .into_iter()
        .find(is_itoa)
        .expect("itoa is in the cache");
    damage(&itoa);
    own
}

fn damage(file: &Utf8Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_missing_download_without_network_is_told_by_name() {
    let env = TestEnv::with_fixture("registry_crates");
    let downloads = downloads_with_a_damaged_itoa(&env);
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
