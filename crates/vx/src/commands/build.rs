//! `vx build`, `vx check`, `vx clippy` and `vx rustc`.

use std::process::ExitCode;

use vx_proto::{Goal, WireError};

use crate::Invocation;
use crate::cli::{BuildArguments, ClippyArguments, RustcArguments};
use crate::{client, request};

/// Builds or checks what the arguments select.
pub(crate) fn run(
    goal: Goal,
    arguments: &BuildArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, WireError> {
    let request = request::build(
        goal,
        arguments,
        invocation.toolchain.take(),
        invocation.screen.verbosity(),
    )?;
    client::build(invocation, request, arguments.common.action_log.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Checks with Clippy's lints.
pub(crate) fn clippy(arguments: &ClippyArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::clippy(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    client::build(invocation, request, arguments.build.common.action_log.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Builds one target with extra args for the compiler.
pub(crate) fn rustc(arguments: &RustcArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::rustc(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    client::build(invocation, request, arguments.build.common.action_log.as_deref())?;
    Ok(ExitCode::SUCCESS)
}
