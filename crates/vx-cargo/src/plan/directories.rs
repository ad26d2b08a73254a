//! The directories of final outputs, below the workspace root: the layout of `vx-home`, as texts that are equal in
//! every checkout.

use camino::Utf8PathBuf;
use vx_home::WorkspaceLayout;
use vx_model::{Root, RootedPath};

use super::types::Platform;

/// Cargo's name for the directory of a profile's outputs.
pub(super) fn profile_directory(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        name => name,
    }
}

/// The directory of the final outputs of a profile, below the workspace root; `name` is its name.
pub(super) fn output_directory(name: &str, triple: Option<&str>) -> String {
    WorkspaceLayout::relative().profile(name, triple).into_string()
}

/// The path of the directory `name` of a platform, below the directory of all outputs.
pub(crate) fn of_platform(name: &str, triple: Option<&str>) -> String {
    match triple {
        Some(triple) => format!("{triple}/{name}"),
        None => name.to_owned(),
    }
}

impl Platform {
    /// The directory of documentation, with all crates side by side.
    pub(crate) fn documentation_directory(&self) -> RootedPath {
        in_workspace(WorkspaceLayout::relative().doc(self.triple.as_deref()))
    }

    /// A directory for the files of integration tests. It exists when they are compiled, and stays.
    pub fn test_directory(&self) -> RootedPath {
        in_workspace(WorkspaceLayout::relative().test_tmp(self.triple.as_deref()))
    }
}

fn in_workspace(directory: Utf8PathBuf) -> RootedPath {
    RootedPath::new(Root::Workspace, directory)
}
