//! Names that are too long for the header of a tar entry, and are announced by separate entries.
//!
//! `tar` would read them for us, but of any length and in memory, which a hostile archive could exhaust.

use std::io::Read;

use tar::{Entry, PaxExtensions};

use super::ArchiveError;

/// No file system has longer paths.
const LONGEST: u64 = 64 * 1024;

/// What is announced for the next entry.
#[derive(Debug, Default)]
pub(super) struct Announced {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// The name of an entry and, if it is a link, its target.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) name: String,
    pub(super) link: String,
}

impl Announced {
    /// Records an entry that only describes the next one or the archive; returns whether it does.
    pub(super) fn note(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<bool, ArchiveError> {
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() {
            self.name = Some(read(entry)?);
        } else if kind.is_gnu_longlink() {
            self.link = Some(read(entry)?);
        } else if kind.is_pax_local_extensions() {
            let text = read(entry)?;
            for extension in PaxExtensions::new(&text) {
                let extension = extension?;
                let value = || Some(extension.value_bytes().to_owned());
                match extension.key_bytes() {
                    b"path" => self.name = value(),
                    b"linkpath" => self.link = value(),
                    // A header has room for eight GiB.
                    b"size" => return Err(ArchiveError::layout("the size of an entry is not in its header")),
                    _ => {}
                }
            }
        } else {
            return Ok(kind.is_pax_global_extensions());
        }
        Ok(true)
    }

    /// The names of `entry`, including everything announced for it.
    pub(super) fn names(&mut self, entry: &Entry<'_, impl Read>) -> Names {
        let header = entry.header();
        let name = self.name.take().unwrap_or_else(|| header.path_bytes().into_owned());
        let own_link = || header.link_name_bytes().unwrap_or_default().into_owned();
        let link = self.link.take().unwrap_or_else(own_link);
        // Names that are not UTF-8 may be refused later, because of their replacement characters.
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Names {
            name: text(name),
            link: text(link),
        }
    }
}

fn read(entry: &mut impl Read) -> Result<Vec<u8>, ArchiveError> {
    let mut name = Vec::new();
    entry.take(LONGEST + 1).read_to_end(&mut name)?;
    if name.len() as u64 > LONGEST {
        return Err(ArchiveError::layout("a name in it is too long"));
    }
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}
