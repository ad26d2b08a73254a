//! `vx explain`: what the last build in this workspace ran, and why.

use std::process::ExitCode;

use vx_proto::WireError;

use crate::Invocation;
use crate::cli::ExplainArguments;
use crate::render::explanations;
use crate::{client, request, workspace};

/// Asks the daemon and prints its answer on standard output.
pub(crate) fn run(arguments: &ExplainArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let directory = request::current_directory()?;
    let manifest = workspace::manifest(arguments.manifest_path.as_deref(), &directory)?;
    let root = workspace::root(&manifest)?;
    let answer = client::explain(&invocation.environment, root.into_string())?;
    let text = explanations(&answer, invocation.screen.verbosity());
    invocation.screen.answer(&text);
    Ok(ExitCode::SUCCESS)
}
