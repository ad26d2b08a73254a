//! Creates the directories of a home that services need before they can report anything.

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_home::VxHome;

/// The state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up `{path}` in the state directory `{home}`")]
pub(crate) struct HomeError {
    /// What could not be created or protected.
    pub(crate) path: Utf8PathBuf,
    /// The state directory.
    pub(crate) home: Utf8PathBuf,
    /// Why.
    pub(crate) source: io::Error,
}

/// Creates the state directory, `run` and `log`, if they are missing. Other users may enter neither of these two, which
/// hold the token, the sockets, and what services say, nor a state directory that is made here.
pub(crate) fn prepare_home(home: &VxHome) -> Result<(), HomeError> {
    let failed = |path: &Utf8Path, source| HomeError {
        path: path.to_owned(),
        home: home.root().to_owned(),
        source,
    };
    if !home.root().is_dir() {
        make_private(home.root()).map_err(|source| failed(home.root(), source))?;
    }
    make_private(&home.run()).map_err(|source| failed(&home.run(), source))?;
    make_private(&home.log()).map_err(|source| failed(&home.log(), source))
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        fn make_private(path: &Utf8Path) -> io::Result<()> {
            use std::fs::{DirBuilder, Permissions};
            use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
                return Ok(());
            }
            fs::set_permissions(path, Permissions::from_mode(0o700))
        }
    } else {
        fn make_private(path: &Utf8Path) -> io::Result<()> {
            fs::create_dir_all(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_in(directory: &tempfile::TempDir) -> VxHome {
        VxHome::new(Utf8Path::from_path(directory.path()).unwrap().join("home"))
    }

    #[cfg(unix)]
    #[test]
    fn the_run_directory_is_private_even_where_it_was_not() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let home = home_in(&directory);
        fs::create_dir_all(home.run()).unwrap();
        fs::set_permissions(home.run(), fs::Permissions::from_mode(0o755)).unwrap();
        prepare_home(&home).unwrap();
        let mode = fs::metadata(home.run()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[cfg(unix)]
    #[test]
    fn a_home_that_is_made_is_private_and_one_that_is_there_is_left_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let home = home_in(&directory);
        let mode = |path: &Utf8Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        prepare_home(&home).unwrap();
        assert_eq!([mode(home.root()), mode(&home.log())], [0o700, 0o700]);
        fs::set_permissions(home.root(), fs::Permissions::from_mode(0o755)).unwrap();
        prepare_home(&home).unwrap();
        assert_eq!(mode(home.root()), 0o755);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let home = home_in(&directory);
        fs::write(home.root(), "").unwrap();
        let error = prepare_home(&home).unwrap_err();
        assert_eq!(error.path, home.root());
    }
}
