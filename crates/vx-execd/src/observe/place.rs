//! Where a path of a call leads.

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::Pid;
use vx_path::{LastLink, Resolved, is_special, resolve_with};

use super::special::magic;

/// Where `path` leads for the process or thread `pid`, from the absolute directory `base`; `None` if it leads to
/// something without a path.
pub(super) fn place(pid: Pid, base: &Utf8Path, path: &Utf8Path, last: LastLink) -> Option<Resolved> {
    plain(base, path, last).or_else(|| resolve_with(base, path, last, &|path| magic(pid, path)))
}

/// The usual case, decided by the kernel in one call: a path without `..` on which there is no link.
fn plain(base: &Utf8Path, path: &Utf8Path, last: LastLink) -> Option<Resolved> {
    let text = path.as_str();
    if text.split('/').any(|component| component == "..") {
        return None;
    }
    let whole = base.join(path);
    let mut plain = Utf8PathBuf::with_capacity(whole.as_str().len());
    plain.push("/");
    plain.extend(
        whole
            .as_str()
            .split('/')
            .filter(|component| !matches!(*component, "" | ".")),
    );
    if is_special(&plain) {
        return None;
    }
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    if last == LastLink::Keep && !text.ends_with('/') {
        flags |= OFlags::NOFOLLOW;
    }
    let found = openat2(CWD, plain.as_str(), flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let is_plain = matches!(found, Ok(_) | Err(Errno::NOENT | Errno::NOTDIR));
    is_plain.then(|| Resolved {
        path: plain,
        ..Resolved::default()
    })
}
