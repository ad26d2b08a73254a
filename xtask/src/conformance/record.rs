//! The recorder: stands in for rustc (`RUSTC_WRAPPER`) and for build scripts while cargo builds, records the process,
//! then becomes it.
//!
//! Cargo offers no wrapper for build scripts. So when the recorder has compiled one, it replaces the executable with a
//! script of two lines, which records the run and becomes the real executable beside it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::process::Process;

/// The file that the recorder appends to; if it is set, this executable is only a recorder.
pub(crate) const RECORD: &str = "XTASK_RECORD";

/// Notes the process named by the arguments, and becomes it.
pub(crate) fn run(file: &str) -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let directory = Utf8PathBuf::try_from(std::env::current_dir()?).context("the working directory is not UTF-8")?;
    let process = Process {
        directory: directory.into_string(),
        environment: std::env::vars().collect::<BTreeMap<_, _>>(),
        arguments,
    };
    let Some((program, rest)) = process.arguments.split_first() else {
        bail!("nothing to record");
    };
    // Cargo asks for JSON; any other process is cargo looking something up, or a build script that tries something.
    let is_of_cargo = process
        .arguments
        .iter()
        .any(|argument| argument == "--error-format=json");
    let is_script = program.ends_with(REAL);
    if is_of_cargo || is_script {
        append(Utf8Path::new(file), &process)?;
    }
    let mut command = Command::new(program);
    // Sorted, as cargo gives it: a shell on the way here has mixed it, and some scripts print what they find in its order.
    command.args(rest).env_clear().envs(&process.environment);
    let compiles_script = is_of_cargo && process.option("--crate-name").starts_with("build_script_");
    if !compiles_script {
        return Err(command.exec()).with_context(|| format!("cannot start {program}"));
    }
    let status = command.status().with_context(|| format!("cannot start {program}"))?;
    if status.success() {
        stand_in(&process)?;
    }
    let code = status
        .code()
        .or(status.signal())
        .and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What the name of a build script's real executable ends in.
const REAL: &str = ".real";

/// One write a line, so that lines of processes side by side do not mix.
fn append(file: &Utf8Path, process: &Process) -> Result<()> {
    let line = serde_json::to_string(process)? + "\n";
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .with_context(|| format!("cannot open {file}"))?;
    file.write_all(line.as_bytes()).context("cannot record")
}

/// Puts the recorder in place of the build script that `process` has compiled.
fn stand_in(process: &Process) -> Result<()> {
    let suffix = process
        .arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("extra-filename="))
        .unwrap_or_default();
    let name = format!("{}{suffix}", process.option("--crate-name"));
    let executable = Utf8Path::new(process.option("--out-dir")).join(name);
    let executable = Utf8Path::new(&process.directory).join(executable);
    let real = Utf8PathBuf::from(format!("{executable}{REAL}"));
    let recorder = Utf8PathBuf::try_from(std::env::current_exe()?)?;
    fs::rename(&executable, &real).with_context(|| format!("cannot rename {executable}"))?;
    fs::write(&executable, format!("#!/bin/sh\nexec '{recorder}' '{real}' \"$@\"\n"))?;
    fs::set_permissions(&executable, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {executable} executable"))
}
