//! Assembles a toolchain from verified component archives; it becomes visible only when it is complete.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_download::archive::Unpacker;
use vx_download::publish_directory;

use super::AcquireError;
use super::component::{Contents, RULES, limits};
use super::select::Component;

/// The layout of installed toolchains, as in `lib/rustlib/rust-installer-version`.
const INSTALLER_VERSION: &str = "3\n";

/// Creates the toolchain `directory` from components and their archives, unless it exists. Blocks.
///
/// It lists its components as rustup does, so there is one place to look for a component.
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

/// Components cannot be unpacked or published.
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
    let mut unpacker = Unpacker::new(partial, RULES, is_cancelled);
    let mut names = String::new();
    let mut lists = Vec::new();
    for (component, archive) in components {
        let mut unpack = || {
            let file = File::open(archive)?;
            let limits = limits(file.metadata()?.len());
            let mut contents = Contents::default();
            unpacker.unpack(file, component.archive.format, limits, &mut contents)?;
            contents.check(&unpacker)
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
    for (name, text) in lists {
        let path = Utf8Path::new("lib/rustlib").join(name);
        unpacker
            .add(&path, text.as_bytes())
            .map_err(|source| AcquireError::Io { path, source })?;
    }
    Ok(())
}
