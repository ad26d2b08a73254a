//! Cargo's error messages, and what they are about.

use std::process::Output;

use crate::PlanError;

/// What Cargo said when it refused.
pub(crate) fn refusal(output: &Output) -> PlanError {
    // Several processes of one plan wait for each other, which does not concern the user.
    let is_news = |line: &&str| !line.trim_start().starts_with("Blocking waiting for file lock");
    let stderr = String::from_utf8_lossy(&output.stderr);
    PlanError::Cargo {
        stderr: stderr.split_inclusive('\n').filter(is_news).collect(),
        code: output.status.code().unwrap_or(101),
    }
}

/// Whether Cargo refuses because the lock file does not match the manifests. While planning, it must not change the
/// lock file, and knows only the packages that the lock file names.
pub(crate) fn is_about_lockfile(stderr: &str) -> bool {
    ["--locked", "no matching package", "failed to select a version"]
        .iter()
        .any(|text| stderr.contains(text))
}

/// Whether Cargo could not fetch something.
pub(crate) fn is_about_fetching(stderr: &str) -> bool {
    let texts = [
        "failed to get `",
        "Unable to update",
        "failed to fetch",
        "failed to download",
        "failed to load source",
    ];
    texts.iter().any(|text| stderr.contains(text))
}
