//! Finds the manifest and the root of its workspace, as Cargo does, without starting it: the path of the lock file and
//! everything relative to the workspace must be known before there is a plan.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::paths::normalize;
use crate::{PlanContext, PlanError};

/// The name of manifests.
pub(crate) const MANIFEST: &str = "Cargo.toml";

/// The root directory of the workspace that the selected package belongs to, absolute.
///
/// Cargo reports whatever else is wrong with a manifest.
pub async fn workspace_root(context: &PlanContext) -> Result<Utf8PathBuf, PlanError> {
    root_of(&manifest_path(context)?, cargo_home(context).as_deref())
}

/// The root directory of the workspace that the package of `manifest` belongs to.
pub(crate) fn root_of(manifest: &Utf8Path, cargo_home: Option<&Utf8Path>) -> Result<Utf8PathBuf, PlanError> {
    let package = directory_of(manifest);
    match read(manifest)?.and_then(|said| said.root_for(package, manifest)) {
        Some(root) => Ok(root),
        None => Ok(root_above(package, manifest, cargo_home)?.unwrap_or_else(|| package.to_owned())),
    }
}

/// Whether the manifest in `directory` declares a root, so that nothing above it matters.
pub(crate) fn is_declared_root(directory: &Utf8Path) -> Result<bool, PlanError> {
    Ok(read(&directory.join(MANIFEST))?.is_some_and(|manifest| manifest.workspace.is_some()))
}

/// The patterns of `workspace.members` of the manifest in `directory`.
pub(crate) fn member_patterns(directory: &Utf8Path) -> Result<Vec<String>, PlanError> {
    let workspace = read(&directory.join(MANIFEST))?.and_then(|manifest| manifest.workspace);
    Ok(workspace.map(|workspace| workspace.members).unwrap_or_default())
}

/// The selected manifest, absolute.
pub(crate) fn manifest_path(context: &PlanContext) -> Result<Utf8PathBuf, PlanError> {
    if let Some(path) = &context.selection.manifest_path {
        return Ok(normalize(&context.directory, path.as_str().into()));
    }
    let found = context
        .directory
        .ancestors()
        .map(|directory| directory.join(MANIFEST))
        .find(|manifest| manifest.exists());
    found.ok_or_else(|| PlanError::NoManifest {
        directory: context.directory.clone(),
    })
}

/// `$CARGO_HOME`, by default `~/.cargo`.
pub(crate) fn cargo_home(context: &PlanContext) -> Option<Utf8PathBuf> {
    let variable = |name| context.environment.get(name).filter(|value| !value.is_empty());
    match variable("CARGO_HOME") {
        Some(home) => Some(normalize(&context.directory, home.as_str().into())),
        None => variable("HOME").map(|home| Utf8Path::new(home).join(".cargo")),
    }
}

fn directory_of(manifest: &Utf8Path) -> &Utf8Path {
    manifest.parent().unwrap_or(manifest)
}

/// The first manifest above `package` that claims it. Like Cargo, does not look above `$CARGO_HOME`.
fn root_above(
    package: &Utf8Path,
    manifest: &Utf8Path,
    cargo_home: Option<&Utf8Path>,
) -> Result<Option<Utf8PathBuf>, PlanError> {
    for directory in package.ancestors().skip(1) {
        let candidate = read(&directory.join(MANIFEST))?;
        if let Some(root) = candidate.and_then(|candidate| candidate.root_for(directory, manifest)) {
            return Ok(Some(root));
        }
        if cargo_home == Some(directory) {
            break;
        }
    }
    Ok(None)
}

fn read(path: &Utf8Path) -> Result<Option<Manifest>, PlanError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(PlanError::io(path, source)),
    };
    parse(path, &text).map(Some)
}

/// Reads TOML.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(path: &Utf8Path, text: &str) -> Result<T, PlanError> {
    toml::from_str(text).map_err(|source| PlanError::Toml {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// The part of a manifest that decides its workspace.
#[derive(Debug, Deserialize)]
struct Manifest {
    workspace: Option<Workspace>,
    package: Option<Package>,
}

#[derive(Debug, Deserialize)]
struct Workspace {
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Package {
    workspace: Option<String>,
}

impl Manifest {
    /// The root to which this manifest, in `directory`, assigns the package of `manifest`; `None` if it says nothing.
    fn root_for(&self, directory: &Utf8Path, manifest: &Utf8Path) -> Option<Utf8PathBuf> {
        if let Some(workspace) = &self.workspace {
            let is_root = manifest.parent() == Some(directory);
            return (is_root || !workspace.excludes(directory, manifest)).then(|| directory.to_owned());
        }
        let pointer = self.package.as_ref()?.workspace.as_ref()?;
        Some(normalize(directory, pointer.as_str().into()))
    }
}

impl Workspace {
    fn excludes(&self, directory: &Utf8Path, manifest: &Utf8Path) -> bool {
        let names = |paths: &[String]| paths.iter().any(|path| manifest.starts_with(directory.join(path)));
        names(&self.exclude) && !names(&self.members)
    }
}
