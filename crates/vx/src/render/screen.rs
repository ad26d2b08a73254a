//! The two output streams, with the user's settings for colors and verbosity. Knows nothing about builds.

use std::io::{self, IsTerminal as _, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum as _;
use vx_proto::{ErrorKind, WireError};

use crate::cli::{Color, TerminalArguments};
use crate::error::{Report, WARNING};

/// Cargo's color for the verb at the left.
const VERB: Style = AnsiColor::BrightGreen.on_default().bold();

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Diagnostics and errors.
    Quiet,
    /// What Cargo shows.
    Normal,
    /// Also units that did not run, and commands.
    Verbose,
}

/// Standard error for people and standard output for requested output. ANSI sequences are removed if colors are off.
///
/// A stream that cannot be written to (a closed pipe) does not stop a build: such errors are ignored.
pub(crate) struct Screen {
    verbosity: Verbosity,
    choice: anstream::ColorChoice,
    stderr: AutoStream<io::Stderr>,
}

impl Screen {
    /// Normal verbosity; colors if the terminal has them and `NO_COLOR` does not forbid them.
    pub(crate) fn plain() -> Self {
        let choice = anstream::ColorChoice::Auto;
        Self {
            verbosity: Verbosity::Normal,
            choice,
            stderr: AutoStream::new(io::stderr(), choice),
        }
    }

    /// Applies the arguments; without `--color`, `CARGO_TERM_COLOR` counts.
    pub(crate) fn obey(&mut self, arguments: &TerminalArguments) -> Result<(), WireError> {
        self.verbosity = match (arguments.quiet, arguments.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        let color = match arguments.color {
            Some(color) => color,
            None => color_of_environment()?,
        };
        self.choice = match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        self.stderr = AutoStream::new(io::stderr(), self.choice);
        Ok(())
    }

    /// How much is to be shown.
    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether standard error gets colors.
    pub(crate) fn has_colors(&self) -> bool {
        self.stderr.current_choice() != anstream::ColorChoice::Never
    }

    /// Whether lines on standard error can be drawn over.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// `   Compiling serde v1.0.228`, unless quiet.
    pub(crate) fn status(&mut self, verb: &str, text: impl std::fmt::Display) {
        if self.verbosity > Verbosity::Quiet {
            let _ = writeln!(self.stderr, "{VERB}{verb:>12}{VERB:#} {text}");
        }
    }

    /// `warning: …`, unless quiet.
    pub(crate) fn warning(&mut self, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            let text = text.strip_prefix("warning: ").unwrap_or(text);
            let _ = writeln!(self.stderr, "{WARNING}warning{WARNING:#}: {}", text.trim_end());
        }
    }

    /// Compiler output, colors and line feeds unchanged.
    pub(crate) fn diagnostic(&mut self, rendered: &str) {
        let _ = self.stderr.write_all(rendered.as_bytes());
    }

    /// An error with its causes and hint.
    pub(crate) fn error(&mut self, error: &WireError) {
        let _ = write!(self.stderr, "{}", Report(error));
    }

    /// An answer, on standard output.
    pub(crate) fn answer(&mut self, text: &str) {
        let mut stdout = AutoStream::new(io::stdout().lock(), self.choice);
        let _ = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
    }
}

fn color_of_environment() -> Result<Color, WireError> {
    const VARIABLE: &str = "CARGO_TERM_COLOR";
    match std::env::var(VARIABLE) {
        Ok(value) if !value.is_empty() => Color::from_str(&value, false).map_err(|_| {
            WireError::new(
                ErrorKind::Usage,
                format!("`{VARIABLE}` must be `auto`, `always` or `never`, but is `{value}`"),
            )
        }),
        _ => Ok(Color::Auto),
    }
}
