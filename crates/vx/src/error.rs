//! From errors to what a person reads and a script tests: messages and exit codes.
//!
//! [`WireError`] is the one error of the command line: failures of services arrive as one, and local failures become one
//! where they leave their module. Its kind decides the exit code; nothing else does.

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use vx_proto::{ErrorKind, WireError};
use vx_transport::CallError;

/// Cargo's colours for the words that open a message.
pub(crate) const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// The exit code for a failure of this kind; they are listed in `vx --help`.
pub(crate) fn exit_code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(match kind {
        ErrorKind::Usage => 2,
        ErrorKind::Unsupported => 3,
        ErrorKind::Busy => 4,
        ErrorKind::Download => 5,
        ErrorKind::Unavailable | ErrorKind::Machine => 6,
        ErrorKind::Internal => 70,
        ErrorKind::BuildFailed => 101,
        ErrorKind::Cancelled => 130,
    })
}

/// A call to a service that brought no answer.
pub(crate) fn from_call(service: &str, error: &CallError) -> WireError {
    let failure = WireError::from_error(ErrorKind::Unavailable, error);
    WireError {
        message: format!("the {service} did not answer"),
        causes: std::iter::once(failure.message).chain(failure.causes).collect(),
        ..failure
    }
}

/// An error as Cargo shows it: the message, every cause, the advice; with ANSI colours, a line feed at the end.
pub(crate) struct Report<'a>(pub(crate) &'a WireError);

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let WireError {
            message, causes, help, ..
        } = self.0;
        writeln!(f, "{ERROR}error{ERROR:#}: {message}")?;
        for cause in causes {
            writeln!(f, "\nCaused by:")?;
            for line in cause.lines() {
                writeln!(f, "  {line}")?;
            }
        }
        match help {
            Some(help) => writeln!(f, "\n{HELP}help{HELP:#}: {help}"),
            None => Ok(()),
        }
    }
}
