//! What the tests of the project read: the workspace as Cargo sees it, and the files that Git tracks.

use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{MetadataCommand, Package};

/// The directory of the workspace.
pub(crate) fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
}

/// A file of the workspace.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The members of the workspace.
pub(crate) fn members() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).no_deps();
    command.exec().expect("cargo knows this workspace").packages
}

/// Every file that Git tracks and that is there, by its path in the workspace.
pub(crate) fn tracked() -> Vec<Utf8PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let paths = names.split_terminator('\0').map(Utf8PathBuf::from);
    paths.filter(|path| root().join(path).is_file()).collect()
}

/// The tracked files that are text.
pub(crate) fn tracked_texts() -> Vec<(Utf8PathBuf, String)> {
    let texts = tracked()
        .into_iter()
        .map(|path| (fs::read_to_string(root().join(&path)), path));
    texts.filter_map(|(text, path)| Some((path, text.ok()?))).collect()
}
