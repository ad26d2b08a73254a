//! Resolves paths as the kernel does, and says what decided where they lead: every symbolic link on the way, and every
//! directory that a `..` left.
//!
//! Nothing here knows about roots, keys or processes.

mod was;

use std::borrow::Cow;
use std::collections::VecDeque;

use camino::{Utf8Path, Utf8PathBuf};

pub use was::{Stamp, Was};

/// File systems whose content the kernel makes when it is read.
const SPECIAL: [&str; 3] = ["/proc", "/dev", "/sys"];

/// Directories below them that hold ordinary files.
const ORDINARY: [&str; 2] = ["/dev/shm", "/dev/mqueue"];

/// As many links as the kernel follows for one path.
const MAX_LINKS: usize = 40;

/// What to do with a symbolic link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    /// Follow it, as `open` and `stat` do.
    Follow,
    /// Stop at the link itself, as `lstat` and `unlink` do. A path that ends with a slash is followed all the same.
    Keep,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// Absolute, without links, `.` and `..`. Nothing may be there, or a link that was not followed.
    pub path: Utf8PathBuf,
    /// What decided that besides the text: links that were followed and directories that a `..` left, in order, each as
    /// a path without links.
    pub passed: Vec<Utf8PathBuf>,
    /// The directory that the first `..` left.
    pub climbed_from: Option<Utf8PathBuf>,
}

/// How a link leads on where its text does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Magic {
    /// It is an ordinary link, or none.
    No,
    /// It leads to this absolute path, which has no links.
    To(Utf8PathBuf),
    /// It leads to something without a path, such as a pipe.
    Nowhere,
}

/// Whether `path` is in a file system whose content the kernel makes when it is read, so that it cannot be keyed.
pub fn is_special(path: &Utf8Path) -> bool {
    let is_in = |roots: &[&str]| roots.iter().any(|root| is_below(path.as_str(), root));
    is_in(&SPECIAL) && !is_in(&ORDINARY)
}

/// Whether `path` is `directory` or below it, by their texts: both are absolute, without `.`, `..` and doubled slashes.
/// Much faster than to compare components.
pub fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Resolves `path`, from the absolute directory `base` if it is relative.
pub fn resolve(base: &Utf8Path, path: &Utf8Path, last: LastLink) -> Resolved {
    // Without magic there is always a path.
    resolve_with(base, path, last, &|_| Magic::No, &|path| path.into()).unwrap_or_default()
}

/// The same, where `magic` says how links of `/proc` lead on, and `real` where what is seen at a path is; `None` if what
/// such a link names has no path.
pub fn resolve_with(
    base: &Utf8Path,
    path: &Utf8Path,
    last: LastLink,
    magic: &dyn Fn(&Utf8Path) -> Magic,
    real: &dyn for<'a> Fn(&'a Utf8Path) -> Cow<'a, Utf8Path>,
) -> Option<Resolved> {
    let mut resolved = Resolved {
        path: "/".into(),
        ..Resolved::default()
    };
    let mut rest = VecDeque::new();
    if !path.as_str().starts_with('/') {
        push_front(&mut rest, base.as_str());
    }
    rest.extend(path.as_str().split('/').map(str::to_owned));
    let mut links = 0;
    while let Some(component) = rest.pop_front() {
        match component.as_str() {
            "" | "." => continue,
            ".." => {
                resolved.climb();
                continue;
            }
            name => resolved.path.push(name),
        }
        match magic(&resolved.path) {
            Magic::Nowhere => return None,
            Magic::To(target) => {
                resolved.path = target;
                continue;
            }
            Magic::No => {}
        }
        if rest.is_empty() && last == LastLink::Keep {
            break;
        }
        let Some(target) = target(&real(&resolved.path)) else {
            continue;
        };
        links += 1;
        resolved.pass(resolved.path.clone());
        if links > MAX_LINKS {
            // The call fails, because of the links that were passed.
            break;
        }
        resolved.path.pop();
        if target.starts_with('/') {
            resolved.path = "/".into();
        }
        push_front(&mut rest, &target);
    }
    Some(resolved)
}

impl Resolved {
    /// Where `path`, an absolute one, leads if there is no link on the way.
    pub fn without_links(path: &Utf8Path) -> Self {
        let mut resolved = Self {
            path: Utf8PathBuf::with_capacity(path.as_str().len()),
            ..Self::default()
        };
        resolved.path.push("/");
        for component in path.as_str().split('/') {
            match component {
                "" | "." => {}
                ".." => resolved.climb(),
                name => resolved.path.push(name),
            }
        }
        resolved
    }

