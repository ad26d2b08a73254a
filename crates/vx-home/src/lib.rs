//! Where vx keeps things and which environment variables it reads.
//!
//! Every path below `$VX_HOME` or a workspace's `.vx`, and every `VX_*` variable, is named here and nowhere else. This
//! crate reads neither the environment nor the disk: the program resolves `$VX_HOME` once and hands a [`VxHome`] down.

pub mod env;
mod workspace;

use camino::{Utf8Path, Utf8PathBuf};

pub use workspace::WorkspaceLayout;

/// The layout of one user's state directory (`$VX_HOME`, by default `~/.vx`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VxHome {
    root: Utf8PathBuf,
}

impl VxHome {
    /// Takes the absolute path of the state directory; nothing is created.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The state directory itself.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Endpoints, pids, locks and the token of running services; mode 0700.
    pub fn run(&self) -> Utf8PathBuf {
        self.root.join("run")
    }

    /// The token that peers prove to know; mode 0600.
    pub fn token(&self) -> Utf8PathBuf {
        self.run().join("token")
    }

    /// What a running service publishes about itself (JSON), for example `run/daemon.json`.
    pub fn run_file(&self, service: &str) -> Utf8PathBuf {
        self.run().join(format!("{service}.json"))
    }

    /// Locked by a service for as long as it lives: one of each kind per home.
    pub fn lock_file(&self, service: &str) -> Utf8PathBuf {
        self.run().join(format!("{service}.lock"))
    }

    /// Log files of the services.
    pub fn log(&self) -> Utf8PathBuf {
        self.root.join("log")
    }

    /// The log file of one service.
    pub fn log_file(&self, service: &str) -> Utf8PathBuf {
        self.log().join(format!("{service}.log"))
    }

    /// The content-addressed store and the action cache, owned by casd.
    pub fn cas(&self) -> Utf8PathBuf {
        self.root.join("cas")
    }

    /// Exec roots of running actions, owned by execd; emptied when it starts.
    pub fn exec(&self) -> Utf8PathBuf {
        self.root.join("exec")
    }

    /// The outputs of build scripts, by content: `DIGEST/target/PROFILE/build/NAME-HASH/out` is an `OUT_DIR`; immutable
    /// once named.
    pub fn out(&self) -> Utf8PathBuf {
        self.root.join("out")
    }

    /// Unpacked packages of registries, `NAME-VERSION-CHECKSUM`; immutable once named.
    pub fn packages(&self) -> Utf8PathBuf {
        self.root.join("packages")
    }

    /// Views over [`VxHome::packages`] in the form of Cargo's directory sources, one per lock file content.
    pub fn sources(&self) -> Utf8PathBuf {
        self.root.join("sources")
    }

    /// Cargo's target directory while it plans; nothing is built there.
    pub fn planning(&self) -> Utf8PathBuf {
        self.root.join("planning")
    }

    /// Downloads by SHA-256 if `VX_DOWNLOAD_CACHE_DIR` is not set.
    pub fn downloads(&self) -> Utf8PathBuf {
        self.root.join("downloads")
    }
}
