//! This workspace: where it is, where it is built, and the `vx` it builds.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::MetadataCommand;

use crate::program;

/// The directory of the workspace.
pub(crate) fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
}

/// Cargo's target directory of the workspace.
pub(crate) fn target() -> Result<Utf8PathBuf> {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--locked".to_owned()])
        .exec();
    Ok(metadata
        .context("cannot ask cargo about this workspace")?
        .target_directory)
}

/// Builds the release version of `vx` and returns its path.
pub(crate) fn release_vx() -> Result<Utf8PathBuf> {
    program::run(
        program::cargo()
            .args(["build", "--locked", "--release", "--package", "vx"])
            .current_dir(root()),
    )?;
    Ok(target()?
        .join("release")
        .join(format!("vx{}", std::env::consts::EXE_SUFFIX)))
}