    fn climb(&mut self) {
        if self.path != "/" {
            self.climbed_from.get_or_insert_with(|| self.path.clone());
            self.pass(self.path.clone());
            self.path.pop();
        }
    }

    fn pass(&mut self, path: Utf8PathBuf) {
        if !self.passed.contains(&path) {
            self.passed.push(path);
        }
    }
}

fn push_front(rest: &mut VecDeque<String>, text: &str) {
    for component in text.split('/').rev() {
        rest.push_front(component.to_owned());
    }
}

/// The target of the link at `path`, if it is one. What is not UTF-8 in it is replaced:
/// nothing that vx can name lies behind it.
fn target(path: &Utf8Path) -> Option<String> {
    let target = std::fs::read_link(path).ok()?;
    Some(target.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// `real/deep/file`, `link` to `real/deep`, and `chain` to `link`.
    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        fs::write(root.join("real/deep/file"), "").unwrap();
        symlink("real/deep", root.join("link")).unwrap();
        symlink(root.join("link"), root.join("chain")).unwrap();
        (dir, root)
    }

    fn follow(base: &Utf8Path, path: &str) -> Resolved {
        resolve(base, path.into(), LastLink::Follow)
    }

    #[test]
    fn shared_memory_holds_ordinary_files() {
        assert!(!is_special("/dev/shm/work/x".into()));
        assert!(!is_special("/developer".into()));
        for path in ["/dev/null", "/proc/1/environ", "/sys/x"] {
            assert!(is_special(path.into()), "{path}");
        }
    }

    #[test]
    fn a_plain_path_passes_nothing() {
        let (_dir, root) = tree();
        let plain = follow(&root, "real/./deep//file");
        assert_eq!(plain.path, root.join("real/deep/file"));
        assert!(plain.passed.is_empty() && plain.climbed_from.is_none());
        assert_eq!(follow(&root, "absent/x").path, root.join("absent/x"));
        assert_eq!(follow("/".into(), "/../..").path, "/");
    }

    #[test]
    fn each_link_on_the_way_is_passed() {
        let (_dir, root) = tree();
        let through = follow(&root, "chain/file");
        assert_eq!(through.path, root.join("real/deep/file"));
        assert_eq!(through.passed, [root.join("chain"), root.join("link")]);
    }

    #[test]
    fn a_link_at_the_end_is_followed_only_on_request() {
        let (_dir, root) = tree();
        let keep = |path: &str| resolve(&root, path.into(), LastLink::Keep);
        assert_eq!(keep("link").path, root.join("link"));
        assert!(keep("link").passed.is_empty());
        assert_eq!(keep("link/").path, root.join("real/deep"));
        assert_eq!(follow(&root, "link").path, root.join("real/deep"));
    }

    #[test]
    fn parents_are_those_of_what_a_link_leads_to() {
        let (_dir, root) = tree();
        let plain = root.join("real/deep/.././/file");
        assert_eq!(Resolved::without_links(&plain), follow(&root, plain.as_str()));
        let up = follow(&root, "link/../x");
        assert_eq!(up.path, root.join("real/x"));
        assert_eq!(up.passed, [root.join("link"), root.join("real/deep")]);
        assert_eq!(up.climbed_from, Some(root.join("real/deep")));
    }

    #[test]
    fn endless_links_end() {
        let (_dir, root) = tree();
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(follow(&root, "loop/x").passed, [root.join("loop")]);
    }

    #[test]
    fn magic_links_lead_where_they_are_said_to() {
        let (_dir, root) = tree();
        let magic = |path: &Utf8Path| match path.file_name() {
            Some("cwd") => Magic::To(root.join("real")),
            Some("pipe") => Magic::Nowhere,
            _ => Magic::No,
        };
        let through = |path: &str| resolve_with(&root, path.into(), LastLink::Follow, &magic, &|path| path.into());
        let file = through("cwd/deep/file").unwrap();
        assert_eq!((file.path, file.passed), (root.join("real/deep/file"), Vec::new()));
        assert_eq!(through("pipe"), None);
    }

    #[test]
    fn links_are_read_where_they_are() {
        let (_dir, root) = tree();
        let seen = resolve_with(
            "/seen".into(),
            "link/file".into(),
            LastLink::Follow,
            &|_| Magic::No,
            &|path| match path.strip_prefix("/seen") {
                Ok(below) => Cow::Owned(root.join(below)),
                Err(_) => Cow::Borrowed(path),
            },
        );
        assert_eq!(seen.unwrap().path, "/seen/real/deep/file");
    }
}
