//! `Unpacker`: turns entries of tar files into files, directories and links of one directory, and nothing else.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use tar::{Archive, Entry, EntryType};

use super::names::{Announced, Names};
use super::paths::{plain_components, stays_inside};
use super::{ArchiveError, Format};

/// The most that is written at once.
const BUFFER: usize = 256 * 1024;

/// What an archive may hold at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

/// What is allowed in some kinds of archives, and not in others.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Symbolic links that stay inside are created; otherwise all links are refused.
    pub has_links: bool,
    /// A file replaces an earlier one at the same path, as with `tar`; otherwise it is refused.
    pub replaces: bool,
    /// Files keep the time in the archive, which marks them as long unchanged. Old packages have no time that can be read.
    pub keeps_times: bool,
    /// In names that are not UTF-8, what cannot be read is replaced; otherwise such names are refused.
    pub replaces_invalid_utf8: bool,
}

/// Where an entry goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To this path below the directory; an empty one is the directory itself.
    Path(Utf8PathBuf),
    /// Nowhere: it describes the archive, or is not needed.
    Nowhere,
    /// Outside the archive's directory, so the archive is refused.
    Outside,
}

/// Decides where the entries of an archive go.
pub trait Layout {
    /// The destination of the entry at `path`, which only leads down. The `content` of a file may be read if the answer
    /// is [`Destination::Nowhere`].
    fn destination(
        &mut self,
        path: &[&str],
        is_file: bool,
        content: &mut dyn Read,
    ) -> Result<Destination, ArchiveError>;
}

/// A directory into which archives are unpacked, one after another.
pub struct Unpacker<'a> {
    directory: &'a Utf8Path,
    rules: Rules,
    /// Asked before each entry.
    is_cancelled: &'a dyn Fn() -> bool,
    /// Paths of symbolic links: nothing is written through them.
    links: BTreeSet<Utf8PathBuf>,
}

