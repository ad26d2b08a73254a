//! What a running service publishes about itself: `$VX_HOME/run/SERVICE.json`.
//!
//! A file proves nothing: its process may be dead, and its endpoint may belong to another process by now. It is
//! believed only while the service's [`Lock`](crate::Lock) is held.

use std::fs;
use std::io::{self, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vx_home::VxHome;
use vx_proto::{ErrorKind, WireError};

use crate::{ProcessId, Service};

/// Where a service is and who it is. The format is read by other versions of vx: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFile {
    /// Where it listens, as `vx_transport::Endpoint` prints it.
    pub endpoint: String,
    /// Its process.
    #[serde(flatten)]
    pub process: ProcessId,
    /// Its build version.
    pub version: String,
}

/// A run file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// The file system refused.
    #[error("cannot access `{path}`")]
    Io {
        /// The run file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what a service writes.
    #[error("`{path}` is not a valid run file")]
    Malformed {
        /// The run file.
        path: Utf8PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl From<RunFileError> for WireError {
    fn from(error: RunFileError) -> Self {
        let wire = Self::from_error(ErrorKind::Machine, &error);
        match error {
            RunFileError::Malformed { .. } => wire.with_help("remove the file"),
            RunFileError::Io { .. } => wire,
        }
    }
}

impl RunFile {
    /// Publishes atomically: readers see the old file or the new one.
    pub fn publish(&self, home: &VxHome, service: Service) -> Result<(), RunFileError> {
        let path = home.run_file(service.name());
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(home.run())?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|source| RunFileError::Io {
            path: path.clone(),
            source,
        })
    }

    /// What is published; `None` if nothing is.
    pub fn read(home: &VxHome, service: Service) -> Result<Option<Self>, RunFileError> {
        let path = home.run_file(service.name());
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RunFileError::Io { path, source }),
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|source| RunFileError::Malformed { path, source })
    }

    /// Removes what `service` published; only for the holder of its lock, or once the lock is known to be free.
    pub fn remove(home: &VxHome, service: Service) -> Result<(), RunFileError> {
        let path = home.run_file(service.name());
        remove_if_there(&path).map_err(|source| RunFileError::Io { path, source })
    }
}

fn remove_if_there(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_gives_what_was_published_until_it_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let home = VxHome::new(Utf8Path::from_path(directory.path()).unwrap());
        fs::create_dir(home.run()).unwrap();
        assert_eq!(RunFile::read(&home, Service::Cas).unwrap(), None);
        let file = RunFile {
            endpoint: "127.0.0.1:1".to_owned(),
            process: ProcessId { pid: 1, started: 2 },
            version: "0.1.0".to_owned(),
        };
        file.publish(&home, Service::Cas).unwrap();
        assert_eq!(RunFile::read(&home, Service::Cas).unwrap(), Some(file));
        RunFile::remove(&home, Service::Cas).unwrap();
        RunFile::remove(&home, Service::Cas).unwrap();
        assert_eq!(RunFile::read(&home, Service::Cas).unwrap(), None);
    }

    #[test]
    fn a_later_version_may_say_more() {
        let text = r#"{"endpoint":"127.0.0.1:1","pid":1,"started":2,"version":"9.0.0","more":[]}"#;
        let file: RunFile = serde_json::from_str(text).unwrap();
        assert_eq!(file.process, ProcessId { pid: 1, started: 2 });
    }
}
