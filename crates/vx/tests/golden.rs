//! What is keyed and recorded of a fixture. Whoever changes that has to raise a format: results of before would be found
//! again under keys that mean something else.

mod harness;

use harness::TestEnv;
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
    let is_of_the_host = |line: &&str| {
        let label = line.split(" = ").next().unwrap_or_default();
        let host = [
            "path /",
            "file /",
            "list of files in /",
            "program ",
            "platform ISA",
            "environment variable PATH",
        ];
        host.iter().any(|start| label.starts_with(start)) || label.ends_with(" above the workspace")
    };
    let digest = |text: &str| {
        let is_digest = |word: &str| word.split('/').next().is_some_and(|hash| hash.len() == 64);
        let words: Vec<&str> = text
            .split(' ')
            .map(|word| if is_digest(word) { "[DIGEST]" } else { word })
            .collect();
        words.join(" ")
    };
    let lines = keys.lines().filter(|line| !is_of_the_host(line)).map(digest);
    lines.map(|line| line + "\n").collect()
}

#[test]
fn what_is_keyed_and_recorded_changes_only_with_a_format() {
    let env = TestEnv::with_fixture("golden");
    env.build(&[]);
    let keys = env.vx(["explain", "--unit", "golden", "--key"]).run().success().stdout;
    let release = env.vx(["toolchain", "which"]).run().success().stdout;
    let now = versions() + &normal(&keys).replace(release.trim(), "[TOOLCHAIN]");
    if now == GOLDEN {
        return;
    }
    let same_versions = GOLDEN.lines().next() == Some(versions().trim_end());
    assert!(!same_versions, "{RAISE}\n\n{now}");
    panic!("a format was raised; write the new text to crates/vx/tests/golden/keys.txt:\n\n{now}");
}
