//! The library that is preloaded into observed programs: it makes calls that are recorded already without a stop.
//!
//! It stands in for the functions of libc by which programs look at files. If the table of known uses has the call, it is
//! made with the cookie that lets it pass. So is what stays in a directory that belongs to the process, if the kernel
//! finds no link on the way. Everything else is called as libc would, and the filter stops it. So nothing depends on
//! its seeing everything, and a program without it is slower, but observed as well. It never allocates or locks, because
//! these functions may be called anywhere.
//!
//! Built by the build script of `vx-execd`, without the standard library and without libraries that it would need.

#![no_std]
#![no_builtins]

mod table;

use core::arch::{asm, global_asm};
use core::ffi::{c_char, c_int, c_uint, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use table::{IS_ABSENT, IS_NO_LINK, MAX_TEXT, O_CREAT, O_NOFOLLOW, O_PATH, O_TMPFILE, Repeat, TABLE, Table};

const AT_FDCWD: c_int = -100;
const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
const AT_EMPTY_PATH: c_int = 0x1000;
const ENOENT: isize = 2;
const EINVAL: isize = 22;
const O_CLOEXEC: c_int = 0o2_000_000;
/// Room for a path.
const ROOM: usize = MAX_TEXT + 1;
const RESOLVE_NO_SYMLINKS: u64 = 4;
const PROT_READ: usize = 1;
const MAP_SHARED: usize = 1;

/// Numbers of calls.
#[cfg(target_arch = "x86_64")]
mod number {
    pub const CLOSE: usize = 3;
    pub const MMAP: usize = 9;
    pub const GETCWD: usize = 79;
    pub const OPENAT: usize = 257;
    pub const NEWFSTATAT: usize = 262;
    pub const READLINKAT: usize = 267;
    pub const STATX: usize = 332;
    pub const OPENAT2: usize = 437;
    pub const FACCESSAT2: usize = 439;
}

/// Numbers of calls.
#[cfg(target_arch = "aarch64")]
mod number {
    pub const GETCWD: usize = 17;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const READLINKAT: usize = 78;
    pub const NEWFSTATAT: usize = 79;
    pub const MMAP: usize = 222;
    pub const STATX: usize = 291;
    pub const OPENAT2: usize = 437;
    pub const FACCESSAT2: usize = 439;
}

/// # Safety
/// As the call demands.
#[inline(always)]
unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let answer;
    // SAFETY: the caller's.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
        #[cfg(target_arch = "aarch64")]
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a as isize => answer,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack)
        );
    }
    answer
}

// A program without libc has none of these, and does not call what needs them.
global_asm!(
    ".weak __errno_location",
    ".weak malloc",
    ".weak free",
    ".weak canonicalize_file_name"
);
// Named by the core library, and never called.
global_asm!(".weak rust_eh_personality");

unsafe extern "C" {
    fn __errno_location() -> *mut c_int;
    fn malloc(size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
    fn canonicalize_file_name(path: *const c_char) -> *mut c_char;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: it does not return.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("ud2", options(noreturn));
        #[cfg(target_arch = "aarch64")]
        asm!("brk #1", options(noreturn));
    }
}

/// The table; null where there is none.
static KNOWN: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    // SAFETY: the path ends with a null byte.
    let file = unsafe { syscall(number::OPENAT, at(AT_FDCWD, TABLE.as_ptr(), O_CLOEXEC as usize, 0, 0)) };
    if file < 0 {
        return;
    }
    let file = file as usize;
    // SAFETY: a new mapping of a file that is as long as the table; then the descriptor is needed no more.
    unsafe {
        let map = syscall(number::MMAP, [0, size_of::<Table>(), PROT_READ, MAP_SHARED, file, 0]);
        if map > 0 {
            KNOWN.store(ptr::with_exposed_provenance_mut(map as usize), Ordering::Release);
        }
        syscall(number::CLOSE, [file, 0, 0, 0, 0, 0]);
    }
}

fn at(directory: c_int, path: *const c_char, c: usize, d: usize, e: usize) -> [usize; 6] {
    [directory as usize, path.expose_provenance(), c, d, e, 0]
}

/// The same call, which the filter lets pass.
fn passing([a, b, c, d, e, _]: [usize; 6], cookie: u64) -> [usize; 6] {
    [a, b, c, d, e, cookie as usize]
}

/// The answer of the kernel, as a function of libc gives it.
fn answer(answer: isize) -> isize {
    if (-4095..0).contains(&answer) {
        set_errno(-answer as c_int);
        return -1;
    }
    answer
}

fn set_errno(error: c_int) {
    // SAFETY: who calls a function of libc has libc.
    unsafe { *__errno_location() = error };
}

