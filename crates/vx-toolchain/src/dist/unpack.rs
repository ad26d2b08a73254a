//! Unpacking component archives in the layout of rust-installer, which may be hostile, file by file as they come.
//!
//! `NAME-VERSION/PART/PATH` becomes `PATH`. `NAME-VERSION/components` lists the parts, `PART/manifest.in` what belongs to
//! each. Nothing leads outside, neither by path nor by link; nothing is larger than it may be; nothing is there twice.

mod names;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::time::{Duration, SystemTime};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use tar::{Archive, Entry, EntryType};

use super::manifest::Format;
use names::{Announced, Names};

/// The dictionary of an xz archive, which has to be held in memory. Published ones use up to 128 MiB.
const XZ_MEMORY: u64 = 136 * 1024 * 1024;
/// The same for zstd, as a power of two.
const ZSTD_WINDOW: u32 = 26;
/// The list of what belongs to a component; the documentation's is the largest, with 1.5 MiB.
const LARGEST_LIST: u64 = 16 * 1024 * 1024;
/// What is written at once.
const BUFFER: usize = 256 * 1024;

/// A component archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// An entry lies outside of the toolchain.
    #[error("the archive has an entry outside of its directory: `{entry}`")]
    Escape {
        /// Its path.
        entry: String,
    },
    /// A link leads, or may lead, out of the toolchain.
    #[error("the archive has a link that leads outside of its directory: `{entry}` -> `{target}`")]
    Link {
        /// Its path.
        entry: String,
        /// Where it leads.
        target: String,
    },
    /// An entry is neither a file nor a directory nor a symbolic link.
    #[error("the archive has an entry that is no file, directory or symbolic link: `{entry}`")]
    Special {
        /// Its path.
        entry: String,
    },
    /// Two files have one path.
    #[error("the archive has a file that is already there: `{entry}`")]
    Twice {
        /// Its path.
        entry: String,
    },
    /// It unpacks to too much.
    #[error("the archive unpacks to more than {bytes} bytes or {entries} entries")]
    TooLarge {
        /// The bound in bytes.
        bytes: u64,
        /// The bound in entries.
        entries: u64,
    },
    /// It is no component archive.
    #[error("the archive is not a component: {reason}")]
    Layout {
        /// What is missing or too much.
        reason: String,
    },
    /// Nobody waits for it any more.
    #[error("unpacking was given up")]
    Cancelled,
    /// The archive is damaged, or the disk fails.
    #[error("the archive cannot be read, or its files cannot be written")]
    Io(#[from] io::Error),
}

/// What an archive may hold at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

impl Limits {
    /// For an archive of `size` bytes. The documentation has tens of thousands of files that are much alike.
    pub(super) fn of_archive(size: u64) -> Self {
        Self {
            bytes: size.saturating_mul(100).max(512 * 1024 * 1024),
            entries: 500_000,
        }
    }
}

/// A directory into which components are unpacked, one after another.
pub(crate) struct Unpacker<'a> {
    pub(super) directory: &'a Utf8Path,
    /// Asked before each entry.
    pub(super) is_cancelled: &'a dyn Fn() -> bool,
    /// Paths of symbolic links: nothing is written through them.
    links: BTreeSet<Utf8PathBuf>,
}

