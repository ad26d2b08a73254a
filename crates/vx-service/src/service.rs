//! The three services by name.

use std::ffi::OsStr;
use std::fmt;

use vx_home::env;
use vx_proto::{ErrorKind, WireError};
use vx_transport::{CallError, ConnectError};

/// A service process of a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Builds; parent of the other two.
    Daemon,
    /// casd: the store.
    Cas,
    /// execd: runs actions.
    Exec,
}

impl Service {
    /// All of them, children first: the order in which they are ended.
    pub const ALL: [Self; 3] = [Self::Exec, Self::Cas, Self::Daemon];

    /// The name of its files in `$VX_HOME/run` and `$VX_HOME/log`, and of its line in `vx status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Cas => "cas",
            Self::Exec => "exec",
        }
    }

    /// The hidden subcommand of `vx` that is this service.
    pub fn subcommand(self) -> &'static str {
        match self {
            Self::Daemon => "__daemon",
            Self::Cas => "__casd",
            Self::Exec => "__execd",
        }
    }

    /// The service that the first argument of `vx` names.
    pub fn of_argument(argument: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|service| argument == service.subcommand())
    }

    /// The variable that fixes its endpoint.
    pub fn endpoint_variable(self) -> &'static str {
        match self {
            Self::Daemon => env::VX_DAEMON,
            Self::Cas => env::VX_CAS,
            Self::Exec => env::VX_EXEC,
        }
    }

    /// A connection to the service that could not be made.
    pub fn unreachable(self, error: &ConnectError) -> WireError {
        WireError::new(ErrorKind::Unavailable, format!("cannot connect to {self}")).caused_by(error)
    }

    /// A call to the service without an answer.
    pub fn unanswered(self, error: &CallError) -> WireError {
        WireError::new(ErrorKind::Unavailable, format!("{self} did not answer"))
            .caused_by(error)
            .with_help("run the command again; the log files are in `$VX_HOME/log`")
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Daemon => "vx daemon",
            Self::Cas => "vx casd",
            Self::Exec => "vx execd",
        })
    }
}
