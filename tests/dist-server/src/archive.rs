//! Component archives in the layout of rust-installer, genuine or odd.

use std::fs::File;
use std::io::{self, Write};

use camino::{Utf8Path, Utf8PathBuf};
use liblzma::stream::{Check, Filters, LzmaOptions, Stream};
use tar::{Builder, EntryType, Header};

use crate::Content;

/// The time of every entry: long ago.
const MODIFIED: u64 = 1_700_000_000;

/// The largest dictionary of published archives: unpacking one takes this much memory.
const XZ_DICTIONARY: u32 = 128 * 1024 * 1024;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.tar.gz`
    Gz,
    /// `.tar.xz`
    Xz,
    /// `.tar.zst`
    Zst,
}

impl Format {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Gz => "tar.gz",
            Self::Xz => "tar.xz",
            Self::Zst => "tar.zst",
        }
    }
}

/// An entry that no honest archive has.
#[derive(Debug, Clone)]
pub enum OddEntry {
    /// A file whose path is this, from the top of the archive.
    Path(String),
    /// A link at the first path, below the part, to the second.
    Link(String, String),
    /// A file that says that it has this many bytes.
    Size(u64),
}

/// A component about to be packed.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The directory that everything lies in: `rustc-1.95.0-x86_64-unknown-linux-gnu`.
    top: String,
    /// The one part: `rustc`.
    part: String,
    files: Vec<(Utf8PathBuf, Source, bool)>,
    odd: Vec<OddEntry>,
}

#[derive(Debug, Clone)]
enum Source {
    Bytes(Vec<u8>),
    File(Utf8PathBuf),
}

impl Archive {
    /// An empty component.
    pub fn new(top: &str, part: &str) -> Self {
        Self {
            top: top.to_owned(),
            part: part.to_owned(),
            files: Vec::new(),
            odd: Vec::new(),
        }
    }

    /// Adds a file.
    pub fn with(mut self, path: &str, content: &[u8], is_executable: bool) -> Self {
        let source = Source::Bytes(content.to_owned());
        self.files.push((path.into(), source, is_executable));
        self
    }

    /// Adds an entry that should not be.
    pub fn with_odd(mut self, entry: OddEntry) -> Self {
        self.odd.push(entry);
        self
    }

    /// Adds a file from the disk.
    pub(crate) fn add_file(&mut self, path: &Utf8Path, from: &Utf8Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let is_executable = from.metadata().unwrap().permissions().mode() & 0o111 != 0;
        let source = Source::File(from.to_owned());
        self.files.push((path.to_owned(), source, is_executable));
    }

    /// The archive in memory.
    pub fn pack(&self, format: Format) -> Content {
        Content::Bytes(self.write(format, Vec::new()).unwrap().into())
    }

    /// Writes the archive to `to`, fast rather than small.
    pub(crate) fn write<W: Write>(&self, format: Format, to: W) -> io::Result<W> {
        match format {
            Format::Gz => {
                let mut encoder = flate2::write::GzEncoder::new(to, flate2::Compression::fast());
                self.write_tar(&mut encoder)?;
                encoder.finish()
            }
            Format::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new_stream(to, xz()?);
                self.write_tar(&mut encoder)?;
                encoder.finish()
            }
            Format::Zst => {
                let mut encoder = zstd::stream::write::Encoder::new(to, 1)?;
                self.write_tar(&mut encoder)?;
                encoder.finish()
            }
        }
    }

    fn write_tar(&self, to: impl Write) -> io::Result<()> {
        let mut tar = Builder::new(to);
        let list: String = self.files.iter().map(|(path, ..)| format!("file:{path}\n")).collect();
        let part = format!("{}/{}", self.top, self.part);
        for (path, text) in [
            (format!("{}/rust-installer-version", self.top), "3\n".to_owned()),
            (format!("{}/components", self.top), format!("{}\n", self.part)),
            (format!("{}/install.sh", self.top), "#!/bin/sh\nexit 1\n".to_owned()),
            (format!("{part}/manifest.in"), list),
        ] {
            append(&mut tar, &path, text.len() as u64, text.as_bytes(), false)?;
        }
        for (path, source, is_executable) in &self.files {
            let path = format!("{part}/{path}");
            match source {
                Source::Bytes(bytes) => append(&mut tar, &path, bytes.len() as u64, &bytes[..], *is_executable)?,
                Source::File(from) => {
                    let file = File::open(from)?;
                    append(&mut tar, &path, file.metadata()?.len(), file, *is_executable)?;
                }
            }
        }
        for odd in &self.odd {
            self.append_odd(&mut tar, odd)?;
        }
        tar.finish()
    }

    /// Writes what `tar` refuses to write, by hand.
    fn append_odd(&self, tar: &mut Builder<impl Write>, odd: &OddEntry) -> io::Result<()> {
        let below = |path: &str| format!("{}/{}/{path}", self.top, self.part);
        let (path, kind, size) = match odd {
            OddEntry::Path(path) => (path.clone(), EntryType::Regular, 0),
            OddEntry::Link(path, _) => (below(path), EntryType::Symlink, 0),
            OddEntry::Size(size) => (below("bomb"), EntryType::Regular, *size),
        };
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        if let OddEntry::Link(_, target) = odd {
            header.set_link_name_literal(target)?;
        }
        header.set_cksum();
        tar.get_mut().write_all(header.as_bytes())
    }
}

/// The fastest that has a dictionary of the usual size.
fn xz() -> io::Result<Stream> {
    let mut options = LzmaOptions::new_preset(0)?;
    let mut filters = Filters::new();
    filters.lzma2(options.dict_size(XZ_DICTIONARY));
    Ok(Stream::new_stream_encoder(&filters, Check::Crc64)?)
}

fn append(
    tar: &mut Builder<impl Write>,
    path: &str,
    size: u64,
    content: impl io::Read,
    is_executable: bool,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(if is_executable { 0o755 } else { 0o644 });
    header.set_mtime(MODIFIED);
    tar.append_data(&mut header, path, content)
}
