//! Cargo's commands that vx passes on (`vx tree`, `vx metadata`), and Cargo's commands and options that vx does not
//! have.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use clap::error::{ContextKind, ContextValue};
use vx_proto::{ErrorKind, WireError};

use super::toolchain::acquired_here;
use crate::Invocation;
use crate::error::program_exit_code;

/// Commands that only read the project: Cargo runs them, with all their arguments.
const PASSED_ON: &[&str] = &["metadata", "tree"];

/// Commands of Cargo's that are not about building.
const NOT_OF_VX: &[&str] = &[
    "add",
    "config",
    "fix",
    "fmt",
    "generate-lockfile",
    "info",
    "init",
    "install",
    "locate-project",
    "login",
    "logout",
    "miri",
    "new",
    "owner",
    "package",
    "pkgid",
    "publish",
    "remove",
    "report",
    "rm",
    "rustdoc",
    "search",
    "uninstall",
    "update",
    "vendor",
    "version",
    "yank",
];

/// Options of Cargo's commands that vx does not have, each with what to do; `docs/not-yet.md` lists them for people.
const OPTIONS_NOT_OF_VX: &[(&str, &str)] = &[
    ("--artifact-dir", "copy the outputs from `.vx/build` of the workspace"),
    (
        "--build-plan",
        "`--action-log PATH` writes each process that a build starts",
    ),
    ("--fix", "run cargo with this option"),
    ("--future-incompat-report", "run cargo with this option"),
    (
        "--lockfile-path",
        "`Cargo.lock` is always beside the manifest of the workspace",
    ),
    ("--open", "`vx doc` prints the path of the first page"),
    ("--target-dir", "outputs are always in `.vx/build` of the workspace"),
    ("--timings", "`vx explain` shows what ran, and why"),
    ("--unit-graph", "run cargo with this option"),
    ("-Z", "`cargo-features` in a manifest work with a nightly toolchain"),
];

/// The message instead of `error`, if it is about an option that only Cargo has.
pub(crate) fn option_not_of_vx(error: &clap::Error) -> Option<WireError> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (option, help) = OPTIONS_NOT_OF_VX.iter().find(|(name, _)| name == option)?;
    let message = format!("vx does not support cargo's option `{option}`");
    Some(WireError::new(ErrorKind::Usage, message).with_help(*help))
}

/// Whether these arguments, without the name of the program, are for Cargo. Fails if they name a command that only
/// Cargo has.
pub(crate) fn is_passed_on(arguments: &[OsString]) -> Result<bool, WireError> {
    let Some(command) = arguments.first().and_then(|word| word.to_str()) else {
        return Ok(false);
    };
    if NOT_OF_VX.contains(&command) {
        let message = format!("vx does not have cargo's command `{command}`");
        return Err(WireError::new(ErrorKind::Usage, message).with_help(format!("run `cargo {command}`")));
    }
    Ok(PASSED_ON.contains(&command))
}

/// Runs the toolchain's cargo with these arguments.
pub(crate) fn pass_on(arguments: &[OsString], invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let toolchain = acquired_here(invocation)?;
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.args(arguments);
    if std::env::var_os("RUSTC").is_none() {
        cargo.env("RUSTC", &toolchain.rustc);
    }
    let status = cargo.status().map_err(|error| {
        WireError::new(ErrorKind::Machine, format!("could not run `{}`", toolchain.cargo)).caused_by(&error)
    })?;
    Ok(program_exit_code(status))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn commands_of_cargo_are_told_apart() {
        let is_passed_on = |words: &[&str]| is_passed_on(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(is_passed_on(&["tree", "-e", "features"]).unwrap());
        for words in [&["build", "tree"][..], &["--quiet"], &[]] {
            assert!(!is_passed_on(words).unwrap(), "{words:?}");
        }
        let refused = is_passed_on(&["publish"]).unwrap_err();
        assert_eq!(refused.help.as_deref(), Some("run `cargo publish`"));
    }

    #[test]
    fn options_of_cargo_are_refused_by_name() {
        let refusal = |option: &str| option_not_of_vx(&Cli::try_parse_from(["vx", "doc", option]).unwrap_err());
        for (option, _) in OPTIONS_NOT_OF_VX {
            let refused = refusal(option).unwrap();
            assert_eq!(
                refused.message,
                format!("vx does not support cargo's option `{option}`")
            );
        }
        for joined in ["-Zbuild-std", "--target-dir=x", "--timings=html"] {
            assert!(refusal(joined).is_some(), "{joined}");
        }
        assert_eq!(refusal("--nonsense"), None);
    }

    #[test]
    fn options_of_cargo_are_listed_for_people() {
        let page = include_str!("../../../../docs/not-yet.md");
        for (option, _) in OPTIONS_NOT_OF_VX {
            let is_listed = [format!("`{option}`"), format!(" {option}`")];
            assert!(
                is_listed.iter().any(|text| page.contains(text)),
                "docs/not-yet.md does not list {option}"
            );
        }
    }
}