/// What was seen of an archive beside its files.
#[derive(Default)]
struct Seen {
    /// The directory that everything lies in.
    top: Option<String>,
    /// The text of `components`.
    parts: Option<String>,
    /// The texts of all `manifest.in`, by part.
    lists: Vec<(String, String)>,
    /// Directories that should be parts.
    directories: BTreeSet<String>,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(directory: &'a Utf8Path, is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self {
            directory,
            is_cancelled,
            links: BTreeSet::new(),
        }
    }

    /// Unpacks a component and answers its list: `file:PATH` or `dir:PATH`, one a line.
    pub(super) fn unpack(
        &mut self,
        archive: impl Read,
        format: Format,
        limits: Limits,
    ) -> Result<String, ComponentError> {
        let archive = BufReader::with_capacity(BUFFER, archive);
        match format {
            Format::Gz => self.unpack_tar(GzDecoder::new(archive), limits),
            Format::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED).map_err(io::Error::from)?;
                self.unpack_tar(XzDecoder::new_stream(archive, stream), limits)
            }
            Format::Zst => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(archive)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                self.unpack_tar(decoder, limits)
            }
        }
    }

    pub(crate) fn unpack_tar(&mut self, archive: impl Read, limits: Limits) -> Result<String, ComponentError> {
        let too_large = || ComponentError::TooLarge {
            bytes: limits.bytes,
            entries: limits.entries,
        };
        let mut left = limits;
        let mut seen = Seen::default();
        // The decoder stops at the limit whatever the headers say; a little more is for the headers themselves.
        let bounded = archive.take(limits.bytes.saturating_add(limits.entries.saturating_mul(1024)));
        let mut announced = Announced::default();
        for entry in Archive::new(bounded).entries()?.raw(true) {
            if (self.is_cancelled)() {
                return Err(ComponentError::Cancelled);
            }
            let mut entry = entry?;
            left.bytes = left.bytes.checked_sub(entry.size()).ok_or_else(too_large)?;
            left.entries = left.entries.checked_sub(1).ok_or_else(too_large)?;
            if !announced.note(&mut entry)? {
                let names = announced.names(&entry);
                self.unpack_entry(entry, &names, &mut seen)?;
            }
        }
        self.check(seen)
    }

    fn unpack_entry(
        &mut self,
        mut entry: Entry<'_, impl Read>,
        names: &Names,
        seen: &mut Seen,
    ) -> Result<(), ComponentError> {
        let escape = || ComponentError::Escape {
            entry: names.name.clone(),
        };
        let kind = entry.header().entry_type();
        let parts = plain_components(&names.name).ok_or_else(escape)?;
        let (top, rest) = parts.split_first().ok_or_else(escape)?;
        if *seen.top.get_or_insert_with(|| (*top).to_owned()) != **top {
            return Err(escape());
        }
        match rest {
            [] => Ok(()),
            [file] if kind.is_file() => {
                if *file == "components" {
                    seen.parts = Some(read_text(&mut entry)?);
                }
                Ok(())
            }
            [part, path @ ..] => {
                seen.directories.insert((*part).to_owned());
                match path {
                    [] => Ok(()),
                    ["manifest.in"] if kind.is_file() => {
                        seen.lists.push(((*part).to_owned(), read_text(&mut entry)?));
                        Ok(())
                    }
                    path => self.place(entry, kind, names, &path.iter().collect::<Utf8PathBuf>()),
                }
            }
        }
    }

    fn place(
        &mut self,
        mut entry: Entry<'_, impl Read>,
        kind: EntryType,
        names: &Names,
        path: &Utf8Path,
    ) -> Result<(), ComponentError> {
        let name = || names.name.clone();
        if path.ancestors().any(|ancestor| self.links.contains(ancestor)) {
            return Err(ComponentError::Escape { entry: name() });
        }
        let target = self.directory.join(path);
        if kind.is_dir() {
            return Ok(std::fs::create_dir_all(&target)?);
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let once = |created: io::Result<()>| match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(ComponentError::Twice { entry: name() }),
            created => Ok(created?),
        };
        match kind {
            EntryType::Regular | EntryType::Continuous => once(write(&mut entry, &target)),
            EntryType::Symlink => {
                if !stays_inside(path, &names.link) {
                    return Err(ComponentError::Link {
                        entry: name(),
                        target: names.link.clone(),
                    });
                }
                once(symlink(&names.link, &target))?;
                self.links.insert(path.to_owned());
                Ok(())
            }
            _ => Err(ComponentError::Special { entry: name() }),
        }
    }

    /// Whether everything came that the archive itself lists.
    fn check(&self, seen: Seen) -> Result<String, ComponentError> {
        let layout = |reason: String| ComponentError::Layout { reason };
        let Some(parts) = seen.parts else {
            return Err(layout("it does not list its parts".to_owned()));
        };
        let parts: BTreeSet<&str> = parts.lines().collect();
        if let Some(stray) = seen.directories.iter().find(|name| !parts.contains(name.as_str())) {
            return Err(layout(format!("`{stray}` is not among its parts")));
        }
        if let Some(part) = parts
            .iter()
            .find(|part| !seen.lists.iter().any(|(name, _)| name == *part))
        {
            return Err(layout(format!("its part `{part}` has no list of files")));
        }
        let list: String = seen.lists.iter().map(|(_, list)| list.as_str()).collect();
        for line in list.lines() {
            let path = line.strip_prefix("file:").or_else(|| line.strip_prefix("dir:"));
            let is_there = path.is_some_and(|path| {
                plain_components(path).is_some() && self.directory.join(path).symlink_metadata().is_ok()
            });
            if !is_there {
                return Err(layout(format!("it lists what it does not hold: `{line}`")));
            }
        }
        Ok(list)
    }
}

