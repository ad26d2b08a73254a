//! The table of known uses: which uses of paths are recorded already, and where none is, in memory that the observed
//! processes can read.
//!
//! The supervisor adds to it, the preloaded library looks in it. It is one file: a header, slots, and the texts of the
//! paths. A slot is written after its text, and never changed, so nobody needs a lock.
//!
//! Compiled into both; the library is built with `vx_preload` and has no standard library.

#[cfg(any(vx_preload, test))]
use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The directory in which observed processes find it.
#[cfg(not(vx_preload))]
pub const DIRECTORY: &str = "/dev/vx";
/// Where it is for them.
#[cfg(any(vx_preload, test))]
pub const TABLE: &CStr = c"/dev/vx/table";

/// Flags of `open`, as all machines have them that the library is built for, but for the last two.
pub const O_ACCMODE: i32 = 3;
pub const O_CREAT: i32 = 0o100;
pub const O_TRUNC: i32 = 0o1000;
pub const O_PATH: i32 = 0o10_000_000;
/// Without [`O_DIRECTORY`], which belongs to it.
pub const O_TMPFILE: i32 = 0o20_000_000;
#[cfg(target_arch = "aarch64")]
pub const O_DIRECTORY: i32 = 0o40_000;
#[cfg(not(target_arch = "aarch64"))]
pub const O_DIRECTORY: i32 = 0o200_000;
#[cfg(target_arch = "aarch64")]
pub const O_NOFOLLOW: i32 = 0o100_000;
#[cfg(not(target_arch = "aarch64"))]
pub const O_NOFOLLOW: i32 = 0o400_000;

/// Number of slots; at most half of them are used, so that a search ends soon.
pub const SLOTS: usize = 1 << 15;
/// Room for the texts, in bytes.
pub const TEXTS: usize = 4 << 20;
/// The longest text: the library has room for it on the stack of whoever calls it.
pub const MAX_TEXT: usize = 1023;

/// A use of a path that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Repeat {
    /// Opens it to be read.
    Read = 1,
    /// The same, but not what a link at its end leads to.
    ReadAtLink = 2,
    /// Asks what is there.
    Look = 3,
    /// The same, of a link at its end.
    LookAtLink = 4,
    /// Reads a link.
    ReadLink = 5,
    /// Enters a directory.
    #[cfg_attr(vx_preload, expect(dead_code, reason = "libc has no state of its own about it"))]
    Enter = 6,
}

impl Repeat {
    /// Opening with these flags, if that only reads. Who asks for a directory does not read a file that is there.
    pub fn of_open(flags: i32) -> Option<Self> {
        let others = O_ACCMODE | O_CREAT | O_TRUNC | O_PATH | O_TMPFILE | O_DIRECTORY;
        match flags & (others | O_NOFOLLOW) {
            0 => Some(Self::Read),
            O_NOFOLLOW => Some(Self::ReadAtLink),
            _ => None,
        }
    }
}

/// Something is at the path, and no link: for [`Repeat::ReadLink`] alone.
pub const IS_NO_LINK: u8 = 1;
/// Nothing is at the path: likewise.
pub const IS_ABSENT: u8 = 2;

/// As many directories can belong to a process.
const MAX_OWN: usize = 8;

/// The file.
#[repr(C)]
pub struct Table {
    /// What the library puts into the sixth argument of a call, which no call has, to say that it is recorded.
    cookie: AtomicU64,
    /// Whether the table still counts.
    is_valid: AtomicU32,
    /// Where the next text goes. For the supervisor alone, as is the number of slots in use.
    end: AtomicU32,
    used: AtomicU32,
    /// Zero, or a directory that belongs to the process: from the highest bits 32 of its text's place, 32 of its length.
    own: [AtomicU64; MAX_OWN],
    /// Zero, or a use: from the highest bits 32 of the text's place, 16 of its length, 8 of its use, 8 of what is known.
    slots: [AtomicU64; SLOTS],
    texts: [core::cell::UnsafeCell<u8>; TEXTS],
}

// SAFETY: a text is written before the slot that names it, and never again.
unsafe impl Sync for Table {}

impl Table {
    /// What is known of this use of the path `text`; `None` if it is not recorded.
    pub fn get(&self, repeat: Repeat, text: &[u8]) -> Option<u8> {
        let mut at = first_slot(repeat, text);
        // As many as there are, in case that somebody has filled them all.
        for _ in 0..SLOTS {
            let slot = self.slots[at].load(Ordering::Acquire);
            if slot == 0 {
                return None;
            }
            if (slot >> 16) as u16 as usize == text.len()
                && (slot >> 8) as u8 == repeat as u8
                && self.holds((slot >> 32) as usize, text)
            {
                return Some(slot as u8);
            }
            at = (at + 1) % SLOTS;
        }
        None
    }

