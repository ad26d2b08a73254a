//! The directories of final outputs, below the workspace root: the layout of `vx-home`, as texts that are equal in
//! every checkout.

use vx_home::WorkspaceLayout;

/// Cargo's name for the directory of a profile's outputs.
pub(super) fn profile_directory(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        name => name,
    }
}

/// The directory of the final outputs of a profile, below the workspace root; `name` is its name.
pub(crate) fn output_directory(name: &str, triple: Option<&str>) -> String {
    WorkspaceLayout::relative().profile(name, triple).into_string()
}

/// The path of the directory `name` of a platform, below the directory of all outputs.
pub(crate) fn of_platform(name: &str, triple: Option<&str>) -> String {
    match triple {
        Some(triple) => format!("{triple}/{name}"),
        None => name.to_owned(),
    }
}

/// The directory of all documentation, below the workspace root.
pub(crate) fn documentation_directory(triple: Option<&str>) -> String {
    WorkspaceLayout::relative().doc(triple).into_string()
}

/// The directory for the files of integration tests, below the workspace root.
pub(crate) fn test_directory(triple: Option<&str>) -> String {
    WorkspaceLayout::relative().test_tmp(triple).into_string()
}
