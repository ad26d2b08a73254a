//! Commits of git repositories, as Cargo checks them out: one directory each, by commit, with their submodules.
//!
//! A commit names its content, so the path below `$VX_HOME` is the same in two homes and for two checkouts of a
//! project.

use camino::{Utf8Path, Utf8PathBuf};
use vx_download::publish_directory;
use vx_home::VxHome;

use crate::GitSource;
use crate::tree::{self, Kind, TreeError};

/// Written by Cargo when a checkout is complete; not a file of the repository.
const CARGO_OK: &str = ".cargo-ok";

/// The commits in a home of vx.
#[derive(Debug, Clone, Copy)]
pub struct GitStore<'a> {
    home: &'a VxHome,
}

impl<'a> GitStore<'a> {
    /// Those in `home`.
    pub fn new(home: &'a VxHome) -> Self {
        Self { home }
    }

    /// The directory of a commit, whether it exists or not: `$VX_HOME/packages/NAME-COMMIT`.
    pub fn directory(&self, source: &GitSource) -> Utf8PathBuf {
        self.home
            .packages()
            .join(format!("{}-{}", source.name(), source.revision))
    }

    /// Takes in a complete checkout of Cargo's, including `.git`: build scripts may ask git for the commit. Blocks.
    pub fn take(&self, source: &GitSource, checkout: &Utf8Path) -> Result<(), TreeError> {
        publish_directory(&self.directory(source), |partial| {
            tree::copy(checkout, partial, Kind::Checkout)?;
            match std::fs::remove_file(partial.join(CARGO_OK)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_taken_once_and_is_nobodys_to_write() {
        let directory = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(directory.path()).unwrap();
        let checkout = top.join("checkout");
        std::fs::create_dir_all(checkout.join(".git/objects/01")).unwrap();
        std::fs::create_dir_all(checkout.join("src")).unwrap();
        for file in ["src/lib.rs", ".git/objects/01/23", ".cargo-ok"] {
            std::fs::write(checkout.join(file), "1").unwrap();
        }
        let home = VxHome::new(top.join("home"));
        let store = GitStore::new(&home);
        let text = format!("git+https://example.com/dep.git#{}", "0".repeat(40));
        let Ok(crate::Source::Git(source)) = text.parse() else {
            panic!("{text}")
        };
        store.take(&source, &checkout).unwrap();

        let taken = store.directory(&source);
        assert_eq!(taken, home.packages().join(format!("dep-{}", "0".repeat(40))));
        assert!(!taken.join(".cargo-ok").exists());
        assert!(taken.join(".git/objects/01/23").is_file());
        assert!(taken.join("src/lib.rs").metadata().unwrap().permissions().readonly());

        std::fs::write(checkout.join("src/lib.rs"), "2").unwrap();
        store.take(&source, &checkout).unwrap();
        assert_eq!(std::fs::read_to_string(taken.join("src/lib.rs")).unwrap(), "1");
    }
}
