//! `--action-log`: writes every process that a build starts to a file, for other programs. Units that came from the
//! store are not in it.
//!
//! A line is a JSON object: `package`, `version`, `target`, `directory`, `arguments` (the program first) and `environment` (an
//! object). Units are in the order in which they started.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use vx_proto::{BuildEvent, ErrorKind, Process, UnitLabel, WireError};

/// The file, written during the build.
#[derive(Debug)]
pub(crate) struct ActionLog {
    path: Utf8PathBuf,
    file: File,
}

impl ActionLog {
    /// An empty log at `path`, which replaces what was there.
    pub(crate) fn create(path: &Utf8Path) -> Result<Self, WireError> {
        let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
        let path = path.to_owned();
        Ok(Self { path, file })
    }

    /// Writes the process of `event`, if it is about one.
    pub(crate) fn event(&mut self, event: &BuildEvent) -> Result<(), WireError> {
        match event {
            BuildEvent::UnitStarted { label, process, .. } => self.write(label, process),
            _ => Ok(()),
        }
    }

    fn write(&mut self, label: &UnitLabel, process: &Process) -> Result<(), WireError> {
        let environment = process.environment.iter();
        let environment: BTreeMap<&str, &str> = environment
            .map(|variable| (variable.name.as_str(), variable.value.as_str()))
            .collect();
        let entry = json!({
            "package": label.package,
            "version": label.version,
            "target": label.target,
            "directory": process.working_directory,
            "arguments": process.arguments,
            "environment": environment,
        });
        self.file
            .write_all(format!("{entry}\n").as_bytes())
            .map_err(|error| cannot_write(&self.path, &error))
    }
}

fn cannot_write(path: &Utf8Path, error: &dyn std::error::Error) -> WireError {
    WireError::new(ErrorKind::Machine, format!("could not write the action log `{path}`")).caused_by(error)
}
