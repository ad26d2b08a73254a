//! The readiness signal: one line of JSON from a starting service to its starter, over the service's standard output.

use std::fs::File;
use std::io::{self, Write as _};

use serde::{Deserialize, Serialize};
use vx_proto::{ErrorKind, WireError};

use crate::RunFile;

/// The one report of a service: that it is ready, or never will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StartReport {
    /// It answers at the endpoint.
    Ready(RunFile),
    /// It ends now.
    Failed(StartFailure),
}

/// Why a service could not start; passed from service to starter to user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct StartFailure {
    /// What failed, on what.
    pub message: String,
    /// Why, outermost cause first.
    pub causes: Vec<String>,
    /// What the user can do.
    pub help: Option<String>,
}

impl From<WireError> for StartFailure {
    fn from(error: WireError) -> Self {
        Self {
            message: error.message,
            causes: error.causes,
            help: error.help,
        }
    }
}

impl From<StartFailure> for WireError {
    fn from(failure: StartFailure) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            message: failure.message,
            causes: failure.causes,
            help: failure.help,
        }
    }
}

/// The service's end of the pipe. Dropping it without a report means to the starter that the service died.
#[derive(Debug)]
pub struct Reporter {
    pipe: File,
}

impl Reporter {
    /// Takes the standard output of this process, which is then discarded.
    pub fn take_standard_output() -> io::Result<Self> {
        let pipe = system::take_standard_output()?;
        Ok(Self { pipe })
    }

    /// Reports and closes the pipe. A starter that is gone does not matter to the service.
    pub(crate) fn send(mut self, report: &StartReport) {
        let sent = serde_json::to_vec(report)
            .map_err(io::Error::from)
            .and_then(|line| self.pipe.write_all(&line));
        if let Err(error) = sent {
            tracing::info!(%error, "nobody waits for the start report");
        }
    }
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        mod system {
            use std::fs::{File, OpenOptions};
            use std::io;
            use std::os::fd::AsFd as _;

            /// Moves standard output away and replaces it with the null device.
            pub(super) fn take_standard_output() -> io::Result<File> {
                let pipe = io::stdout().as_fd().try_clone_to_owned()?;
                let null = OpenOptions::new().write(true).open("/dev/null")?;
                rustix::stdio::dup2_stdout(null)?;
                Ok(File::from(pipe))
            }
        }
    } else {
        mod system {
            use std::fs::File;
            use std::io;

            pub(super) fn take_standard_output() -> io::Result<File> {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }
}
