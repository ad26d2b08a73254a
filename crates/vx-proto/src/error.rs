//! Errors as they are sent: a kind for programs, a message and a hint for people.

use std::error::Error;
use std::iter;

use facet::Facet;

/// What kind of failure it was; decides the exit code.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ErrorKind {
    /// The user's command or configuration is invalid.
    Usage,
    /// The user's project needs something that vx does not support yet.
    Unsupported,
    /// Cargo, a compiler or a build script failed; what it said has been shown.
    BuildFailed,
    /// The build was cancelled.
    Cancelled,
    /// The daemon is busy and may not be replaced or stopped.
    Busy,
    /// A download failed or did not have the expected content.
    Download,
    /// A service did not answer, or died.
    Unavailable,
    /// The daemon is shutting down and begins nothing; its successor will.
    Ending,
    /// The disk, the store or another part of the machine failed.
    Machine,
    /// A bug in vx.
    Internal,
}

/// A failure: what failed, on what, why, and what to do about it.
#[derive(Facet, Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    /// For programs.
    pub kind: ErrorKind,
    /// What failed and on what, in one line, starting in lower case, without a full stop.
    pub message: String,
    /// Why, outermost cause first.
    pub causes: Vec<String>,
    /// What the person can do.
    pub help: Option<String>,
}

impl WireError {
    /// A failure without causes or a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            help: None,
        }
    }

    /// A failure made from `error` and its chain of sources.
    pub fn from_error(kind: ErrorKind, error: &dyn Error) -> Self {
        Self {
            causes: chain(error.source()).collect(),
            ..Self::new(kind, error.to_string())
        }
    }

    /// Adds `error` and its chain of sources to the causes.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn Error) -> Self {
        self.causes.extend(chain(Some(error)));
        self
    }

    /// Adds a cause that is not an error value.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Says what failed because of this failure: `message` replaces the message, which becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let cause = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, cause);
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

fn chain<'a>(error: Option<&'a (dyn Error + 'a)>) -> impl Iterator<Item = String> {
    iter::successors(error, |&error| error.source()).map(ToString::to_string)
}

/// What a service answers.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum Reply<T> {
    /// It was done.
    Ok(T),
    /// It was not done.
    Err(WireError),
}

impl<T> Reply<T> {
    /// As the type that Rust's `?` knows.
    pub fn into_result(self) -> Result<T, WireError> {
        match self {
            Self::Ok(value) => Ok(value),
            Self::Err(error) => Err(error),
        }
    }
}

impl<T, E: Into<WireError>> From<Result<T, E>> for Reply<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `x`")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is on fire")]
    struct Inner;

    #[test]
    fn causes_go_from_the_outermost_to_the_innermost() {
        let error = WireError::from_error(ErrorKind::Machine, &Outer(Inner));
        let wrapped = error.context("cannot build").with_cause("somebody smoked");
        assert_eq!(wrapped.message, "cannot build");
        assert_eq!(
            wrapped.causes,
            ["cannot read `x`", "the disk is on fire", "somebody smoked"]
        );
        let same = WireError::new(ErrorKind::Machine, "cannot build").caused_by(&Outer(Inner));
        assert_eq!(same.causes, wrapped.causes[..2]);
    }
}
