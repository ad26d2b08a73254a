//! Where final outputs lie, below the workspace root.

/// Directory of all final outputs.
const OUTPUTS: &str = ".vx/build";

/// Cargo's name of the directory of a profile's outputs.
pub(super) fn profile_directory(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        name => name,
    }
}

/// Where final outputs lie, below the workspace root; `name` is the directory of a profile, or another beside those.
pub(crate) fn output_directory(name: &str, triple: Option<&str>) -> String {
    format!("{OUTPUTS}/{}", of_platform(name, triple))
}

/// Where the directory `name` of a platform lies, below the directory of all outputs.
pub(crate) fn of_platform(name: &str, triple: Option<&str>) -> String {
    match triple {
        Some(triple) => format!("{triple}/{name}"),
        None => name.to_owned(),
    }
}

/// The directory of all documentation, below the workspace root.
pub(crate) fn documentation_directory(triple: Option<&str>) -> String {
    output_directory("doc", triple)
}

/// The directory for the files of integration tests, below the workspace root.
pub(crate) fn test_directory(triple: Option<&str>) -> String {
    output_directory("tmp", triple)
}
