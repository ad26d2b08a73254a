//! Takes files and directories into the store, by path.
//!
//! The returned digest is that of the bytes in the store: a file is first copied or moved to a private path, then
//! hashed.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use vx_model::{Digest, Directory, DirectoryNode, FileNode, SymlinkNode};
use vx_proto::Ingested;

use crate::blobs::Blobs;
use crate::error::{IoContext as _, StoreError};
use crate::platform;
use crate::trees::MAX_DEPTH;

/// Takes in what is at the absolute path `path`; a symbolic link there is followed. With `consume`, files are moved if
/// that is as good as copying them, and the rest is removed: afterwards there is nothing at `path`.
pub(crate) fn ingest(blobs: &Blobs, path: &Utf8Path, consume: bool) -> Result<Ingested, StoreError> {
    if !path.is_absolute() {
        return Err(StoreError::NotAbsolute { path: path.to_string() });
    }
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ingested::Absent),
        Err(error) => return Err(error).at("read", path),
    };
    // The target of a symbolic link belongs to somebody else.
    let consume = consume && !path.is_symlink();
    if metadata.is_file() {
        let (digest, is_executable) = file(blobs, path, &metadata, consume)?;
        return Ok(Ingested::File { digest, is_executable });
    }
    if !metadata.is_dir() {
        return Err(special(path, metadata.file_type()));
    }
    let root = directory(blobs, path, consume, 0)?;
    if consume {
        fs::remove_dir_all(path).at("remove", path)?;
    }
    Ok(Ingested::Tree { root })
}

fn file(blobs: &Blobs, path: &Utf8Path, metadata: &Metadata, consume: bool) -> Result<(Digest, bool), StoreError> {
    let executable = platform::is_executable(metadata);
    // A process with another name for the file could write to it later.
    let moved = if consume && platform::is_ours_alone(metadata) {
        blobs.move_in(path)?
    } else {
        None
    };
    let is_left = moved.is_none();
    let private = match moved {
        Some(private) => private,
        None => blobs.copy_in(path)?,
    };
    let digest = private.digest;
    blobs.publish(private, executable)?;
    if consume && is_left {
        fs::remove_file(path).at("remove", path)?;
    }
    Ok((digest, executable))
}

fn directory(blobs: &Blobs, path: &Utf8Path, consume: bool, depth: usize) -> Result<Digest, StoreError> {
    if depth > MAX_DEPTH {
        return Err(StoreError::TooDeep {
            path: path.to_owned(),
            limit: MAX_DEPTH,
        });
    }
    let mut directory = Directory::default();
    for entry in fs::read_dir(path).at("list", path)? {
        let entry = entry.at("list", path)?;
        let child = utf8(&entry.path())?;
        let name = child.file_name().unwrap_or_default().to_owned();
        let metadata = fs::symlink_metadata(&child).at("read", &child)?;
        let kind = metadata.file_type();
        if kind.is_file() {
            let (digest, is_executable) = file(blobs, &child, &metadata, consume)?;
            directory.files.push(FileNode {
                name,
                digest,
                is_executable,
            });
        } else if kind.is_dir() {
            let digest = self::directory(blobs, &child, consume, depth + 1)?;
            directory.directories.push(DirectoryNode { name, digest });
        } else if kind.is_symlink() {
            let target = utf8(&fs::read_link(&child).at("read", &child)?)?.into_string();
            directory.symlinks.push(SymlinkNode { name, target });
        } else {
            return Err(special(&child, kind));
        }
    }
    blobs.put(&directory.encode())
}

fn special(path: &Utf8Path, kind: FileType) -> StoreError {
    StoreError::SpecialFile {
        path: path.to_owned(),
        kind: platform::special_name(kind),
    }
}

fn utf8(path: &Path) -> Result<Utf8PathBuf, StoreError> {
    let utf8 = Utf8Path::from_path(path).ok_or_else(|| StoreError::NotUtf8 {
        path: path.display().to_string(),
    })?;
    Ok(utf8.to_owned())
}
