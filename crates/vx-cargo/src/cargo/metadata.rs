//! `cargo metadata`: the content of manifests, with workspace inheritance resolved. Only the JSON that is needed.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::tools::{self, Tools};
use crate::{PlanError, SourceReplacement};

#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<MetadataPackage>,
    pub(crate) workspace_members: Vec<String>,
    pub(crate) workspace_root: Utf8PathBuf,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MetadataPackage {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: semver::Version,
    /// None for path packages.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: Utf8PathBuf,
    pub(crate) targets: Vec<MetadataTarget>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) links: Option<String>,
    #[serde(default)]
    authors: Vec<String>,
    description: Option<String>,
    homepage: Option<String>,
    license: Option<String>,
    license_file: Option<String>,
    readme: Option<String>,
    repository: Option<String>,
    pub(crate) rust_version: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MetadataTarget {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: Utf8PathBuf,
}

impl MetadataPackage {
    /// The directory of the manifest.
    pub(crate) fn directory(&self) -> &Utf8Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// `CARGO_PKG_*`, sorted.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut variables = vec![
            ("CARGO_PKG_AUTHORS", self.authors.join(":")),
            ("CARGO_PKG_DESCRIPTION", text(&self.description)),
            ("CARGO_PKG_HOMEPAGE", text(&self.homepage)),
            ("CARGO_PKG_LICENSE", text(&self.license)),
            ("CARGO_PKG_LICENSE_FILE", text(&self.license_file)),
            ("CARGO_PKG_NAME", self.name.clone()),
            ("CARGO_PKG_README", text(&self.readme)),
            ("CARGO_PKG_REPOSITORY", text(&self.repository)),
            ("CARGO_PKG_RUST_VERSION", text(&self.rust_version)),
            ("CARGO_PKG_VERSION", self.version.to_string()),
            ("CARGO_PKG_VERSION_MAJOR", self.version.major.to_string()),
            ("CARGO_PKG_VERSION_MINOR", self.version.minor.to_string()),
            ("CARGO_PKG_VERSION_PATCH", self.version.patch.to_string()),
            ("CARGO_PKG_VERSION_PRE", self.version.pre.to_string()),
        ];
        variables.sort();
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// Asks for the packages of the workspace and all their dependencies.
///
/// Without unstable options, so a manifest that a stable Cargo refuses is refused here.
pub(crate) async fn ask(tools: Tools<'_>, source: &SourceReplacement) -> Result<Metadata, PlanError> {
    tools::answer(tools.metadata(source)).await
}