impl<'a> Unpacker<'a> {
    /// For `directory`, which exists and is empty. `is_cancelled` is called before each entry.
    pub fn new(directory: &'a Utf8Path, rules: Rules, is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self {
            directory,
            rules,
            is_cancelled,
            links: BTreeSet::new(),
        }
    }

    /// Whether something is at `path` below the directory; nothing is at paths that lead elsewhere.
    pub fn has(&self, path: &str) -> bool {
        plain_components(path).is_some() && self.directory.join(path).symlink_metadata().is_ok()
    }

    /// Unpacks an archive.
    pub fn unpack(
        &mut self,
        archive: impl Read,
        format: Format,
        limits: Limits,
        layout: &mut dyn Layout,
    ) -> Result<(), ArchiveError> {
        self.unpack_tar(format.decoder(archive)?, limits, layout)
    }

    /// Unpacks an archive that is decompressed.
    pub fn unpack_tar(
        &mut self,
        archive: impl Read,
        limits: Limits,
        layout: &mut dyn Layout,
    ) -> Result<(), ArchiveError> {
        let too_large = || ArchiveError::TooLarge {
            bytes: limits.bytes,
            entries: limits.entries,
        };
        let mut left = limits;
        // The decoder stops at the limit, whatever the headers say; the rest is for the headers themselves.
        let bounded = archive.take(limits.bytes.saturating_add(limits.entries.saturating_mul(1024)));
        let mut announced = Announced::default();
        for entry in Archive::new(bounded).entries()?.raw(true) {
            if (self.is_cancelled)() {
                return Err(ArchiveError::Cancelled);
            }
            let mut entry = entry?;
            left.bytes = left.bytes.checked_sub(entry.size()).ok_or_else(too_large)?;
            left.entries = left.entries.checked_sub(1).ok_or_else(too_large)?;
            if !announced.note(&mut entry)? {
                let names = announced.names(&entry);
                self.unpack_entry(entry, &names, layout)?;
            }
        }
        Ok(())
    }

    /// Adds a read-only file, which replaces what archives have unpacked at this path.
    pub fn add(&mut self, path: &Utf8Path, content: &[u8]) -> io::Result<()> {
        let path = self.directory.join(path);
        make_parent(&path)?;
        let mut file = create(&path, true)?;
        file.write_all(content)?;
        protect(&file, false)
    }

    fn unpack_entry(
        &mut self,
        mut entry: Entry<'_, impl Read>,
        names: &Names,
        layout: &mut dyn Layout,
    ) -> Result<(), ArchiveError> {
        let kind = entry.header().entry_type();
        let is_invalid = names.name.contains(char::REPLACEMENT_CHARACTER) && !self.rules.replaces_invalid_utf8;
        let destination = match plain_components(&names.name).filter(|_| !is_invalid) {
            Some(path) => layout.destination(&path, kind.is_file(), &mut entry)?,
            None => Destination::Outside,
        };
        match destination {
            Destination::Path(path) => self.write_entry(entry, kind, names, &path),
            Destination::Nowhere => Ok(()),
            Destination::Outside => Err(ArchiveError::Escape {
                entry: names.name.clone(),
            }),
        }
    }

    fn write_entry(
        &mut self,
        mut entry: Entry<'_, impl Read>,
        kind: EntryType,
        names: &Names,
        path: &Utf8Path,
    ) -> Result<(), ArchiveError> {
        let name = || names.name.clone();
        if path.ancestors().any(|ancestor| self.links.contains(ancestor)) {
            return Err(ArchiveError::Escape { entry: name() });
        }
        let target = self.directory.join(path);
        if kind.is_dir() {
            return Ok(std::fs::create_dir_all(&target)?);
        }
        make_parent(&target)?;
        let once = |created: io::Result<()>| match created {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(ArchiveError::Twice { entry: name() }),
            created => Ok(created?),
        };
        match kind {
            EntryType::Regular | EntryType::Continuous => once(write(&mut entry, &target, self.rules)),
            EntryType::Symlink if self.rules.has_links => {
                if !stays_inside(path, &names.link) {
                    return Err(ArchiveError::Link {
                        entry: name(),
                        target: names.link.clone(),
                    });
                }
                once(symlink(&names.link, &target))?;
                self.links.insert(path.to_owned());
                Ok(())
            }
            _ => Err(ArchiveError::Special { entry: name() }),
        }
    }
}

fn make_parent(path: &Utf8Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)
}

/// A new file: an existing file or link is never written through.
fn create(path: &Utf8Path, replaces: bool) -> io::Result<File> {
    match File::create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && replaces => {
            std::fs::remove_file(path)?;
            File::create_new(path)
        }
        created => created,
    }
}

fn write(entry: &mut Entry<'_, impl Read>, path: &Utf8Path, rules: Rules) -> io::Result<()> {
    let header = entry.header();
    let is_executable = header.mode()? & 0o111 != 0;
    let modified = match rules.keeps_times {
        true => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(header.mtime()?)),
        false => None,
    };
    let size = entry.size();
    let buffer = usize::try_from(size).unwrap_or(BUFFER).min(BUFFER);
    let mut file = BufWriter::with_capacity(buffer, create(path, rules.replaces)?);
    if io::copy(entry, &mut file)? != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.flush()?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(modified) = modified {
        // A time that the file system cannot represent is ignored.
        let _ = file.set_modified(modified);
    }
    protect(&file, is_executable)
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        /// Lets nobody change a file.
        fn protect(file: &File, is_executable: bool) -> io::Result<()> {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = if is_executable { 0o555 } else { 0o444 };
            file.set_permissions(std::fs::Permissions::from_mode(mode))
        }

        fn symlink(target: &str, at: &Utf8Path) -> io::Result<()> {
            std::os::unix::fs::symlink(target, at)
        }
    } else {
        fn protect(_: &File, _: bool) -> io::Result<()> {
            Ok(())
        }

        fn symlink(target: &str, at: &Utf8Path) -> io::Result<()> {
            std::os::windows::fs::symlink_file(target, at)
        }
    }
}
