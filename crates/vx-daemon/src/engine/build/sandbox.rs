//! The user's settings for containment: `[sandbox]` in the workspace's `.vx.toml`, or `[workspace.metadata.vx.sandbox]`
//! in its `Cargo.toml`. What both say counts.
//!
//! ```toml
//! [sandbox]
//! strict = true
//! memory = "8GiB"
//! disk = "20GiB"
//!
//! [sandbox.packages.NAME]
//! network = true
//! write = ["~/.cache/NAME", "generated"]
//! ```

use std::collections::BTreeMap;

use bytesize::ByteSize;
use camino::Utf8Path;
use serde::Deserialize;
use vx_home::WorkspaceLayout;
use vx_model::{Root, RootedPath};
use vx_proto::{ErrorKind, Limits, WireError};

use crate::engine::actions::Grants;

/// What packages are granted, and whether anything else is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sandbox {
    /// Whether an action fails if it needs what its package is not granted here.
    pub(crate) strict: bool,
    /// What one action may take.
    pub(crate) limits: Limits,
    packages: BTreeMap<String, Grants>,
}

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    sandbox: Table,
}

/// The manifest, as far as it matters.
#[derive(Debug, Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    workspace: Workspace,
}

#[derive(Debug, Default, Deserialize)]
struct Workspace {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    vx: File,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    strict: bool,
    memory: Option<ByteSize>,
    disk: Option<ByteSize>,
    #[serde(default)]
    packages: BTreeMap<String, OfPackage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPackage {
    #[serde(default)]
    network: bool,
    #[serde(default)]
    write: Vec<String>,
}

impl Sandbox {
    /// The settings of the workspace at `workspace`; `strict`: the user asks for that.
    pub(crate) fn read(workspace: &Utf8Path, strict: bool) -> Result<Self, WireError> {
        let settings = WorkspaceLayout::new(workspace).settings();
        let file: File = parse(&settings)?;
        let manifest: Manifest = parse(&workspace.join("Cargo.toml"))?;
        let mut sandbox = Self {
            strict,
            limits: Limits::default(),
            packages: BTreeMap::new(),
        };
        for table in [file.sandbox, manifest.workspace.metadata.vx.sandbox] {
            sandbox.strict |= table.strict;
            let limits = &mut sandbox.limits;
            limits.memory = lower(limits.memory, table.memory);
            limits.disk = lower(limits.disk, table.disk);
            for (name, of_package) in table.packages {
                let grants = of_package.grants(&settings)?;
                sandbox.packages.entry(name).or_default().extend(&grants);
            }
        }
        Ok(sandbox)
    }

    /// What the user grants to a package.
    pub(crate) fn grants(&self, package: &str) -> Grants {
        self.packages.get(package).cloned().unwrap_or_default()
    }
}

/// The lower one of two limits.
fn lower(one: Option<u64>, other: Option<ByteSize>) -> Option<u64> {
    one.into_iter().chain(other.map(|other| other.as_u64())).min()
}

impl OfPackage {
    fn grants(self, settings: &Utf8Path) -> Result<Grants, WireError> {
        let paths = self.write.iter().map(|path| {
            let named = match (path.strip_prefix("~/"), path.strip_prefix('/')) {
                (Some(below), _) => RootedPath::new(Root::UserHome, below),
                (None, Some(absolute)) => RootedPath::new(Root::Host, absolute),
                (None, None) => RootedPath::new(Root::Workspace, path.as_str()),
            };
            match named
                .path
                .split('/')
                .any(|component| matches!(component, "" | "." | ".."))
            {
                true => Err(invalid(settings).with_cause(format!("`{path}` is not a plain path"))),
                false => Ok(named),
            }
        });
        Ok(Grants {
            network: self.network,
            writable: paths.collect::<Result<_, _>>()?,
            real_paths: false,
        })
    }
}

/// The content of a file that may be missing.
fn parse<T: Default + for<'de> Deserialize<'de>>(path: &Utf8Path) -> Result<T, WireError> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|error| invalid(path).caused_by(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(WireError::new(ErrorKind::Usage, format!("failed to read `{path}`")).caused_by(&error)),
    }
}

fn invalid(path: &Utf8Path) -> WireError {
    WireError::new(ErrorKind::Usage, format!("the settings in `{path}` are invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &str, manifest: &str) -> Result<Sandbox, WireError> {
        let directory = tempfile::tempdir().unwrap();
        let workspace = Utf8Path::from_path(directory.path()).unwrap();
        std::fs::write(workspace.join(".vx.toml"), settings).unwrap();
        std::fs::write(workspace.join("Cargo.toml"), manifest).unwrap();
        Sandbox::read(workspace, false)
    }

    #[test]
    fn what_both_files_say_counts() {
        let sandbox = read(
            "[sandbox.packages.app]\nwrite = [\"~/.cache/app\", \"generated\"]\n",
            "[workspace.metadata.vx.sandbox]\nstrict = true\npackages.app.network = true\n",
        );
        let sandbox = sandbox.unwrap();
        assert!(sandbox.strict && sandbox.grants("app").network);
        let paths: Vec<String> = sandbox
            .grants("app")
            .writable
            .iter()
            .map(RootedPath::to_string)
            .collect();
        assert_eq!(paths, ["workspace/generated", "home/.cache/app"]);
        assert!(sandbox.grants("other").is_empty());
    }

    #[test]
    fn mistakes_are_refused_by_name() {
        for settings in [
            "[sandbox]\nstric = true",
            "[sandbox.packages.app]\nwrite = [\"../x\"]",
            "[",
        ] {
            assert!(
                read(settings, "").unwrap_err().to_string().contains(".vx.toml"),
                "{settings}"
            );
        }
    }
}
