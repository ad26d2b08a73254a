//! Homes for Cargo (`CARGO_HOME`) in which it fetches for vx what vx does not fetch itself.
//!
//! What Cargo fetches is beside the downloads, in `cargo/`, for all homes of vx. Each user sees it through a directory
//! of links that holds their own configuration and credentials. Cargo's locks are shared too, so any number of
//! processes fetch a commit once.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_download::{Checksum, publish_directory};
use vx_home::VxHome;

use crate::GitSource;
use crate::tree::{self, Kind, TreeError};
use crate::view::link;

/// What belongs to the user: configuration and secrets.
const OF_THE_USER: [&str; 4] = ["config.toml", "config", "credentials.toml", "credentials"];
/// What all homes share: directories …
const SHARED_DIRECTORIES: [&str; 2] = ["git", "registry"];
/// … and Cargo's lock files.
const SHARED_FILES: [&str; 3] = [".package-cache", ".package-cache-mutate", ".global-cache"];

/// A home for Cargo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CargoHome {
    view: Utf8PathBuf,
    shared: Utf8PathBuf,
}

impl CargoHome {
    /// The home with everything below `downloads`, for the user whose Cargo home is `users`. If Cargo finds the user's
    /// configuration anyway (`has_config`), it is not linked again. Blocks.
    pub fn open(home: &VxHome, downloads: &Utf8Path, users: Option<&Utf8Path>, has_config: bool) -> io::Result<Self> {
        let shared = Self::shared(downloads);
        for name in SHARED_DIRECTORIES {
            std::fs::create_dir_all(shared.join(name))?;
        }
        let of_the_user = OF_THE_USER
            .iter()
            .filter(|name| !has_config || name.starts_with("credentials"));
        let shared_links = SHARED_DIRECTORIES.iter().chain(&SHARED_FILES);
        let links: Vec<(&str, Utf8PathBuf)> = users
            .into_iter()
            .flat_map(|users| of_the_user.clone().map(|name| (*name, users.join(name))))
            .chain(shared_links.map(|name| (*name, shared.join(name))))
            .collect();
        let name = Checksum::of(format!("{links:?}").as_bytes());
        let view = home.sources().join(format!("cargo-{name}"));
        publish_directory::<io::Error>(&view, |partial| {
            // A dangling link is as good as an absent file.
            links.iter().try_for_each(|(name, to)| link(to, &partial.join(name)))
        })?;
        Ok(Self { view, shared })
    }

    /// The directory of everything that Cargo fetches for vx.
    pub fn shared(downloads: &Utf8Path) -> Utf8PathBuf {
        downloads.join("cargo")
    }

    /// The value of `CARGO_HOME`, absolute.
    pub fn directory(&self) -> &Utf8Path {
        &self.view
    }

    /// The checkout that holds `path`, a path below [`CargoHome::directory`]: it and its name (`NAME-HASH/COMMIT`).
    pub fn checkout_of<'a>(&self, path: &'a Utf8Path) -> Option<(&'a Utf8Path, &'a str)> {
        let checkouts = self.view.join("git/checkouts");
        let below = path.strip_prefix(&checkouts).ok()?;
        let mut names = below.components();
        let length = names.next()?.as_str().len() + 1 + names.next()?.as_str().len();
        let checkout = path.as_str().get(..checkouts.as_str().len() + 1 + length)?;
        Some((Utf8Path::new(checkout), below.as_str().get(..length)?))
    }

    /// Takes the repository of `source` from the user's own Cargo, unless one exists already or Cargo is writing there.
    /// Blocks.
    pub fn adopt(&self, users: &Utf8Path, source: &GitSource) -> Result<(), TreeError> {
        // Cargo names repositories by name and a hash of its own; any with the name may be the right one.
        let prefix = format!("{}-", source.name());
        let (Ok(entries), Some(_lock)) = (users.join("git/db").read_dir_utf8(), lock(users)) else {
            return Ok(());
        };
        for entry in entries.flatten().filter(|entry| entry.file_name().starts_with(&prefix)) {
            let database = self.shared.join("git/db").join(entry.file_name());
            publish_directory(&database, |partial| tree::copy(entry.path(), partial, Kind::Repository))?;
        }
        Ok(())
    }
}

/// Keeps Cargo from writing to its caches in `cargo_home`; `None` if it is doing so.
fn lock(cargo_home: &Utf8Path) -> Option<File> {
    let file = File::open(cargo_home.join(".package-cache")).ok()?;
    file.try_lock_shared().ok()?;
    Some(file)
}
