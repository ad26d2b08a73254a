//! The file of a Unix socket: created in a private directory, replaced when stale, removed if still ours.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use crate::token::create_private_directory;
use crate::{BindError, Endpoint, endpoint};

/// The file of a socket that this process listens on. It is removed on drop, unless another one has replaced it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: Utf8PathBuf,
    identity: Identity,
}

/// Distinguishes files. The inode number of a removed file is soon reused, so the time of its last change counts too:
/// seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Identity {
    fn of(path: &Utf8Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Listens at `path`.
pub(crate) fn bind(path: &Utf8Path) -> Result<(UnixListener, SocketFile), BindError> {
    let endpoint = || Endpoint::Unix(path.to_owned());
    endpoint::check_socket_path(path).map_err(|kind| BindError::Refused {
        endpoint: endpoint(),
        kind,
    })?;
    let failed = |source| BindError::Io {
        endpoint: endpoint(),
        source,
    };
    // A path that was checked has a parent.
    let directory = path.parent().unwrap_or(Utf8Path::new("/"));
    create_private_directory(directory).map_err(failed)?;
    check_private(directory, &fs::metadata(directory).map_err(failed)?)?;
    let _lock = lock(directory).map_err(failed)?;
    match find(path).map_err(failed)? {
        Found::Nothing => {}
        Found::Stale => fs::remove_file(path).map_err(failed)?,
        Found::Answering => return Err(BindError::InUse { endpoint: endpoint() }),
        Found::Other => return Err(BindError::NotASocket { path: path.to_owned() }),
    }
    listen(path).map_err(failed)
}

fn listen(path: &Utf8Path) -> io::Result<(UnixListener, SocketFile)> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: Identity::of(path)?,
    };
    Ok((listener, file))
}

fn check_private(directory: &Utf8Path, metadata: &fs::Metadata) -> Result<(), BindError> {
    let mode = metadata.mode() & 0o7777;
    if metadata.uid() == rustix::process::geteuid().as_raw() && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(BindError::DirectoryExposed {
        directory: directory.to_owned(),
        owner: metadata.uid(),
        mode,
    })
}

/// Held while a socket is checked and replaced or removed: two processes must not both find the same one stale.
fn lock(directory: &Utf8Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    directory.lock()?;
    Ok(directory)
}

/// What is at the path of a socket.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A socket that nobody listens on.
    Stale,
    /// A socket that somebody listens on.
    Answering,
    /// Something else.
    Other,
}

fn find(path: &Utf8Path) -> io::Result<Found> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => return Ok(Found::Other),
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A listener whose queue is full would let the probe wait.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(Found::Answering),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused => Ok(Found::Stale),
            ErrorKind::NotFound => Ok(Found::Nothing),
            ErrorKind::WouldBlock => Ok(Found::Answering),
            _ => Err(error),
        },
    }
}

impl SocketFile {
    fn is_still_there(&self) -> bool {
        Identity::of(&self.path).is_ok_and(|found| found == self.identity)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _lock = self.path.parent().and_then(|directory| lock(directory).ok());
        if self.is_still_there()
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path, %error, "cannot remove a socket");
        }
    }
}

#[cfg(test)]
mod tests;
