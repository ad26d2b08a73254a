//! Running other programs: shown as a shell would take them, with an environment that is free of Cargo's own variables.

use std::env;
use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::interrupt;

/// The variables that a program needs to find its files, its toolchain and the network. Anything else could make one
/// run differ from the next.
pub(crate) const ESSENTIAL: &[&str] = &[
    "CARGO_HOME",
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "RUSTUP_AUTO_INSTALL",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "USER",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// What `cargo run` adds to the environment of a task, and what the programs of that task must not see.
const OF_CARGO_RUN: &[&str] = &[
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_",
    "LD_LIBRARY_PATH",
];

/// A program with the environment of the user.
pub(crate) fn ordinary(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let is_of_cargo_run = OF_CARGO_RUN
            .iter()
            .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()));
        if is_of_cargo_run {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A program with only what it needs in its environment.
pub(crate) fn isolated(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ESSENTIAL {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The cargo that runs this task, itself and not a proxy of it.
pub(crate) fn cargo_path() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Cargo with the environment of the user.
pub(crate) fn cargo() -> Command {
    ordinary(cargo_path())
}

/// Shows a program and runs it to its end; an exit code other than zero is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = display(command);
    eprintln!("$ {shown}");
    interrupt::check()?;
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    interrupt::check()?;
    if !status.success() {
        bail!("`{shown}`: {status}");
    }
    Ok(())
}

/// Runs a program silently and returns its standard output. If it fails, its standard error is the reason.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = display(command);
    interrupt::check()?;
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    interrupt::check()?;
    if !output.status.success() {
        bail!(
            "`{shown}`: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed something that is not UTF-8"))
}

/// A command as a person would type it; not quoted for a shell.
pub(crate) fn display(command: &Command) -> String {
    let mut words = vec![file_name(command.get_program())];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

fn file_name(program: &OsStr) -> String {
    let path = std::path::Path::new(program);
    path.file_name().unwrap_or(program).to_string_lossy().into_owned()
}
