//! Turns errors into messages and exit codes.
//!
//! [`WireError`] is the error type of the command line: failures of services arrive as one, and modules convert local
//! failures into one. Its kind alone decides the exit code.

use std::fmt::{self, Display, Formatter};
use std::process::{ExitCode, ExitStatus};

use anstyle::{AnsiColor, Style};
use vx_proto::{ErrorKind, WireError};

/// Cargo's colors for the words that open a message.
pub(crate) const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub(crate) const HELP: Style = AnsiColor::BrightCyan.on_default().bold();

/// Cargo's exit code when a build or a test has failed; test programs use the same.
pub(crate) const FAILED: u8 = 101;

/// The exit code for a failure of this kind; they are listed in `vx --help`.
pub(crate) fn exit_code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(code(kind))
}

/// The same as a number.
pub(crate) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage => 2,
        ErrorKind::Unsupported => 3,
        ErrorKind::Busy => 4,
        ErrorKind::Download => 5,
        ErrorKind::Unavailable | ErrorKind::Ending | ErrorKind::Machine => 6,
        ErrorKind::Internal => 70,
        ErrorKind::BuildFailed => FAILED,
        ErrorKind::Cancelled => 130,
    }
}

/// The exit code of a program that vx ran for the user, as that of vx.
pub(crate) fn program_exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(FAILED))
}

/// An error as Cargo shows it: the message, every cause, the hint; with ANSI colors, a line feed at the end.
pub(crate) struct Report<'a>(pub(crate) &'a WireError);

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let WireError {
            message, causes, help, ..
        } = self.0;
        // Cargo's own message is passed on unchanged: it has its own `error:`, perhaps after warnings.
        match message.lines().any(|line| line.starts_with("error: ")) {
            true => writeln!(f, "{message}")?,
            false => writeln!(f, "{ERROR}error{ERROR:#}: {message}")?,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(error: &WireError) -> String {
        anstream::adapter::strip_str(&Report(error).to_string()).to_string()
    }

    #[test]
    fn causes_and_advice_follow_the_message() {
        let error = WireError {
            causes: vec!["the disk is full".to_owned(), "two\nlines".to_owned()],
            ..WireError::new(ErrorKind::Machine, "cannot write `x`").with_help("buy a disk")
        };
        let expected = "error: cannot write `x`\n\nCaused by:\n  the disk is full\n\nCaused by:\n  two\n  lines\n\n\
                        help: buy a disk\n";
        assert_eq!(shown(&error), expected);
    }

    #[test]
    fn what_cargo_said_has_its_own_heading() {
        let error = WireError::new(ErrorKind::BuildFailed, "warning: unused key\nerror: no such package");
        assert_eq!(shown(&error), "warning: unused key\nerror: no such package\n");
    }
}
