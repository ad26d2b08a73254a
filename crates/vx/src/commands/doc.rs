//! `vx doc`.

use std::process::ExitCode;

use vx_proto::WireError;

use crate::Invocation;
use crate::cli::DocArguments;
use crate::{client, request};

/// Documents what the arguments select and prints the path of the first page.
pub(crate) fn run(arguments: &DocArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::doc(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    let summary = client::build(invocation, request, arguments.common.action_log.as_deref())?;
    if let Some((first, others)) = summary.artifacts.split_first() {
        let text = match others.len() {
            0 => first.path.clone(),
            1 => format!("{} and 1 other file", first.path),
            others => format!("{} and {others} other files", first.path),
        };
        invocation.screen.status("Generated", text);
    }
    Ok(ExitCode::SUCCESS)
}
