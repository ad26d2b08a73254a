//! Uses that need not stop a process any more: they are recorded, and it finds there what was recorded.
//!
//! A library that is preloaded into the programs of a contained action looks for them in a table, and makes such a call
//! with a cookie that the filter lets pass: see `preload/lib.rs`. A process that made up such calls would deceive only
//! its own package: what it can reach is not decided here.

use std::fs::{self, File};
use std::io;
use std::ptr::{self, NonNull};

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::rand::{GetRandomFlags, getrandom};

pub(crate) use table::DIRECTORY;
use table::Table;
pub(super) use table::{IS_ABSENT, IS_NO_LINK, Repeat};

/// What lies over their `/etc`, below that directory.
pub(crate) const ETC: &str = "etc";
/// The dynamic linker of glibc loads the libraries that this file of `/etc` names before all others.
const PRELOAD: &str = "ld.so.preload";
const LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/preload.so"));

#[path = "../../preload/table.rs"]
#[expect(unreachable_pub, reason = "shared with the library")]
mod table;

/// The table of one action.
#[derive(Debug)]
pub(crate) struct KnownUses {
    table: NonNull<Table>,
    cookie: u64,
    /// The table takes one addition at a time.
    adds: Mutex<()>,
}

// SAFETY: the mapping is not bound to a thread, and the table can be shared.
unsafe impl Send for KnownUses {}
// SAFETY: as above.
unsafe impl Sync for KnownUses {}

impl KnownUses {
    /// Whether there is a library for this machine.
    pub(crate) const ARE_POSSIBLE: bool = !LIBRARY.is_empty();

