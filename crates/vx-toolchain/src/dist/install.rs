//! Putting verified component archives together to a toolchain that is seen only when it is complete.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_download::publish_directory;

use super::AcquireError;
use super::select::Component;
use super::unpack::{Limits, Unpacker};

/// The layout of installed toolchains, as in `lib/rustlib/rust-installer-version`.
const INSTALLER_VERSION: &str = "3\n";

/// Makes the toolchain `directory` of components and their archives, unless it is there. Blocks.
///
/// It lists its components as rustup does, so that whoever looks for a component looks in one place.
pub(super) fn install(
    components: &[(Component, Utf8PathBuf)],
    directory: &Utf8Path,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), AcquireError> {
    let published = publish_directory(directory, |partial| {
        fill(components, partial, is_cancelled).map_err(Failure::Component)
    });
    published.map_err(|failure| match failure {
        Failure::Component(error) => error,
        Failure::Publish(source) => AcquireError::Io {
            path: directory.to_owned(),
            source,
        },
    })
}

/// Components cannot be unpacked, or what they were unpacked to cannot be published.
enum Failure {
    Component(AcquireError),
    Publish(io::Error),
}

impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        Self::Publish(source)
    }
}

fn fill(
    components: &[(Component, Utf8PathBuf)],
    partial: &Utf8Path,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), AcquireError> {
    let mut unpacker = Unpacker::new(partial, is_cancelled);
    let mut names = String::new();
    let mut lists = Vec::new();
    for (component, archive) in components {
        let mut unpack = || {
            let file = File::open(archive)?;
            let limits = Limits::of_archive(file.metadata()?.len());
            unpacker.unpack(file, component.archive.format, limits)
        };
        let list = unpack().map_err(|source| AcquireError::Unpack {
            component: component.name.clone(),
            source,
        })?;
        lists.push((format!("manifest-{}", component.name), list));
        names += &format!("{}\n", component.name);
    }
    lists.push(("components".to_owned(), names));
    lists.push(("rust-installer-version".to_owned(), INSTALLER_VERSION.to_owned()));
    let rustlib = partial.join("lib/rustlib");
    for (name, text) in lists {
        let path = rustlib.join(name);
        write(&path, &text).map_err(|source| AcquireError::Io { path, source })?;
    }
    Ok(())
}

fn write(path: &Utf8Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // An archive may have brought a file or a link of this name: nothing is written through it.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::write(path, text)
}
