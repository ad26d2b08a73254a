//! A partially downloaded file, hashed as far as it goes.
//!
//! It is named after the expected checksum, so that the next try, in this process or another, continues where the last
//! one stopped. Only the holder of the lock of that checksum accesses it. Only its final checksum is trusted, so
//! nothing is synced to the disk.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use crate::Checksum;

/// Held during the download.
#[derive(Debug)]
pub(crate) struct Partial {
    path: Utf8PathBuf,
    file: File,
    hasher: Sha256,
    size: u64,
}

impl Partial {
    /// The partial file at `path`, created if it is missing; its content is read once, for the checksum.
    pub(crate) fn open(path: &Utf8Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        let mut partial = Self {
            path: path.to_owned(),
            file,
            hasher: Sha256::new(),
            size: 0,
        };
        partial.hash_what_is_there()?;
        Ok(partial)
    }

    fn hash_what_is_there(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                count => {
                    self.hasher.update(&buffer[..count]);
                    self.size += count as u64;
                }
            }
        }
    }

    /// Bytes that are there.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Forgets what is there.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hasher = Sha256::new();
        self.size = 0;
        Ok(())
    }

    pub(crate) fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)?;
        self.hasher.update(chunk);
        self.size += chunk.len() as u64;
        Ok(())
    }

    /// The checksum of what is there.
    pub(crate) fn checksum(&self) -> Checksum {
        Checksum(self.hasher.clone().finalize().into())
    }

    /// Gives the file its final name.
    pub(crate) fn publish(self, path: &Utf8Path) -> io::Result<()> {
        drop(self.file);
        std::fs::rename(&self.path, path)
    }

    /// Removes the file.
    pub(crate) fn discard(self) -> io::Result<()> {
        drop(self.file);
        std::fs::remove_file(&self.path)
    }
}
