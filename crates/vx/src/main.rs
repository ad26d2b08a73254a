//! The `vx` command line: parses the arguments, asks the daemon, shows its answers. Contains no build logic.
//!
//! The services are hidden subcommands of this same program, so that their version cannot differ from it.

mod action_log;
#[cfg(test)]
mod claims;
mod cli;
mod client;
mod commands;
mod environment;
mod error;
mod render;
mod request;
mod services;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use vx_proto::{Goal, WireError};
use vx_service::Service;

use crate::cli::{Cli, Command};
use crate::environment::Environment;
use crate::render::Screen;

/// What every subcommand gets besides its own arguments.
pub(crate) struct Invocation<'a> {
    /// When the program started.
    pub(crate) started: Instant,
    /// The variables of vx.
    pub(crate) environment: Environment,
    /// `+TOOLCHAIN`, without the plus sign.
    pub(crate) toolchain: Option<String>,
    /// Where everything is shown.
    pub(crate) screen: &'a mut Screen,
}

fn main() -> ExitCode {
    let started = Instant::now();
    share_heaps();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(service) = arguments.get(1).and_then(|word| Service::of_argument(word)) {
        return services::run(service);
    }
    let toolchain = take_toolchain(&mut arguments);
    let mut screen = Screen::plain();
    run(&arguments, &mut screen, toolchain, started).unwrap_or_else(|error| {
        screen.error(&error);
        error::exit_code(error.kind)
    })
}

/// glibc gives threads their own heaps, up to eight for each processor, and each keeps the memory that it once used.
/// That is some 15 MiB in a daemon that has downloaded a toolchain. Two are enough for a program that mostly waits.
fn share_heaps() {
    cfg_if::cfg_if! {
        if #[cfg(all(target_os = "linux", target_env = "gnu"))] {
            // SAFETY: there is no other thread yet.
            unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
        }
    }
}

fn run(
    arguments: &[OsString],
    screen: &mut Screen,
    toolchain: Option<String>,
    started: Instant,
) -> Result<ExitCode, WireError> {
    let arguments_of_user = arguments.get(1..).unwrap_or_default();
    if commands::cargo::is_passed_on(arguments_of_user)? {
        let environment = Environment::of_process()?;
        return commands::cargo::pass_on(
            arguments_of_user,
            &mut Invocation {
                started,
                environment,
                toolchain,
                screen,
            },
        );
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => match commands::cargo::option_not_of_vx(&error) {
            Some(refusal) => return Err(refusal),
            None => error.exit(),
        },
    };
    screen.obey(&cli.terminal)?;
    let environment = Environment::of_process()?;
    for name in &environment.unknown {
        screen.warning(&format!("`{name}` is not a variable of vx and has no effect"));
    }
    let mut invocation = Invocation {
        started,
        environment,
        toolchain,
        screen,
    };
    match &cli.command {
        // Handled above, with any options.
        Command::Tree(_) | Command::Metadata(_) => commands::cargo::pass_on(arguments_of_user, &mut invocation),
        Command::Build(arguments) => commands::build::run(Goal::Build, arguments, &mut invocation),
        Command::Check(arguments) => commands::build::run(Goal::Check, arguments, &mut invocation),
        Command::Clippy(arguments) => commands::build::clippy(arguments, &mut invocation),
        Command::Rustc(arguments) => commands::build::rustc(arguments, &mut invocation),
        Command::Doc(arguments) => commands::doc::run(arguments, &mut invocation),
        Command::Test(arguments) => commands::test::test(arguments, &mut invocation),
        Command::Bench(arguments) => commands::test::bench(arguments, &mut invocation),
        Command::Run(arguments) => commands::run::run(arguments, &mut invocation),
        Command::Fetch(arguments) => commands::fetch::run(arguments, &mut invocation),
        Command::Toolchain(command) => commands::toolchain::run(command, &mut invocation),
        Command::Clean(arguments) => commands::clean::run(arguments, &mut invocation),
        Command::Explain(arguments) => commands::explain::run(arguments, &mut invocation),
        Command::Status(arguments) => commands::status::run(arguments, &mut invocation),
        Command::Kill => commands::kill::run(&mut invocation),
    }
}

/// Removes `+TOOLCHAIN`, as rustup does for cargo: only as the first argument.
fn take_toolchain(arguments: &mut Vec<OsString>) -> Option<String> {
    let toolchain = arguments.get(1)?.to_str()?.strip_prefix('+')?.to_owned();
    arguments.remove(1);
    Some(toolchain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(arguments: &[&str]) -> (Option<String>, Vec<OsString>) {
        let mut arguments = arguments.iter().map(OsString::from).collect();
        let toolchain = take_toolchain(&mut arguments);
        (toolchain, arguments)
    }

    #[test]
    fn a_toolchain_is_the_first_argument_or_none() {
        assert_eq!(
            split(&["vx", "+nightly", "build"]),
            (Some("nightly".to_owned()), vec!["vx".into(), "build".into()])
        );
        assert_eq!(
            split(&["vx", "run", "+x"]),
            (None, vec!["vx".into(), "run".into(), "+x".into()])
        );
        assert_eq!(split(&["vx"]), (None, vec!["vx".into()]));
    }
}
