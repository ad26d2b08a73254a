//! The test profiles themselves: that nextest finds its configuration, and that each profile is what it says.
//!
//! nextest takes a missing configuration for an empty one: without this, leaks and hangs would pass in silence.

mod harness;

use std::path::Path;

use harness::{TestEnv, download_cache, is_uds_profile};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn nextest_finds_the_configuration_at_the_top() {
    let link = Path::new(REPOSITORY).join(".config/nextest.toml");
    assert_eq!(
        std::fs::read_link(&link).expect("a symbolic link"),
        Path::new("../nextest.toml")
    );
    let behind = std::fs::read_to_string(&link).expect("the link does not dangle");
    assert_eq!(
        behind,
        std::fs::read_to_string(Path::new(REPOSITORY).join("nextest.toml")).unwrap()
    );
}

#[test]
fn leaks_hangs_and_flaky_tests_fail_in_both_profiles() {
    let text = std::fs::read_to_string(Path::new(REPOSITORY).join("nextest.toml")).unwrap();
    let configuration: toml::Table = text.parse().unwrap();
    let default = &configuration["profile"]["default"];
    assert_eq!(default["leak-timeout"]["result"].as_str(), Some("fail"));
    assert_eq!(default["flaky-result"].as_str(), Some("fail"));
    assert_eq!(default["retries"].as_integer(), Some(0));
    assert!(default["slow-timeout"]["terminate-after"].as_integer() > Some(0));
    let uds = configuration["profile"]["uds"].as_table().unwrap();
    assert_eq!(uds.len(), 1, "profile uds changes nothing: {uds}");
    assert_eq!(uds["inherits"].as_str(), Some("default"));
}

#[test]
fn services_listen_where_the_profile_says() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let services = env.status()["daemon"]["services"].clone();
    let mut endpoints: Vec<&str> = services
        .as_array()
        .unwrap()
        .iter()
        .map(|service| service["endpoint"].as_str().unwrap())
        .collect();
    endpoints.sort_unstable();
    let own = env.endpoints();
    let mut expected = [own.daemon.as_str(), own.cas.as_str(), own.exec.as_str()];
    expected.sort_unstable();
    assert_eq!(endpoints, expected);
    let scheme = if is_uds_profile() { "unix:" } else { "127.0.0.1:" };
    assert!(
        endpoints.iter().all(|endpoint| endpoint.starts_with(scheme)),
        "{endpoints:?}"
    );
}

#[test]
fn two_tests_never_share_anything() {
    let [first, second] = [TestEnv::new(), TestEnv::new()];
    assert_ne!(first.home(), second.home());
    let ports = [first.endpoints(), second.endpoints()];
    let mut all: Vec<&str> = ports
        .iter()
        .flat_map(|own| [&own.daemon, &own.cas, &own.exec].map(String::as_str))
        .collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 6);
    assert!(download_cache().is_absolute());
}

#[test]
fn a_test_that_fails_leaves_no_process() {
    let root = std::thread::spawn(|| {
        let env = TestEnv::with_fixture("hello");
        env.build(&[]);
        assert!(!env.processes().is_empty());
        std::panic::panic_any(env.root().to_owned());
    });
    let root = root
        .join()
        .unwrap_err()
        .downcast::<camino::Utf8PathBuf>()
        .expect("the test came to its end");
    assert!(harness::Process::all_of(&root).is_empty());
    assert!(!root.exists());
}
