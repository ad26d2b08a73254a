//! Snapshots of what vx prints, without what differs from run to run.

use super::TestEnv;

/// Replaces paths of the test, times, hashes and ports by names.
pub(crate) fn settings(env: &TestEnv) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(&regex_escape(env.root().as_str()), "[TEST]");
    settings.add_filter(r"\b\d+m \d\ds\b", "[TIME]");
    settings.add_filter(r"\b\d+\.\d\ds\b", "[TIME]");
    settings.add_filter(r"\b[0-9a-f]{16,64}\b", "[HASH]");
    settings.add_filter(r"127\.0\.0\.1:\d+", "[ENDPOINT]");
    settings.add_filter(r"unix:\[TEST\]/sockets/\w+\.sock", "[ENDPOINT]");
    settings.add_filter(r"process \d+", "process [PID]");
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(true);
    settings
}

fn regex_escape(text: &str) -> String {
    text.chars()
        .flat_map(|letter| (!letter.is_alphanumeric()).then_some('\\').into_iter().chain([letter]))
        .collect()
}
