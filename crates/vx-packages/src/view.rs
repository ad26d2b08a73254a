//! A view over unpacked packages in the form of Cargo's directory sources.
//!
//! Cargo reads every manifest of a directory source, so each set of packages has its own directory of links.

use std::io;

use camino::Utf8PathBuf;
use vx_download::{Checksum, publish_directory};
use vx_home::VxHome;

use crate::PackageDir;

/// The directory source with exactly `packages`, created if it is missing; absolute. Blocks.
pub fn source_view(home: &VxHome, packages: &[PackageDir]) -> io::Result<Utf8PathBuf> {
    let mut directories: Vec<&PackageDir> = packages.iter().collect();
    directories.sort();
    directories.dedup();
    let list: String = directories
        .iter()
        .map(|package| format!("{}\n", package.directory))
        .collect();
    let view = home.sources().join(Checksum::of(list.as_bytes()).to_string());
    publish_directory(&view, |partial| {
        directories.iter().try_for_each(|package| {
            let name = format!("{}-{}", package.name, package.version);
            link(&package.directory, &partial.join(name))
        })
    })?;
    Ok(view)
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        pub(crate) fn link(to: &camino::Utf8Path, at: &camino::Utf8Path) -> io::Result<()> {
            std::os::unix::fs::symlink(to, at)
        }
    } else {
        pub(crate) fn link(to: &camino::Utf8Path, at: &camino::Utf8Path) -> io::Result<()> {
            std::os::windows::fs::symlink_dir(to, at)
        }
    }
}
