//! Systems without Unix's modes, inodes and links: everything is checked by hashing and laid down by copying.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

pub(crate) fn is_executable(_metadata: &Metadata) -> bool {
    false
}

pub(crate) fn inode(_metadata: &Metadata) -> u64 {
    0
}

pub(crate) fn changed_ns(_metadata: &Metadata) -> i128 {
    0
}

pub(crate) fn is_ours_alone(_metadata: &Metadata) -> bool {
    false
}

pub(crate) fn set_blob_permissions(_path: &Path, _executable: bool) -> io::Result<()> {
    Ok(())
}

pub(crate) fn for_the_user(_builder: &mut tempfile::Builder<'_, '_>, _executable: bool) {}

pub(crate) fn has_blob_permissions(_metadata: &Metadata, _executable: bool) -> bool {
    true
}

pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)
}

pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(crate) fn symlink(_target: &str, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn special_name(_kind: std::fs::FileType) -> &'static str {
    "special file"
}

pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

pub(crate) fn reflink(_from: &File, _to: &File) -> bool {
    false
}

pub(crate) fn boot_id() -> Option<String> {
    None
}