/// The components of a path that leads downwards and nowhere else.
fn plain_components(path: &str) -> Option<Vec<&str>> {
    if path.contains(['\0', '\\', char::REPLACEMENT_CHARACTER]) {
        return None;
    }
    let components = Utf8Path::new(path).components().map(|component| match component {
        Utf8Component::Normal(name) => Some(name),
        _ => None,
    });
    components.collect()
}

/// Whether a link at `path` to `target` leads to something in the toolchain, whatever other links there are.
///
/// It may go up at its beginning only, and no further than to the top: `path` has no link among its parents, so these
/// steps are what they seem. Downwards it may meet other links, which lead inside as well.
fn stays_inside(path: &Utf8Path, target: &str) -> bool {
    let target = Utf8Path::new(target);
    let ups = target
        .components()
        .take_while(|component| matches!(component, Utf8Component::ParentDir))
        .count();
    let rest = target.components().skip(ups);
    let depth = path.components().count() - 1;
    ups <= depth
        && !target.as_str().is_empty()
        && !target.as_str().contains(['\0', '\\', char::REPLACEMENT_CHARACTER])
        && rest
            .into_iter()
            .all(|component| matches!(component, Utf8Component::Normal(_)))
}

fn read_text(entry: &mut impl Read) -> Result<String, ComponentError> {
    let mut text = String::new();
    entry.take(LARGEST_LIST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_LIST {
        return Err(ComponentError::Layout {
            reason: "a list in it is too large".to_owned(),
        });
    }
    Ok(text)
}

/// Writes a new file that nobody is to change. It keeps its time, which says that it has been as it is for long.
fn write(entry: &mut Entry<'_, impl Read>, path: &Utf8Path) -> io::Result<()> {
    let header = entry.header();
    let is_executable = header.mode()? & 0o111 != 0;
    let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(header.mtime()?));
    let mut file = BufWriter::with_capacity(BUFFER, File::create_new(path)?);
    let size = entry.size();
    if io::copy(entry, &mut file)? != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.flush()?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    // A time that the file system cannot express is left out.
    let _ = modified.map(|modified| file.set_modified(modified));
    cfg_if::cfg_if! {
        if #[cfg(unix)] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = if is_executable { 0o555 } else { 0o444 };
            file.set_permissions(std::fs::Permissions::from_mode(mode))
        } else {
            let _ = is_executable;
            Ok(())
        }
    }
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        fn symlink(target: &str, at: &Utf8Path) -> io::Result<()> {
            std::os::unix::fs::symlink(target, at)
        }
    } else {
        fn symlink(target: &str, at: &Utf8Path) -> io::Result<()> {
            std::os::windows::fs::symlink_file(target, at)
        }
    }
}

#[cfg(test)]
mod tests;
