//! A process that a builder has started: rustc, or a build script. One JSON object a line, as `vx build --action-log`
//! writes them, and [`mod@super::record`] for cargo.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use serde::{Deserialize, Serialize};

/// A started process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    /// Where it ran, absolute.
    pub(super) directory: String,
    /// The program first.
    pub(super) arguments: Vec<String>,
    /// All of it.
    pub(super) environment: BTreeMap<String, String>,
}

impl Process {
    /// Whether it compiles; else it is a run of a build script.
    pub(super) fn is_compilation(&self) -> bool {
        self.arguments.iter().any(|argument| argument == "--crate-name")
    }

    /// The value of a variable, empty where there is none.
    pub(super) fn variable(&self, name: &str) -> &str {
        self.environment.get(name).map_or("", String::as_str)
    }

    /// The argument after `flag`, empty where there is none.
    pub(super) fn option(&self, flag: &str) -> &str {
        let mut arguments = self.arguments.iter().skip_while(|argument| *argument != flag);
        arguments.nth(1).map_or("", String::as_str)
    }
}

/// The processes in `file`; `None` if there is no such file, because no process was started.
pub(super) fn read(file: &Utf8Path) -> Result<Vec<Process>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let lines = text.lines().map(serde_json::from_str);
    lines
        .collect::<Result<_, _>>()
        .with_context(|| format!("{file} contains a line that is not the record of a process"))
}
