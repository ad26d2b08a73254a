//! What is keyed and recorded of a fixture. Whoever changes that has to raise a format: results of before would be found
//! again under keys that mean something else.

mod harness;

use harness::TestEnv;
use regex::Regex;
use vx_model::formats;

/// What was keyed and recorded when the formats were raised last.
const GOLDEN: &str = include_str!("golden/keys.txt");

/// What to do where it differs.
const RAISE: &str = "\
what is keyed or recorded has changed, and no format was raised: an upgraded vx would still use what an older one recorded.
Raise ACTION (what is keyed), INPUT_SET (what is recorded) or STRONG_KEY (how answers are keyed) in
crates/vx-model/src/formats.rs, with a line of history, then write the new text to crates/vx/tests/golden/keys.txt:";

/// The versions, as the file has them.
fn versions() -> String {
    format!(
        "formats: action {}, input set {}, strong key {}\n",
        formats::ACTION,
        formats::INPUT_SET,
        formats::STRONG_KEY
    )
}

/// Keys and recorded inputs without what differs from machine to machine and from toolchain to toolchain.
fn normal(keys: &str) -> String {
    // Of the host, or of the tests' own environment; the linker also looks for libraries in its working directory.
    let of_the_host = Regex::new(
        r"(?m)^((path|file|metadata of|list of files in) (/|\S*\.so)|\S+ above the workspace|program |platform ISA|environment variable (PATH|SSL_CERT_|RUSTUP_|CARGO_CFG_|\w+_(PROXY|proxy))).*\n",
    );
    let hash = Regex::new("[0-9a-f]{64}(/[0-9]+)?|[0-9a-f]{40}|[0-9a-f]{16}");
    // Of whoever has cloned the repository.
    let mode = Regex::new("mode [0-7]+");
    let keys = of_the_host.expect("a pattern").replace_all(keys, "").into_owned();
    let keys = mode.expect("a pattern").replace_all(&keys, "mode [MODE]").into_owned();
    let keys = hash.expect("a pattern").replace_all(&keys, "[HASH]").into_owned();
    // Units are told in the order in which they were done, which is not the same in every build.
    let mut units: Vec<&str> = keys.split("unit = ").skip(1).collect();
    units.sort_unstable();
    units.iter().map(|unit| format!("unit = {unit}")).collect()
}

/// Keys as they are where actions cannot be contained.
fn without_containment(keys: &str) -> String {
    let lines =
        Regex::new(r"(?m)^(may change|may not change|cannot see|reaches the network) = .*\n").expect("a pattern");
    lines
        .replace_all(keys, "")
        .replace("contained = true", "contained = false")
}

#[test]
fn what_is_keyed_and_recorded_changes_only_with_a_format() {
    let env = TestEnv::with_fixture("golden");
    env.build(&[]);
    let keys = env.vx(["explain", "--unit", "golden", "--key"]).run().success().stdout;
    let release = env.vx(["toolchain", "which"]).run().success().stdout;
    let now = versions() + &normal(&keys).replace(release.trim(), "[TOOLCHAIN]");
    let golden = match keys.contains("contained = true") {
        true => GOLDEN.to_owned(),
        // A machine that refuses; its keys are others.
        false => without_containment(GOLDEN),
    };
    if now == golden {
        return;
    }
    let same_versions = GOLDEN.lines().next() == Some(versions().trim_end());
    assert!(!same_versions, "{RAISE}\n\n{now}");
    panic!("a format was raised; write the new text to crates/vx/tests/golden/keys.txt:\n\n{now}");
}
