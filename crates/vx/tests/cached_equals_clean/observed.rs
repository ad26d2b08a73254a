//! What can be seen of a build: how it ended, what it warned or complained about, what its programs do.

use std::collections::BTreeSet;

use crate::harness::{Counts, TestEnv};
use crate::project::Project;

/// Everything about a build that must not depend on what was built before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    /// vx's exit code.
    pub(crate) code: Option<i32>,
    /// Diagnostics, one each, without an order: units run at the same time.
    pub(crate) diagnostics: BTreeSet<String>,
    /// What each program printed; none where the build failed.
    pub(crate) programs: Option<Vec<String>>,
}

/// Builds the project that lies in `env` and runs its programs. Answers the counts too where the build is good.
pub(crate) fn build(env: &TestEnv, project: &Project) -> (Observed, Option<Counts>) {
    let mut vx = env.vx(["build"]).args(project.arguments());
    for (name, value) in project.environment() {
        vx = vx.env(name, value);
    }
    let outcome = vx.run();
    let is_good = outcome.status.success();
    let run = |program: &str| env.run_program(&format!("{}/{program}", project.output_directory()));
    let observed = Observed {
        code: outcome.status.code(),
        diagnostics: diagnostics(&outcome.stderr, is_good),
        programs: is_good.then(|| project.programs().into_iter().map(run).collect()),
    };
    (observed, is_good.then(|| outcome.counts()))
}

/// The diagnostics in what vx printed. A failed build is only held to its errors: how many warnings other units had time
/// to give before they were stopped is a matter of luck.
fn diagnostics(stderr: &str, is_good: bool) -> BTreeSet<String> {
    let without_status: Vec<&str> = stderr.lines().filter(|line| !is_status(line)).collect();
    let blocks = without_status.join("\n");
    let blocks = blocks.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks
        .filter(|block| is_good || block.starts_with("error"))
        .map(str::to_owned)
        .collect()
}

/// Whether a line is one of vx's own: a verb that ends in the twelfth column.
fn is_status(line: &str) -> bool {
    line.split_at_checked(12).is_some_and(|(verb, text)| {
        let verb = verb.trim_start();
        text.starts_with(' ') && verb.len() > 3 && verb.bytes().all(|letter| letter.is_ascii_alphabetic())
    })
}
