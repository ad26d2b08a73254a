//! Unix, with Linux's calls where they exist.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::io::Errno;

/// Whether anybody may execute the file.
pub(crate) fn is_executable(metadata: &Metadata) -> bool {
    metadata.mode() & 0o111 != 0
}

/// What distinguishes two files of one file system.
pub(crate) fn inode(metadata: &Metadata) -> u64 {
    metadata.ino()
}

/// When anything about the file changed last, in nanoseconds since the Unix epoch. Nobody can put it back.
pub(crate) fn changed_ns(metadata: &Metadata) -> i128 {
    i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec())
}

/// Whether this process may take over the file: it has no other name, and we may change it.
pub(crate) fn is_ours_alone(metadata: &Metadata) -> bool {
    metadata.nlink() == 1 && metadata.uid() == rustix::process::geteuid().as_raw()
}

/// Gives a file the permissions of a blob: readable by all, writable by nobody.
pub(crate) fn set_blob_permissions(path: &Path, executable: bool) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(blob_mode(executable)))
}

/// Whether the file has exactly the permissions of a blob.
pub(crate) fn has_blob_permissions(metadata: &Metadata, executable: bool) -> bool {
    metadata.mode() & 0o7777 == blob_mode(executable)
}

fn blob_mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

/// Gives what `builder` creates the usual permissions of a user's program: the system subtracts the umask of this
/// process.
pub(crate) fn for_the_user(builder: &mut tempfile::Builder<'_, '_>, executable: bool) {
    builder.permissions(Permissions::from_mode(if executable { 0o777 } else { 0o666 }));
}

/// Creates a directory that only its owner can enter.
pub(crate) fn create_private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file that is expected to be regular for reading: a pipe in its place does not block.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

/// Makes a symbolic link.
pub(crate) fn symlink(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// The name of a kind that is not a file, directory or symbolic link.
pub(crate) fn special_name(kind: std::fs::FileType) -> &'static str {
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "named pipe"
    } else if kind.is_block_device() || kind.is_char_device() {
        "device"
    } else {
        "special file"
    }
}

/// Renames a directory to an unused name.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    cfg_if::cfg_if! {
        if #[cfg(target_os = "linux")] {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                // The file system does not know the flag.
                Err(Errno::INVAL | Errno::NOSYS) => std::fs::rename(from, to),
                done => Ok(done?),
            }
        } else {
            std::fs::rename(from, to)
        }
    }
}

/// Makes the empty file `to` share the content of `from`; returns whether the file system supports it.
pub(crate) fn reflink(from: &File, to: &File) -> bool {
    cfg_if::cfg_if! {
        if #[cfg(target_os = "linux")] {
            rustix::fs::ioctl_ficlone(to, from).is_ok()
        } else {
            let _ = (from, to);
            false
        }
    }
}

/// Names the current boot of the machine; `None` if the system does not report it.
pub(crate) fn boot_id() -> Option<String> {
    cfg_if::cfg_if! {
        if #[cfg(target_os = "linux")] {
            std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()
        } else {
            None
        }
    }
}
