//! Projects on disk: fixtures, copies of them, and edits.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};

/// The project `tests/fixtures/NAME` of the repository.
pub(crate) fn fixture(name: &str) -> Utf8PathBuf {
    let fixtures = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures"));
    fixtures.canonicalize_utf8().unwrap().join(name)
}

/// Copies a project to `to`, which may exist; what vx and cargo built in it stays behind.
pub(crate) fn copy_directory(from: &Utf8Path, to: &Utf8Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir_utf8().unwrap_or_else(|error| panic!("{from}: {error}")) {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if matches!(entry.file_name(), ".vx" | "target") {
            continue;
        } else if kind.is_dir() {
            copy_directory(entry.path(), &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), &target).unwrap();
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A new directory that nobody else may enter, as sockets need it.
pub(super) fn make_private_directory(path: &Utf8Path) {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(path).unwrap();
}

/// Writes a file, with the directories above it.
pub(crate) fn write(path: &Utf8Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub(super) fn replace(path: &Utf8Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(text.matches(from).count(), 1, "{from:?} in {path}:\n{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}
