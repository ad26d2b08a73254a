//! `vx kill`: stops the daemon of this home, its builds and its services, whatever state they are in.

use std::process::ExitCode;

use vx_proto::WireError;

use crate::Invocation;
use crate::client::block_on;

/// Runs the command. Succeeds even if nothing runs.
pub(crate) fn run(invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let stopped = block_on(invocation.environment.daemon_access().stop())?;
    match stopped {
        Some(pid) => invocation
            .screen
            .status("Stopped", format_args!("the daemon (process {pid})")),
        None => invocation.screen.status("Stopped", "nothing: no daemon was running"),
    }
    Ok(ExitCode::SUCCESS)
}
