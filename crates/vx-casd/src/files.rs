//! Hashing and copying files.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};

use camino::Utf8Path;
use tempfile::NamedTempFile;
use vx_model::{Digest, DigestHasher};

use crate::error::{IoContext as _, StoreError};
use crate::platform;

/// Bytes read at a time.
const PIECE: usize = 256 << 10;

/// Reads all of `reader` and calls `each` with every piece.
pub(crate) fn for_each_piece(mut reader: impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => each(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The digest of a file's content, from its beginning.
pub(crate) fn hash(mut file: &File) -> io::Result<Digest> {
    file.rewind()?;
    let mut hasher = DigestHasher::default();
    for_each_piece(file, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Copies `from` into the empty file `to` and returns the digest of `to`.
pub(crate) fn copy_hashing(from: &File, to: &NamedTempFile) -> io::Result<Digest> {
    if platform::reflink(from, to.as_file()) {
        return hash(to.as_file());
    }
    let mut hasher = DigestHasher::default();
    for_each_piece(from, |piece| {
        hasher.update(piece);
        to.as_file().write_all(piece)
    })?;
    Ok(hasher.finish())
}

/// Copies `from` into the empty file `to` as fast as the file system can; returns the number of bytes.
pub(crate) fn copy(mut from: &File, to: &mut NamedTempFile) -> io::Result<u64> {
    if platform::reflink(from, to.as_file()) {
        return Ok(to.as_file().metadata()?.len());
    }
    // In the kernel where it can.
    io::copy(&mut from, to.as_file_mut())
}

/// Opens a regular file for reading.
pub(crate) fn open_regular(path: &Utf8Path) -> Result<File, StoreError> {
    let file = platform::open_file(path.as_std_path()).at("open", path)?;
    let kind = file.metadata().at("read", path)?.file_type();
    if kind.is_file() {
        Ok(file)
    } else {
        Err(StoreError::SpecialFile {
            path: path.to_owned(),
            kind: if kind.is_dir() {
                "directory"
            } else {
                platform::special_name(kind)
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_hashed_from_its_beginning_each_time() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        for _ in 0..2 {
            assert_eq!(hash(&file).unwrap(), Digest::of(b"content"));
        }
    }
}