fn known() -> Option<&'static Table> {
    // SAFETY: it is null or the mapping, which is never taken away.
    unsafe { KNOWN.load(Ordering::Acquire).as_ref() }
}

/// How a path may be used without a stop.
enum Pass {
    /// As it is: the use is recorded.
    Known(u64),
    /// If there is no link on the way: then it is the process's own.
    Own(u64),
    Not,
}

/// # Safety
/// `path` is a text that ends with a null byte, or an address in the first page.
unsafe fn pass(directory: c_int, path: *const c_char, repeat: Option<Repeat>) -> Pass {
    let mut room = [const { MaybeUninit::uninit() }; ROOM];
    if let Some(table) = known()
        && let Some(cookie) = table.cookie()
        // SAFETY: the caller's.
        && let Some(text) = unsafe { whole(&mut room, directory, path) }
    {
        if table.is_own(text) {
            return Pass::Own(cookie);
        }
        if repeat.is_some_and(|repeat| table.get(repeat, text).is_some()) {
            return Pass::Known(cookie);
        }
    }
    Pass::Not
}

/// Makes a call: without a stop if it is known.
///
/// # Safety
/// As the call demands.
unsafe fn call(number: usize, arguments: [usize; 6], pass: Pass) -> isize {
    let arguments = match pass {
        Pass::Known(cookie) => passing(arguments, cookie),
        Pass::Own(_) | Pass::Not => arguments,
    };
    // SAFETY: the caller's.
    answer(unsafe { syscall(number, arguments) })
}

/// Asks what is at the path in the second argument. The argument with the number `flags` may have `AT_EMPTY_PATH`: then
/// what is open is asked.
///
/// # Safety
/// As the call demands.
unsafe fn look(number: usize, arguments: [usize; 6], flags: usize) -> isize {
    let directory = arguments[0] as c_int;
    let path = ptr::with_exposed_provenance(arguments[1]);
    let (repeat, nofollow) = match arguments[flags] as c_int & AT_SYMLINK_NOFOLLOW {
        0 => (Repeat::Look, 0),
        _ => (Repeat::LookAtLink, O_NOFOLLOW),
    };
    // SAFETY: the caller's: it is a text.
    let pass = unsafe { pass(directory, path, Some(repeat)) };
    if let Pass::Own(cookie) = pass
        // SAFETY: the caller's.
        && let Some(file) = unsafe { open_own(directory, path, O_PATH | O_CLOEXEC | nofollow, 0, cookie) }
    {
        if file < 0 {
            return answer(file);
        }
        let mut of_file = passing(arguments, cookie);
        of_file[0] = file as usize;
        of_file[1] = c"".as_ptr().expose_provenance();
        of_file[flags] |= AT_EMPTY_PATH as usize;
        // SAFETY: the caller's; then the descriptor is needed no more.
        let found = unsafe {
            let found = syscall(number, of_file);
            syscall(number::CLOSE, [file as usize, 0, 0, 0, 0, 0]);
            found
        };
        return answer(found);
    }
    // SAFETY: the caller's.
    unsafe { call(number, arguments, pass) }
}

/// Opens what belongs to the process. Any error but the usual one is left to the call that was meant: there may be a link
/// on the way.
///
/// # Safety
/// `path` is a text.
unsafe fn open_own(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint, cookie: u64) -> Option<isize> {
    /// The kernel's `struct open_how`.
    #[repr(C)]
    struct How {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    let how = How {
        flags: flags as c_uint as u64,
        mode: (mode & 0o7777) as u64,
        resolve: RESOLVE_NO_SYMLINKS,
    };
    let arguments = at(
        directory,
        path,
        ptr::from_ref(&how).expose_provenance(),
        size_of::<How>(),
        0,
    );
    // SAFETY: the caller's, and the kernel reads the structure.
    let answer = unsafe { syscall(number::OPENAT2, passing(arguments, cookie)) };
    (answer >= 0 || answer == -ENOENT).then_some(answer)
}

/// A path with the directory that it starts from before it, as the supervisor has it; `None` if it is too long, empty,
/// or starts from an open directory.
///
/// # Safety
/// `path` is a text that ends with a null byte, or an address in the first page.
#[inline(always)]
unsafe fn whole(room: &mut [MaybeUninit<u8>; ROOM], directory: c_int, path: *const c_char) -> Option<&[u8]> {
    const FIRST_PAGE: usize = 4096;
    if path.addr() < FIRST_PAGE {
        return None;
    }
    let mut next: *const u8 = path.cast();
    let mut length = 0;
    // SAFETY: the caller's.
    match unsafe { *next } {
        0 => return None,
        b'/' => {}
        _ if directory != AT_FDCWD => return None,
        _ => {
            // SAFETY: the kernel writes no more than fits.
            let read = unsafe {
                syscall(
                    number::GETCWD,
                    [room.as_mut_ptr().expose_provenance(), ROOM, 0, 0, 0, 0],
                )
            };
            // With its null byte, in whose place the slash goes.
            length = usize::try_from(read).ok().filter(|length| *length > 0)?;
            room.get_mut(length - 1)?.write(b'/');
        }
    }
    loop {
        // SAFETY: it has not ended yet.
        let byte = unsafe { *next };
        if byte == 0 {
            break;
        }
        room.get_mut(length)?.write(byte);
        length += 1;
        // SAFETY: the null byte is still to come.
        next = unsafe { next.add(1) };
    }
    // SAFETY: all before `length` was written.
    room.get(..length)
        .map(|text| unsafe { &*(ptr::from_ref(text) as *const [u8]) })
}

macro_rules! functions {
    ($(fn $($name:ident),+ ($($argument:ident: $type:ty),*) -> $answer:ty $body:block)*) => { $(
        functions!(@each [$($name),+] ($($argument: $type),*) -> $answer $body);
    )* };
    (@each [$($name:ident),+] $arguments:tt -> $answer:ty $body:block) => {
        $( functions!(@one $name $arguments -> $answer $body); )+
    };
    (@one $name:ident ($($argument:ident: $type:ty),*) -> $answer:ty $body:block) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> $answer {
            // SAFETY: the caller's, as the function of libc demands.
            unsafe { $body }
        }
    };
}