    /// Fills `directory`, which is made, with what processes find in [`DIRECTORY`]. What is used below `own` is not
    /// recorded: absolute, without links, and the same for the processes.
    pub(crate) fn create(directory: &Utf8Path, own: &[Utf8PathBuf]) -> io::Result<Self> {
        let etc = directory.join(ETC);
        fs::create_dir_all(&etc)?;
        fs::write(directory.join("preload.so"), LIBRARY)?;
        let mut preloaded = fs::read(Utf8Path::new("/etc").join(PRELOAD)).unwrap_or_default();
        preloaded.extend_from_slice(format!("\n{DIRECTORY}/preload.so\n").as_bytes());
        fs::write(etc.join(PRELOAD), preloaded)?;
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .create_new(true)
            .open(directory.join("table"))?;
        file.set_len(size_of::<Table>() as u64)?;
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping of the whole file, which nobody makes shorter.
        let table = unsafe { mmap(ptr::null_mut(), size_of::<Table>(), protection, flags, &file, 0)? };
        let table = NonNull::new(table.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mut cookie = [0; 8];
        getrandom(&mut cookie, GetRandomFlags::empty())?;
        let known = Self {
            table,
            cookie: u64::from_ne_bytes(cookie),
            adds: Mutex::new(()),
        };
        for own in own {
            known.table().add_own(own.as_str().as_bytes());
        }
        known.table().open(known.cookie);
        Ok(known)
    }

    /// The sixth argument of calls that may pass.
    pub(crate) fn cookie(&self) -> u64 {
        self.cookie
    }

    /// A use of the path `text` is recorded, and will find the same; `known` is [`IS_NO_LINK`], [`IS_ABSENT`] or zero.
    pub(super) fn add(&self, repeat: Repeat, text: &str, known: u8) {
        let _one = self.adds.lock();
        self.table().add(repeat, text.as_bytes(), known);
    }

    /// From now on, every use stops a process again.
    pub(super) fn close(&self) {
        self.table().close();
    }

    fn table(&self) -> &Table {
        // SAFETY: the mapping lives as long as this; what others write to the file is valid as well.
        unsafe { self.table.as_ref() }
    }
}

impl Drop for KnownUses {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference to it any more. An error leaves it mapped.
        let _ = unsafe { munmap(self.table.as_ptr().cast(), size_of::<Table>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its files are gone, but not what is mapped.
    fn known(own: &[&str]) -> KnownUses {
        let dir = tempfile::tempdir().unwrap();
        let own: Vec<Utf8PathBuf> = own.iter().map(Utf8PathBuf::from).collect();
        KnownUses::create(Utf8Path::from_path(dir.path()).unwrap(), &own).unwrap()
    }

    #[test]
    fn what_was_added_is_found_until_the_table_is_closed() {
        let known = known(&[]);
        let table = known.table();
        for number in 0..1000 {
            known.add(Repeat::Look, &format!("/{number}"), 0);
        }
        known.add(Repeat::ReadLink, "/7", IS_NO_LINK);
        assert_eq!(table.get(Repeat::Look, b"/999"), Some(0));
        assert_eq!(table.get(Repeat::ReadLink, b"/7"), Some(IS_NO_LINK));
        assert_eq!(table.get(Repeat::ReadLink, b"/8"), None);
        assert_eq!(table.get(Repeat::Look, b"/1000"), None);
        assert_eq!(table.cookie(), Some(known.cookie()));
        known.close();
        assert_eq!(table.cookie(), None);
    }

    #[test]
    fn the_library_has_the_flags_of_libc_and_the_path_of_its_table() {
        assert_eq!(table::O_ACCMODE, libc::O_ACCMODE);
        assert_eq!(table::O_CREAT, libc::O_CREAT);
        assert_eq!(table::O_TRUNC, libc::O_TRUNC);
        assert_eq!(table::O_PATH, libc::O_PATH);
        assert_eq!(table::O_TMPFILE | table::O_DIRECTORY, libc::O_TMPFILE);
        assert_eq!(table::O_DIRECTORY, libc::O_DIRECTORY);
        assert_eq!(table::O_NOFOLLOW, libc::O_NOFOLLOW);
        assert_eq!(table::TABLE.to_str(), Ok(&*format!("{DIRECTORY}/table")));
    }

    #[test]
    fn only_what_reads_a_file_is_a_repeated_read() {
        assert_eq!(Repeat::of_open(libc::O_CLOEXEC | libc::O_NOCTTY), Some(Repeat::Read));
        assert_eq!(Repeat::of_open(libc::O_NOFOLLOW), Some(Repeat::ReadAtLink));
        for flags in [
            libc::O_WRONLY,
            libc::O_RDWR,
            libc::O_CREAT,
            libc::O_TRUNC,
            libc::O_PATH,
            libc::O_TMPFILE,
            libc::O_DIRECTORY,
        ] {
            assert_eq!(Repeat::of_open(flags), None, "{flags:#o}");
        }
    }

    #[test]
    fn a_full_table_takes_no_more() {
        let known = known(&[]);
        known.add(Repeat::Read, &"x".repeat(table::MAX_TEXT + 1), 0);
        let most = table::SLOTS / 2;
        for number in 0..=most {
            known.add(Repeat::Read, &number.to_string(), 0);
        }
        let is_known = |number: usize| known.table().get(Repeat::Read, number.to_string().as_bytes()).is_some();
        assert!(is_known(0) && is_known(most - 1) && !is_known(most));
    }

    #[test]
    fn what_stays_below_an_own_directory_is_own() {
        let known = known(&["/out", "/deep/tmp"]);
        for path in [
            "/out/x",
            "/out/a/../x",
            "/out//./x/",
            "/deep/tmp/a/b/../../c",
            "/out/..x",
        ] {
            assert!(known.table().is_own(path.as_bytes()), "{path}");
        }
        for path in [
            "/out",
            "/output/x",
            "/out/../x",
            "/out/a/../../out/x",
            "/deep/x",
            "/deep/tmp/..",
            "",
            "out/x",
        ] {
            assert!(!known.table().is_own(path.as_bytes()), "{path}");
        }
    }
}
