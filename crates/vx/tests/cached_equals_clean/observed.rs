//! What can be seen of a build: how it ended, what it warned or complained about, what it left, what its programs do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::Command;

use camino::Utf8Path;
use sha2::{Digest as _, Sha256};

use crate::harness::{Counts, Outcome, TestEnv};
use crate::project::{Ending, Program, Project};

/// What must not depend on what was built before, of a build or a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// vx's exit code.
    pub(crate) code: Option<i32>,
    /// Diagnostics, sorted: units run at the same time.
    pub(crate) diagnostics: Vec<String>,
}

/// What a good build has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// What each program does.
    pub(crate) programs: Vec<Program>,
    /// SHA-256 of each final artifact, of archives without the names of what is in them.
    pub(crate) artifacts: BTreeMap<&'static str, String>,
    /// How it came to be.
    pub(crate) counts: Counts,
}

/// Builds the project that lies in `directory` and runs its programs.
pub(crate) fn build(env: &TestEnv, directory: &Utf8Path, project: &Project) -> (Told, Option<Left>) {
    let outcome = run("build", env, directory, project);
    let outputs = outputs(directory, project);
    let left = outcome.status.success().then(|| Left {
        programs: project
            .programs()
            .into_iter()
            .map(|name| program(&outputs.join(name), directory))
            .collect(),
        artifacts: project
            .artifacts()
            .into_iter()
            .map(|name| (name, digest(&outputs.join(name))))
            .collect(),
        counts: outcome.counts(),
    });
    (told(&outcome), left)
}

/// Checks the project that lies in `directory`.
pub(crate) fn check(env: &TestEnv, directory: &Utf8Path, project: &Project) -> Told {
    told(&run("check", env, directory, project))
}

/// Where a build of the project leaves its outputs.
pub(crate) fn outputs(directory: &Utf8Path, project: &Project) -> camino::Utf8PathBuf {
    directory.join(".vx/build").join(project.output_directory())
}

fn run(command: &str, env: &TestEnv, directory: &Utf8Path, project: &Project) -> Outcome {
    let mut vx = env.vx([command]).args(project.arguments()).current_dir(directory);
    for (name, value) in project.environment() {
        vx = vx.env(name, value);
    }
    vx.run()
}

fn program(path: &Utf8Path, directory: &Utf8Path) -> Program {
    let output = Command::new(path).env_clear().current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("{path}: {error}"));
    Program {
        printed: String::from_utf8(output.stdout).unwrap(),
        ending: output.status.code().map_or(Ending::Signal, Ending::Exit),
    }
}

fn digest(path: &Utf8Path) -> String {
    let content = std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    match content.strip_prefix(b"!<arch>\n") {
        Some(members) => {
            let mut digests: Vec<String> = contents(members).into_iter().map(digest).collect();
            digests.sort();
            digest(digests.concat().as_bytes())
        }
        None => digest(&content),
    }
}

/// The contents of the members of an archive. Where rustc compiles incrementally, it makes up their names anew each time.
fn contents(mut members: &[u8]) -> Vec<&[u8]> {
    let mut contents = Vec::new();
    while let Some((header, rest)) = members.split_at_checked(60) {
        let size: usize = std::str::from_utf8(&header[48..58]).unwrap().trim().parse().unwrap();
        // The tables of symbols and of long names.
        if !header.starts_with(b"/ ") && !header.starts_with(b"// ") {
            contents.push(&rest[..size]);
        }
        members = &rest[(size + size % 2).min(rest.len())..];
    }
    contents
}

fn told(outcome: &Outcome) -> Told {
    Told {
        code: outcome.status.code(),
        diagnostics: diagnostics(&outcome.stderr, outcome.status.success()),
    }
}

/// The diagnostics in what vx printed. A failed build is only held to its errors, each once: how many warnings other units
/// had time to give before they were stopped, and whether a macro that is checked and built failed at both, is luck.
fn diagnostics(stderr: &str, is_good: bool) -> Vec<String> {
    let mut diagnostics: Vec<String> = Vec::new();
    let mut continues = false;
    for line in stderr.lines().filter(|line| !is_status(line)) {
        let begins = line.starts_with("warning") || line.starts_with("error");
        match diagnostics.last_mut() {
            _ if line.is_empty() => continues = false,
            Some(last) if continues && !begins => *last += &format!("\n{line}"),
            _ => {
                diagnostics.push(line.to_owned());
                continues = true;
            }
        }
    }
    diagnostics.sort();
    if !is_good {
        diagnostics.retain(|text| text.starts_with("error"));
        diagnostics.dedup();
    }
    diagnostics
}

/// Whether a line is one of vx's own: a verb that ends in the twelfth column.
fn is_status(line: &str) -> bool {
    line.split_at_checked(12).is_some_and(|(verb, text)| {
        let verb = verb.trim_start();
        text.starts_with(' ') && verb.len() > 3 && verb.bytes().all(|letter| letter.is_ascii_alphabetic())
    })
}