// The names with `64` are the same functions: all lengths have 64 bits here.
functions! {
    fn open, open64, __open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
        open_at(AT_FDCWD, path, flags, mode)
    }
    fn openat, openat64(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
        open_at(directory, path, flags, mode)
    }
    fn __open_2, __open64_2(path: *const c_char, flags: c_int) -> c_int {
        open_at(AT_FDCWD, path, flags, 0)
    }
    fn stat, stat64(path: *const c_char, to: *mut c_void) -> c_int {
        stat_at(AT_FDCWD, path, to, 0)
    }
    fn lstat, lstat64(path: *const c_char, to: *mut c_void) -> c_int {
        stat_at(AT_FDCWD, path, to, AT_SYMLINK_NOFOLLOW)
    }
    fn fstatat, fstatat64(directory: c_int, path: *const c_char, to: *mut c_void, flags: c_int) -> c_int {
        stat_at(directory, path, to, flags)
    }
    fn statx(directory: c_int, path: *const c_char, flags: c_int, mask: c_uint, to: *mut c_void) -> c_int {
        look(number::STATX, at(directory, path, flags as usize, mask as usize, to.expose_provenance()), 2) as c_int
    }
    fn access(path: *const c_char, mode: c_int) -> c_int {
        access_at(AT_FDCWD, path, mode, 0)
    }
    fn faccessat(directory: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
        access_at(directory, path, mode, flags)
    }
    fn readlink(path: *const c_char, to: *mut c_char, length: usize) -> isize {
        read_link_at(AT_FDCWD, path, to, length)
    }
    fn readlinkat(directory: c_int, path: *const c_char, to: *mut c_char, length: usize) -> isize {
        read_link_at(directory, path, to, length)
    }
    fn realpath(path: *const c_char, to: *mut c_char) -> *mut c_char {
        real_path(path, to)
    }
}

/// The functions by which programs did the same that were linked with a glibc before 2.33. The first argument is a
/// version of the structure; there is only one.
#[cfg(target_arch = "x86_64")]
mod before {
    use super::*;

    functions! {
        fn __xstat, __xstat64(version: c_int, path: *const c_char, to: *mut c_void) -> c_int {
            of_version(version, AT_FDCWD, path, to, 0)
        }
        fn __lxstat, __lxstat64(version: c_int, path: *const c_char, to: *mut c_void) -> c_int {
            of_version(version, AT_FDCWD, path, to, AT_SYMLINK_NOFOLLOW)
        }
        fn __fxstatat, __fxstatat64(
            version: c_int, directory: c_int, path: *const c_char, to: *mut c_void, flags: c_int
        ) -> c_int {
            of_version(version, directory, path, to, flags)
        }
    }

    unsafe fn of_version(
        version: c_int,
        directory: c_int,
        path: *const c_char,
        to: *mut c_void,
        flags: c_int,
    ) -> c_int {
        match version {
            // SAFETY: the caller's.
            0 | 1 => unsafe { stat_at(directory, path, to, flags) },
            _ => {
                set_errno(EINVAL as c_int);
                -1
            }
        }
    }
}

unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // Otherwise it was not given.
    let mode = if flags & (O_CREAT | O_TMPFILE) == 0 { 0 } else { mode };
    // SAFETY: the caller's: it is a text.
    let pass = unsafe { pass(directory, path, Repeat::of_open(flags)) };
    if let Pass::Own(cookie) = pass
        // SAFETY: the caller's.
        && let Some(opened) = unsafe { open_own(directory, path, flags, mode, cookie) }
    {
        return answer(opened) as c_int;
    }
    // SAFETY: the caller's.
    unsafe {
        call(
            number::OPENAT,
            at(directory, path, flags as usize, mode as usize, 0),
            pass,
        ) as c_int
    }
}

unsafe fn stat_at(directory: c_int, path: *const c_char, to: *mut c_void, flags: c_int) -> c_int {
    let arguments = at(directory, path, to.expose_provenance(), flags as usize, 0);
    // SAFETY: the caller's.
    unsafe { look(number::NEWFSTATAT, arguments, 3) as c_int }
}

unsafe fn access_at(directory: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
    // Every kernel that can contain a process has this call.
    // SAFETY: the caller's.
    unsafe {
        look(
            number::FACCESSAT2,
            at(directory, path, mode as usize, flags as usize, 0),
            3,
        ) as c_int
    }
}

unsafe fn read_link_at(directory: c_int, path: *const c_char, to: *mut c_char, length: usize) -> isize {
    // SAFETY: the caller's: it is a text.
    let pass = unsafe { pass(directory, path, Some(Repeat::ReadLink)) };
    let arguments = at(directory, path, to.expose_provenance(), length, 0);
    // SAFETY: the caller's.
    unsafe { call(number::READLINKAT, arguments, pass) }
}

/// If everything on the way was looked at before, and is no link, the path is its own answer; or nothing is there.
unsafe fn real_path(path: *const c_char, to: *mut c_char) -> *mut c_char {
    let mut room = [const { MaybeUninit::uninit() }; ROOM];
    // SAFETY: the caller's.
    if let Some(text) = unsafe { whole(&mut room, AT_FDCWD, path) }
        && let Some((expected, cookie)) = known().and_then(|table| without_links(table, text))
        // SAFETY: the path is a text.
        && unsafe { read_known_link(path, cookie) } == -expected
    {
        if expected == ENOENT {
            set_errno(ENOENT as c_int);
            return ptr::null_mut();
        }
        // SAFETY: libc is there, or nobody calls this; the buffer holds a path, as the caller's must.
        unsafe {
            let to = if to.is_null() {
                malloc(text.len() + 1).cast()
            } else {
                to
            };
            if !to.is_null() {
                copy(text, to);
            }
            return to;
        }
    }
    // SAFETY: the caller's; what is returned ends with a null byte and is not longer than the buffer.
    unsafe {
        let found = canonicalize_file_name(path);
        if found.is_null() || to.is_null() {
            return found;
        }
        let mut length = 0;
        while *found.add(length) != 0 {
            length += 1;
        }
        copy(core::slice::from_raw_parts(found.cast(), length), to);
        free(found.cast());
        to
    }
}

/// Asks the kernel what is known, because this process may see less.
///
/// # Safety
/// `path` is a text.
unsafe fn read_known_link(path: *const c_char, cookie: u64) -> isize {
    let mut target = MaybeUninit::<u8>::uninit();
    let to = target.as_mut_ptr().expose_provenance();
    let arguments = passing(at(AT_FDCWD, path, to, 1, 0), cookie);
    // SAFETY: the caller's, and there is room for one byte.
    unsafe { syscall(number::READLINKAT, arguments) }
}

/// # Safety
/// There is room for the text and a null byte.
unsafe fn copy(text: &[u8], to: *mut c_char) {
    for (index, byte) in text.iter().chain([&0]).enumerate() {
        // SAFETY: the caller's.
        unsafe { *to.add(index) = *byte as c_char };
    }
}

/// The error that reading a link there must give, if it is known that nothing on the way is one, and the path has no
/// `.`, `..` and doubled slashes; with the cookie.
fn without_links(table: &Table, text: &[u8]) -> Option<(isize, u64)> {
    let cookie = table.cookie()?;
    let mut from = 1;
    loop {
        let length = text.get(from..)?.iter().position(|byte| *byte == b'/');
        let end = length.map_or(text.len(), |length| from + length);
        if matches!(text.get(from..end)?, b"" | b"." | b"..") {
            return None;
        }
        match table.get(Repeat::ReadLink, text.get(..end)?)? {
            IS_NO_LINK if end == text.len() => return Some((EINVAL, cookie)),
            IS_NO_LINK => from = end + 1,
            IS_ABSENT => return Some((ENOENT, cookie)),
            _ => return None,
        }
    }
}
