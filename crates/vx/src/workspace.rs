//! Finds the root of a workspace from its manifests alone, as Cargo does, for commands that need no daemon.
//!
//! Reads only what decides this; Cargo checks whether the manifests are valid.

use camino::{Utf8Path, Utf8PathBuf};
use toml::Value;
use vx_cargo::normalize;
use vx_proto::{ErrorKind, WireError};

/// The root directory of the workspace that holds the package or workspace at `manifest`.
pub(crate) fn root(manifest: &Utf8Path) -> Result<Utf8PathBuf, WireError> {
    let own = Manifest::read(manifest)?;
    if own.is_root() {
        return Ok(own.directory);
    }
    if let Some(root) = own.get("package", "workspace").and_then(Value::as_str) {
        return Ok(normalize(&own.directory, root.into()));
    }
    for directory in own.directory.ancestors().skip(1) {
        let path = directory.join("Cargo.toml");
        if path.is_file() {
            let above = Manifest::read(&path)?;
            if above.is_root() {
                return Ok(if above.excludes(manifest) {
                    own.directory
                } else {
                    above.directory
                });
            }
        }
    }
    Ok(own.directory)
}

/// The manifest that a command uses: the given one, or the nearest at or above `directory`.
pub(crate) fn manifest(named: Option<&Utf8Path>, directory: &Utf8Path) -> Result<Utf8PathBuf, WireError> {
    match named {
        Some(path) => Ok(normalize(directory, path)),
        None => directory
            .ancestors()
            .map(|directory| directory.join("Cargo.toml"))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                let message = format!("could not find `Cargo.toml` in `{directory}` or any parent directory");
                WireError::new(ErrorKind::Usage, message)
            }),
    }
}

struct Manifest {
    directory: Utf8PathBuf,
    table: toml::Table,
}

impl Manifest {
    fn read(path: &Utf8Path) -> Result<Self, WireError> {
        let failed =
            |message: String, error: &dyn std::error::Error| WireError::new(ErrorKind::Usage, message).caused_by(error);
        let text = std::fs::read_to_string(path)
            .map_err(|error| failed(format!("failed to read manifest at `{path}`"), &error))?;
        let table = text
            .parse()
            .map_err(|error: toml::de::Error| failed(format!("failed to parse manifest at `{path}`"), &error))?;
        let directory = path.parent().unwrap_or(path).to_owned();
        Ok(Self { directory, table })
    }

    fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.table.get(section)?.get(key)
    }

    fn is_root(&self) -> bool {
        self.table.contains_key("workspace")
    }

    /// Whether `workspace.exclude` names `manifest` and `workspace.members` does not.
    fn excludes(&self, manifest: &Utf8Path) -> bool {
        let names = |key| {
            let paths = self
                .get("workspace", key)
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            paths
                .filter_map(Value::as_str)
                .any(|path| manifest.starts_with(normalize(&self.directory, path.into())))
        };
        names("exclude") && !names("members")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (directory, root)
    }

    #[test]
    fn a_package_alone_is_its_own_workspace() {
        let (_guard, top) = project(&[("a/Cargo.toml", "[package]\nname = 'a'")]);
        assert_eq!(root(&top.join("a/Cargo.toml")).unwrap(), top.join("a"));
    }

    #[test]
    fn a_member_finds_the_workspace_above_it_and_an_excluded_package_does_not() {
        let (_guard, top) = project(&[
            (
                "Cargo.toml",
                "[workspace]\nmembers = ['in/*', 'out/but']\nexclude = ['out']",
            ),
            ("in/a/Cargo.toml", "[package]\nname = 'a'"),
            ("out/b/Cargo.toml", "[package]\nname = 'b'"),
            ("out/but/Cargo.toml", "[package]\nname = 'but'"),
        ]);
        assert_eq!(root(&top.join("in/a/Cargo.toml")).unwrap(), top);
        assert_eq!(root(&top.join("out/b/Cargo.toml")).unwrap(), top.join("out/b"));
        assert_eq!(root(&top.join("out/but/Cargo.toml")).unwrap(), top);
    }

    #[test]
    fn a_package_may_name_its_workspace() {
        let (_guard, top) = project(&[
            ("ws/Cargo.toml", "[workspace]"),
            ("a/Cargo.toml", "[package]\nname = 'a'\nworkspace = '../ws'"),
        ]);
        assert_eq!(root(&top.join("a/Cargo.toml")).unwrap(), top.join("ws"));
    }

    #[test]
    fn the_nearest_manifest_above_counts() {
        let (_guard, top) = project(&[("a/Cargo.toml", ""), ("a/src/deep/x.rs", "")]);
        assert_eq!(
            manifest(None, &top.join("a/src/deep")).unwrap(),
            top.join("a/Cargo.toml")
        );
        assert_eq!(
            manifest(Some("../b/Cargo.toml".into()), &top.join("a")).unwrap(),
            top.join("b/Cargo.toml")
        );
    }

    #[test]
    fn a_manifest_that_is_no_toml_is_told_by_name() {
        let (_guard, top) = project(&[("Cargo.toml", "[package")]);
        let error = root(&top.join("Cargo.toml")).unwrap_err();
        assert!(error.message.contains("failed to parse manifest"), "{error}");
        assert_eq!(error.causes.len(), 1);
    }
}
