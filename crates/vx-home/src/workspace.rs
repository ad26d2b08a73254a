//! The layout of `.vx`, the directory of a workspace's outputs.

use camino::{Utf8Path, Utf8PathBuf};

/// The paths of what vx builds in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceLayout {
    root: Utf8PathBuf,
}

impl WorkspaceLayout {
    /// The name of vx's directory in a workspace, and in a user's home directory.
    pub const DIRECTORY: &str = ".vx";

    /// Tells version control to ignore all of that directory.
    pub const GITIGNORE_TEXT: &str = "*\n";

    /// Paths below the workspace root at `root`; nothing is created.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Paths relative to the workspace root, equal in every checkout.
    pub fn relative() -> Self {
        Self::new("")
    }

    /// The workspace root; empty if paths are relative to it.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Everything that vx puts into the workspace.
    pub fn directory(&self) -> Utf8PathBuf {
        self.root.join(Self::DIRECTORY)
    }

    /// The user's settings for the workspace.
    pub fn settings(&self) -> Utf8PathBuf {
        self.root.join(".vx.toml")
    }

    /// Keeps the directory out of version control.
    pub fn gitignore(&self) -> Utf8PathBuf {
        self.directory().join(".gitignore")
    }

    /// Final artifacts; in Cargo's terms, the target directory.
    pub fn build(&self) -> Utf8PathBuf {
        self.directory().join("build")
    }

    /// The outputs for one platform, below [`WorkspaceLayout::build`]: that of `triple`, or the host if none was
    /// requested.
    pub fn platform(&self, triple: Option<&str>) -> Utf8PathBuf {
        match triple {
            Some(triple) => self.build().join(triple),
            None => self.build(),
        }
    }

    /// Final artifacts of one profile, whose directory has the name `profile` (`debug`, `release`, …).
    pub fn profile(&self, profile: &str, triple: Option<&str>) -> Utf8PathBuf {
        self.platform(triple).join(profile)
    }

    /// All documentation.
    pub fn doc(&self, triple: Option<&str>) -> Utf8PathBuf {
        self.platform(triple).join("doc")
    }

    /// For files of integration tests and benchmarks: their `CARGO_TARGET_TMPDIR`.
    pub fn test_tmp(&self, triple: Option<&str>) -> Utf8PathBuf {
        self.platform(triple).join("tmp")
    }

    /// The state of incremental compilation: private to the machine, never in the store.
    pub fn incremental(&self) -> Utf8PathBuf {
        self.directory().join("incremental")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_or_relative_to_the_workspace() {
        let absolute = WorkspaceLayout::new("/w");
        assert_eq!(absolute.profile("debug", None), "/w/.vx/build/debug");
        assert_eq!(absolute.gitignore(), "/w/.vx/.gitignore");
        let relative = WorkspaceLayout::relative();
        assert_eq!(relative.doc(Some("wasm32-wasip1")), ".vx/build/wasm32-wasip1/doc");
        assert_eq!(relative.test_tmp(None), ".vx/build/tmp");
        assert_eq!(relative.incremental(), ".vx/incremental");
    }
}
