//! `vx run`: builds one program, then becomes it.

use std::io;
use std::process::{Command, ExitCode};

use vx_proto::{Artifact, BuildSummary, EnvVar, ErrorKind, WireError};

use crate::Invocation;
use crate::cli::RunArguments;
use crate::{client, request};

/// Builds the one program that the arguments select and runs it in the user's directory, with Cargo's variables.
pub(crate) fn run(arguments: &RunArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::run(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    let summary = client::build(invocation, request, arguments.common.action_log.as_deref())?;
    let program = the_program(&summary)?;
    invocation.screen.status("Running", command_line(program, arguments));

    let mut command_line = program.runner.iter().chain([&program.path]);
    // The program itself is always among them.
    let first = command_line.next().unwrap_or(&program.path);
    let mut command = Command::new(first);
    command.args(command_line).args(&arguments.arguments);
    command.envs(program.environment.iter().map(EnvVar::unescaped));
    become_program(&mut command)
        .map_err(|error| WireError::new(ErrorKind::Machine, format!("could not run `{first}`")).caused_by(&error))
}

fn the_program(summary: &BuildSummary) -> Result<&Artifact, WireError> {
    let mut programs = summary.artifacts.iter().filter(|artifact| artifact.is_executable);
    match (programs.next(), programs.next()) {
        (Some(program), None) => Ok(program),
        _ => Err(WireError::new(
            ErrorKind::Internal,
            "the daemon did not build exactly one program",
        )),
    }
}

/// `` `/project/.vx/build/debug/app --flag` ``, as Cargo shows it.
fn command_line(program: &Artifact, arguments: &RunArguments) -> String {
    let of_user = arguments.arguments.iter().map(|word| word.to_string_lossy());
    let command_line = program.runner.iter().chain([&program.path]);
    let command_line: Vec<_> = command_line
        .map(|argument| argument.as_str().into())
        .chain(of_user)
        .collect();
    format!("`{}`", command_line.join(" "))
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        /// Replaces this process, so that the exit code, signals and the terminal are the program's own.
        fn become_program(command: &mut Command) -> io::Result<ExitCode> {
            use std::os::unix::process::CommandExt as _;
            Err(command.exec())
        }
    } else {
        /// Runs the program and returns its exit code.
        fn become_program(command: &mut Command) -> io::Result<ExitCode> {
            let status = command.status()?;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
        }
    }
}