    fn holds(&self, from: usize, text: &[u8]) -> bool {
        let Some(found) = self.texts.get(from..).and_then(|texts| texts.get(..text.len())) else {
            return false;
        };
        // SAFETY: the text was complete before the slot that names it was written.
        found
            .iter()
            .zip(text)
            .all(|(found, byte)| unsafe { *found.get() } == *byte)
    }
}

/// FNV-1a.
fn first_slot(repeat: Repeat, text: &[u8]) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ repeat as u64;
    for byte in text {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // The lowest bits depend on the fewest of the text's.
    (hash >> 24) as usize % SLOTS
}

/// For the library.
#[cfg(any(vx_preload, test))]
impl Table {
    /// What says that a call is recorded; `None` once the table does not count any more.
    pub fn cookie(&self) -> Option<u64> {
        match self.is_valid.load(Ordering::Acquire) {
            0 => None,
            _ => Some(self.cookie.load(Ordering::Relaxed)),
        }
    }

    /// Whether the path `text` lies in a directory that belongs to the process, if there is no link below that: what is
    /// used there is not recorded.
    pub fn is_own(&self, text: &[u8]) -> bool {
        let own = self.own.iter().map(|own| own.load(Ordering::Acquire));
        own.take_while(|own| *own != 0).any(|own| {
            let (from, length) = ((own >> 32) as usize, own as u32 as usize);
            text.split_at_checked(length)
                .is_some_and(|(above, below)| below.first() == Some(&b'/') && self.holds(from, above) && stays(below))
        })
    }
}

/// Whether no `..` leaves the directory in which the path `below` starts.
#[cfg(any(vx_preload, test))]
fn stays(below: &[u8]) -> bool {
    let mut depth = 0_usize;
    below.split(|byte| *byte == b'/').all(|component| {
        let after = match component {
            b"" | b"." => Some(depth),
            b".." => depth.checked_sub(1),
            _ => Some(depth + 1),
        };
        depth = after.unwrap_or_default();
        after.is_some()
    })
}

/// For the supervisor.
#[cfg(not(vx_preload))]
impl Table {
    /// Makes a table of zeros count.
    pub fn open(&self, cookie: u64) {
        self.cookie.store(cookie, Ordering::Relaxed);
        self.is_valid.store(1, Ordering::Release);
    }

    /// Ends it: from now on, every use is asked about.
    pub fn close(&self) {
        self.is_valid.store(0, Ordering::Release);
    }

    /// Adds a directory that belongs to the process, if there is room.
    pub fn add_own(&self, directory: &[u8]) {
        let free = self.own.iter().find(|own| own.load(Ordering::Relaxed) == 0);
        if let Some(free) = free
            && let Some(from) = self.add_text(directory)
        {
            free.store((from as u64) << 32 | directory.len() as u64, Ordering::Release);
        }
    }

    /// Adds a use, if there is room and it is not there.
    pub fn add(&self, repeat: Repeat, text: &[u8], known: u8) {
        let used = self.used.load(Ordering::Relaxed);
        if used as usize >= SLOTS / 2 || self.get(repeat, text).is_some() {
            return;
        }
        let Some(from) = self.add_text(text) else { return };
        let mut at = first_slot(repeat, text);
        while self.slots[at].load(Ordering::Relaxed) != 0 {
            at = (at + 1) % SLOTS;
        }
        let slot = (from as u64) << 32 | (text.len() as u64) << 16 | (repeat as u64) << 8 | u64::from(known);
        self.slots[at].store(slot, Ordering::Release);
        self.used.store(used + 1, Ordering::Relaxed);
    }

    /// Where the text is.
    fn add_text(&self, text: &[u8]) -> Option<usize> {
        let from = self.end.load(Ordering::Relaxed) as usize;
        let end = from + text.len();
        let room = self.texts.get(from..end).filter(|_| text.len() <= MAX_TEXT)?;
        for (to, byte) in room.iter().zip(text) {
            // SAFETY: no slot names this place yet, so nobody reads it; and only one adds.
            unsafe { *to.get() = *byte };
        }
        self.end.store(end as u32, Ordering::Relaxed);
        Some(from)
    }
}
