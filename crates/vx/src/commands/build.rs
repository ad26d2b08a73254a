//! `vx build`.

use std::process::ExitCode;

use vx_proto::WireError;

use crate::Invocation;
use crate::cli::BuildArguments;
use crate::{client, request};

/// Builds what the arguments select.
pub(crate) fn run(arguments: &BuildArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::build(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    client::build(invocation, request)?;
    Ok(ExitCode::SUCCESS)
}
