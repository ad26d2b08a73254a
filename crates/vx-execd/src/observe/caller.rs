//! What a process that waits before a system call has given to it.

use std::borrow::Cow;
use std::{io, ptr};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::Pid;

use super::syscalls::{OpenFlags, PathArg};

/// The longest path that the kernel accepts, including its null byte.
const PATH_MAX: usize = 4096;
/// The smallest page: memory ends at a multiple of it.
const PAGE: u64 = 4096;

/// A call that the filter stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Syscall {
    /// `AUDIT_ARCH_*`.
    pub(super) arch: u32,
    /// Which one, on that architecture.
    pub(super) number: u64,
    pub(super) arguments: [u64; 6],
}

/// A process or thread that stopped before a call.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) pid: Pid,
    pub(super) call: Syscall,
}

/// A path as a process names it.
#[derive(Debug)]
pub(super) struct Named {
    /// The directory that it starts from: absolute, and without links as the process sees it. `None` if it is absolute.
    base: Option<Utf8PathBuf>,
    text: String,
}

impl Named {
    /// The directory that it starts from.
    pub(super) fn base(&self) -> &Utf8Path {
        self.base.as_deref().unwrap_or(Utf8Path::new("/"))
    }

    /// Its text.
    pub(super) fn path(&self) -> &Utf8Path {
        Utf8Path::new(&self.text)
    }

    /// The whole text.
    pub(super) fn absolute(&self) -> Cow<'_, str> {
        match &self.base {
            Some(base) => Cow::Owned(format!("{base}/{}", self.text)),
            None => Cow::Borrowed(&self.text),
        }
    }
}

impl Caller {
    pub(super) fn open_flags(&self, flags: OpenFlags) -> Result<i32, String> {
        match flags {
            OpenFlags::Always(flags) => Ok(flags),
            OpenFlags::Arg(arg) => Ok(self.call.arguments[arg] as i32),
            OpenFlags::How(arg) => {
                let mut how = [0; size_of::<libc::open_how>()];
                // If the read is too short, the call fails.
                let _ = self.memory(self.call.arguments[arg], &mut how)?;
                let field = |index: usize| {
                    let bytes = how[index * 8..].first_chunk().copied().unwrap_or_default();
                    u64::from_ne_bytes(bytes)
                };
                if field(2) & libc::RESOLVE_IN_ROOT != 0 {
                    return Err("a process opened a file below a root of its own".to_owned());
                }
                Ok(field(0) as i32)
            }
        }
    }

    pub(super) fn has_flag(&self, arg: usize, flag: i32) -> bool {
        self.call.arguments[arg] as i32 & flag != 0
    }

    /// The path that an argument names; `None` if the call fails or works on a descriptor alone.
    pub(super) fn named(&self, path: PathArg) -> Result<Option<Named>, String> {
        let Some(text) = self.text(self.call.arguments[path.text])? else {
            return Ok(None);
        };
        self.path_from(path.at.map(|arg| self.call.arguments[arg] as i32), text)
    }

    /// A path that starts from an open directory, or from the working directory; `None` if that is not one.
    pub(super) fn path_from(&self, descriptor: Option<i32>, text: String) -> Result<Option<Named>, String> {
        if text.starts_with('/') {
            return Ok(Some(Named { base: None, text }));
        }
        let base = match descriptor {
            None | Some(libc::AT_FDCWD) => self.link("cwd"),
            Some(descriptor) => self.link(&format!("fd/{descriptor}")),
        };
        let base = base?.filter(|base| base.is_absolute());
        Ok(base.map(|base| Named { base: Some(base), text }))
    }

    /// The target of a link in the caller's directory in `/proc`; `None` if there is no such link.
    pub(super) fn link(&self, name: &str) -> Result<Option<Utf8PathBuf>, String> {
        let Ok(target) = std::fs::read_link(format!("/proc/{}/{name}", self.pid)) else {
            return Ok(None);
        };
        Utf8PathBuf::from_path_buf(target)
            .map(Some)
            .map_err(|path| not_utf8(&path.to_string_lossy()))
    }

    /// The text at an address; `None` if it is empty or the call fails for it.
    fn text(&self, address: u64) -> Result<Option<String>, String> {
        let mut bytes = Vec::new();
        while bytes.len() < PATH_MAX {
            // Not past the end of a page, because the next one may not be mapped.
            let from = address.wrapping_add(bytes.len() as u64);
            let mut piece = [0; 256];
            let length = piece.len().min((PAGE - from % PAGE) as usize);
            let Some(read) = self.memory(from, &mut piece[..length])? else {
                return Ok(None);
            };
            let text = &piece[..read];
            if let Some(end) = text.iter().position(|byte| *byte == 0) {
                bytes.extend_from_slice(&text[..end]);
                let text =
                    String::from_utf8(bytes).map_err(|error| not_utf8(&String::from_utf8_lossy(error.as_bytes())))?;
                return Ok(Some(text).filter(|text| !text.is_empty()));
            }
            bytes.extend_from_slice(text);
        }
        Ok(None)
    }

    /// Fills `buffer` from the caller's memory; returns the number of bytes read, fewer if unmapped memory begins. `None`
    /// if there is none, so that the call fails, or the caller is gone.
    pub(super) fn memory(&self, address: u64, buffer: &mut [u8]) -> Result<Option<usize>, String> {
        let local = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        let remote = libc::iovec {
            iov_base: ptr::with_exposed_provenance_mut(address as usize),
            iov_len: buffer.len(),
        };
        let pid = self.pid.as_raw_nonzero().get();
        // SAFETY: `local` describes `buffer`; the remote address is checked by the kernel.
        let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
        if let Ok(read) = usize::try_from(read) {
            return Ok(Some(read));
        }
        match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EFAULT | libc::ESRCH)) => Ok(None),
            error => Err(format!("the memory of a process cannot be read: {error}")),
        }
    }
}

pub(super) fn not_utf8(path: &str) -> String {
    format!("a path is not UTF-8: {path}")
}
