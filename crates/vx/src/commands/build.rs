//! `vx build` and `vx check`.

use std::process::ExitCode;

use vx_proto::{Goal, WireError};

use crate::Invocation;
use crate::cli::BuildArguments;
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
