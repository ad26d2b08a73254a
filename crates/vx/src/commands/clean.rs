//! `vx clean`: removes what was built for a workspace. Needs no daemon, and leaves the store alone.

use std::io;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use vx_home::WorkspaceLayout;
use vx_proto::{ErrorKind, WireError};

use crate::Invocation;
use crate::cli::CleanArguments;
use crate::{request, workspace};

/// Removes `.vx` of the workspace. Succeeds if there is nothing to remove.
pub(crate) fn run(arguments: &CleanArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let directory = request::current_directory()?;
    let manifest = workspace::manifest(arguments.manifest_path.as_deref(), &directory)?;
    let path = outputs(&workspace::root(&manifest)?, invocation.environment.home.root());
    match remove(&path) {
        Ok(()) => invocation.screen.status("Removed", &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(WireError::new(ErrorKind::Machine, format!("could not remove `{path}`")).caused_by(&error));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What to remove. A project in the user's home directory has its outputs beside the state of vx, which is kept.
fn outputs(workspace: &Utf8Path, home: &Utf8Path) -> Utf8PathBuf {
    let layout = WorkspaceLayout::new(workspace);
    let directory = layout.directory();
    let is_home = match (directory.canonicalize(), home.canonicalize()) {
        (Ok(directory), Ok(home)) => directory == home,
        _ => directory == home,
    };
    if is_home { layout.build() } else { directory }
}

/// Removes a directory and its contents, or a symbolic link itself.
fn remove(path: &Utf8Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_vx_is_never_what_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(directory.path()).unwrap().join(".vx");
        assert_eq!(outputs(home.parent().unwrap(), &home), home.join("build"));
        std::fs::create_dir(&home).unwrap();
        assert_eq!(outputs(&home.join(".."), &home), home.join("../.vx/build"));
        assert_eq!(outputs(&home.join("project"), &home), home.join("project/.vx"));
    }
}
