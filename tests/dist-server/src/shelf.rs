//! What a server has, by path.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;

use bytes::Bytes;
use camino::Utf8PathBuf;
use sha2::{Digest as _, Sha256};

/// Files by their path on the server, without a slash before it.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    files: BTreeMap<String, Content>,
}

/// A file on a shelf.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Bytes(Bytes),
    /// On the disk, where it stays as it is while it is served.
    File(Utf8PathBuf),
}

impl Shelf {
    /// Puts a file on the shelf, in place of what was there.
    pub fn put(&mut self, path: impl Into<String>, content: Content) {
        self.files.insert(path.into(), content);
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Content> {
        self.files.get(path)
    }
}

impl Content {
    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(path) => path.metadata().unwrap().len(),
        }
    }

    /// The SHA-256 in hexadecimal digits.
    pub fn sha256(&self) -> String {
        match self {
            Self::Bytes(bytes) => sha256(bytes),
            Self::File(path) => {
                let mut hasher = Sha256::new();
                io::copy(&mut File::open(path).unwrap(), &mut HashWriter(&mut hasher)).unwrap();
                format!("{:x}", Bytes::copy_from_slice(&hasher.finalize()))
            }
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

/// The SHA-256 of `bytes` in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(bytes)))
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
