//! Where on a disk packages lie. Not what is in them.

use camino::Utf8Path;

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        use std::io;

        use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};

        /// Asks the file system to put each directory in `directory`, which is created if it is missing, where there is
        /// room, and not beside the others.
        ///
        /// ext4 looks for the number of a new file from the beginning of the group of its directory, and passes over those
        /// that were in use during the last minutes. Where much was removed just before, as compilers do with their
        /// temporary files, that is most of the time of unpacking. Other file systems have no such setting.
        pub(crate) fn spread(directory: &Utf8Path) {
            let spread = || -> io::Result<()> {
                std::fs::create_dir_all(directory)?;
                let opened = std::fs::File::open(directory)?;
                let flags = ioctl_getflags(&opened)?;
                match flags.contains(IFlags::TOPDIR) {
                    true => Ok(()),
                    false => Ok(ioctl_setflags(&opened, flags | IFlags::TOPDIR)?),
                }
            };
            // Without it, only time is lost.
            let _ = spread();
        }
    } else {
        /// There is no such setting here.
        pub(crate) fn spread(_: &Utf8Path) {}
    }
}
