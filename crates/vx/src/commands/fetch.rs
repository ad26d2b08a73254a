//! `vx fetch`.

use std::process::ExitCode;

use vx_proto::WireError;

use crate::Invocation;
use crate::cli::FetchArguments;
use crate::{client, request};

/// Has the daemon fetch what a build needs, and build nothing.
pub(crate) fn run(arguments: &FetchArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::fetch(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    client::fetch(invocation, request)?;
    Ok(ExitCode::SUCCESS)
}
