//! Where a path of a call leads.

use std::borrow::Cow;
use std::cell::Cell;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::Pid;
use vx_path::{LastLink, Magic, Resolved, is_special, resolve_with};

use super::special::magic;
use super::view::{Meaning, View};

/// What a path means that a process has named.
#[derive(Debug)]
pub(super) enum Place {
    /// Something of the machine.
    At {
        place: Resolved,
        /// Whether a link of `/proc` is on the way, which may lead elsewhere at any time.
        by_magic: bool,
    },
    /// Nothing that counts: something without a path.
    Nowhere,
    /// Something that is not there: see [`Meaning::Search`].
    Search(Utf8PathBuf),
    /// Something that the process does not find as it would without its view.
    Left,
}

/// Where `path` leads for the process or thread `pid`, which has this `view`, from the absolute directory `base`.
pub(super) fn place(view: &View, pid: Pid, base: &Utf8Path, path: &Utf8Path, last: LastLink) -> Place {
    let by_magic = Cell::new(false);
    let follow = |path: &Utf8Path| {
        let magic = magic(pid, path);
        by_magic.set(by_magic.get() || magic != Magic::No);
        magic
    };
    let seen =
        plain(view, base, path, last).or_else(|| resolve_with(base, path, last, &follow, &|path| view.real(path)));
    match seen {
        // The usual case, in which nothing is copied.
        Some(place) if view.is_empty() => Place::At {
            place,
            by_magic: by_magic.get(),
        },
        Some(seen) => outside(view, seen, by_magic.get()),
        None => Place::Nowhere,
    }
}

/// A place as a process sees it, outside.
fn outside(view: &View, seen: Resolved, by_magic: bool) -> Place {
    let path = match view.meaning(&seen.path) {
        Meaning::Path(path) => path,
        Meaning::Search(path) => return Place::Search(path),
        Meaning::Left => return Place::Left,
    };
    let mut passed = Vec::with_capacity(seen.passed.len());
    for way in seen.passed {
        match view.meaning(&way) {
            Meaning::Path(path) => passed.push(path),
            Meaning::Search(_) | Meaning::Left => return Place::Left,
        }
    }
    let climbed_from = seen.climbed_from.map(|from| view.real(&from).into_owned());
    Place::At {
        place: Resolved {
            path,
            passed,
            climbed_from,
        },
        by_magic,
    }
}

/// The usual case, decided by the kernel in one call: a path on which there is no link.
fn plain(view: &View, base: &Utf8Path, path: &Utf8Path, last: LastLink) -> Option<Resolved> {
    let whole = base.join(path);
    let plain = Resolved::without_links(&whole);
    if is_special(&plain.path) || plain.passed.iter().any(|passed| is_special(passed)) {
        return None;
    }
    let climbs = plain.climbed_from.is_some();
    if climbs && view.top().is_some_and(|top| whole.starts_with(top)) {
        return None;
    }
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    if last == LastLink::Keep && !path.as_str().ends_with('/') {
        flags |= OFlags::NOFOLLOW;
    }
    let real = if climbs {
        Cow::Borrowed(&*whole)
    } else {
        view.real(&plain.path)
    };
    let found = openat2(CWD, real.as_str(), flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    match found {
        Ok(_) => Some(plain),
        // Nobody knows what is above something that is not there.
        Err(Errno::NOENT | Errno::NOTDIR) => (!climbs).then_some(plain),
        Err(_) => None,
    }
}
