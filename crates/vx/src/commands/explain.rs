//! `vx explain`: what the last build in this workspace ran, and why.

use std::process::ExitCode;

use vx_proto::WireError;

use crate::Invocation;
use crate::cli::ExplainArguments;
use crate::render::{explanations, unit_keys};
use crate::{client, request, workspace};

/// Asks the daemon and prints its answer on standard output.
pub(crate) fn run(arguments: &ExplainArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let directory = request::current_directory()?;
    let manifest = workspace::manifest(arguments.manifest_path.as_deref(), &directory)?;
    let root = workspace::root(&manifest)?;
    let text = match &arguments.unit {
        Some(name) if arguments.key => unit_keys(&client::unit_keys(
            &invocation.environment,
            root.into_string(),
            name.clone(),
        )?),
        unit => {
            let mut answer = client::explain(&invocation.environment, root.into_string())?;
            answer.retain(|unit_of_build| unit.as_deref().is_none_or(|name| unit_of_build.label.is_called(name)));
            explanations(&answer, invocation.screen.verbosity())
        }
    };
    invocation.screen.answer(&text);
    Ok(ExitCode::SUCCESS)
}
