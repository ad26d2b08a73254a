//! The system calls that take paths, and what they do with them. A table; nothing here calls anything.

use libc::c_long;

/// Linux 6.6; the same number everywhere, and not in `libc` for all.
const SYS_FCHMODAT2: c_long = 452;

/// Numbers from here on belong to x86-64's variant with short pointers, or to nobody.
pub(super) const FOREIGN_FROM: u32 = 0x4000_0000;

cfg_if::cfg_if! {
    if #[cfg(target_arch = "x86_64")] {
        /// `AUDIT_ARCH_*` of this machine; `None` if its calls are not in the table.
        pub(super) const ARCH: Option<u32> = Some(0xc000_003e);
    } else if #[cfg(target_arch = "aarch64")] {
        /// `AUDIT_ARCH_*` of this machine; `None` if its calls are not in the table.
        pub(super) const ARCH: Option<u32> = Some(0xc000_00b7);
    } else {
        /// `AUDIT_ARCH_*` of this machine; `None` if its calls are not in the table.
        pub(super) const ARCH: Option<u32> = None;
    }
}

/// The number of an argument.
type Arg = usize;

/// A path among the arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathArg {
    /// The descriptor of the directory that a relative path starts from; without one, the working directory.
    pub(super) at: Option<Arg>,
    /// The pointer to the text.
    pub(super) text: Arg,
}

/// Where the flags of an open are.
#[derive(Debug, Clone, Copy)]
pub(super) enum OpenFlags {
    /// An argument.
    Arg(Arg),
    /// The first field of the `open_how` that an argument points to.
    How(Arg),
    /// Always these.
    Always(i32),
}

/// Whether a call looks at a symbolic link itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum LookFlags {
    /// If the argument has `AT_SYMLINK_NOFOLLOW`.
    Arg(Arg),
    /// Always.
    AtLink,
    /// Never.
    BehindLink,
}

/// What a call does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    /// Opens.
    Open(PathArg, OpenFlags),
    /// Asks what is there.
    Look(PathArg, LookFlags),
    /// Reads a symbolic link.
    ReadLink(PathArg),
    /// Enters a directory.
    Enter(PathArg),
    /// Lists the directory that this descriptor has open.
    List(Arg),
    /// Executes.
    Execute(PathArg),
    /// Creates something new.
    Make(PathArg),
    /// Removes.
    Remove(PathArg),
    /// Renames the first to the second; the third is the argument with the flags.
    Rename(PathArg, PathArg, Option<Arg>),
    /// Gives the file at the first the name of the second too; the third is the argument with the flags.
    Link(PathArg, PathArg, Option<Arg>),
    /// Changes the content or the permissions of something that must exist.
    Overwrite(PathArg),
    /// Sends to or connects to the address that an argument points to, if any.
    Connect(Arg),
    /// Does something that the tracer does not understand; the text follows "a process".
    Escape(&'static str),
}

const fn path(text: Arg) -> PathArg {
    PathArg { at: None, text }
}

const fn at(at: Arg, text: Arg) -> PathArg {
    PathArg { at: Some(at), text }
}

/// All calls that the filter stops at. Calls on open descriptors are not among them, because the open was, but for the one
/// that lists a directory: most are opened for something else.
pub(super) const SYSCALLS: &[(c_long, Call)] = &[
    (libc::SYS_openat, Call::Open(at(0, 1), OpenFlags::Arg(2))),
    (libc::SYS_openat2, Call::Open(at(0, 1), OpenFlags::How(2))),
    (libc::SYS_newfstatat, Call::Look(at(0, 1), LookFlags::Arg(3))),
    (libc::SYS_statx, Call::Look(at(0, 1), LookFlags::Arg(2))),
    (libc::SYS_faccessat, Call::Look(at(0, 1), LookFlags::BehindLink)),
    (libc::SYS_faccessat2, Call::Look(at(0, 1), LookFlags::Arg(3))),
    (libc::SYS_readlinkat, Call::ReadLink(at(0, 1))),
    (libc::SYS_statfs, Call::Enter(path(0))),
    (libc::SYS_getdents64, Call::List(0)),
    (libc::SYS_chdir, Call::Enter(path(0))),
    (libc::SYS_execve, Call::Execute(path(0))),
    (libc::SYS_execveat, Call::Execute(at(0, 1))),
    (libc::SYS_mkdirat, Call::Make(at(0, 1))),
    (libc::SYS_mknodat, Call::Make(at(0, 1))),
    (libc::SYS_symlinkat, Call::Make(at(1, 2))),
    (libc::SYS_unlinkat, Call::Remove(at(0, 1))),
    (libc::SYS_renameat, Call::Rename(at(0, 1), at(2, 3), None)),
    (libc::SYS_renameat2, Call::Rename(at(0, 1), at(2, 3), Some(4))),
    (libc::SYS_linkat, Call::Link(at(0, 1), at(2, 3), Some(4))),
    (libc::SYS_truncate, Call::Overwrite(path(0))),
    (libc::SYS_connect, Call::Connect(1)),
    (libc::SYS_sendto, Call::Connect(4)),
    (libc::SYS_fchmodat, Call::Overwrite(at(0, 1))),
    (SYS_FCHMODAT2, Call::Overwrite(at(0, 1))),
    (libc::SYS_chroot, Call::Escape("changed its root directory")),
    (libc::SYS_pivot_root, Call::Escape("changed its root directory")),
    (libc::SYS_mount, Call::Escape("mounted a file system")),
    (libc::SYS_move_mount, Call::Escape("mounted a file system")),
    (libc::SYS_setns, Call::Escape("changed its namespaces")),
    (libc::SYS_unshare, Call::Escape("changed its namespaces")),
    (libc::SYS_io_uring_setup, Call::Escape("used io_uring")),
    (libc::SYS_open_by_handle_at, Call::Escape("opened a file by its handle")),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Call::Open(path(0), OpenFlags::Arg(1))),
    #[cfg(target_arch = "x86_64")]
    (
        libc::SYS_creat,
        Call::Open(
            path(0),
            OpenFlags::Always(libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC),
        ),
    ),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, Call::Look(path(0), LookFlags::BehindLink)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lstat, Call::Look(path(0), LookFlags::AtLink)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, Call::Look(path(0), LookFlags::BehindLink)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, Call::ReadLink(path(0))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_getdents, Call::List(0)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, Call::Overwrite(path(0))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, Call::Make(path(0))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, Call::Make(path(0))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_symlink, Call::Make(path(1))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, Call::Remove(path(0))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rmdir, Call::Remove(path(0))),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, Call::Rename(path(0), path(1), None)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_link, Call::Link(path(0), path(1), None)),
];

/// What the call of this number does.
pub(super) fn lookup(number: u64) -> Option<Call> {
    let number = c_long::try_from(number).ok()?;
    SYSCALLS
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, call)| *call)
}
