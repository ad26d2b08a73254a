//! A `vx` with a home of its own, for tasks that measure or show it: the user's own state is not used.

use std::process::Command;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use crate::program;

/// A home for `vx`; its services end when this is dropped.
#[derive(Debug)]
pub(crate) struct Sandbox {
    vx: Utf8PathBuf,
    home: Utf8PathBuf,
    downloads: Utf8PathBuf,
}

/// A running service of a home.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Service {
    /// `daemon`, `cas` or `exec`.
    pub(crate) name: String,
    /// Its process id.
    pub(crate) pid: u32,
}

/// What is used of the answer to `vx status --message-format json`.
#[derive(Debug, Deserialize)]
struct Status {
    daemon: Option<Daemon>,
}

/// The daemon, where one runs.
#[derive(Debug, Deserialize)]
struct Daemon {
    services: Vec<Service>,
}

impl Sandbox {
    /// A home at `home`, made by vx itself, with downloads in `downloads`.
    pub(crate) fn new(vx: &Utf8Path, home: Utf8PathBuf, downloads: Utf8PathBuf) -> Self {
        Self {
            vx: vx.to_owned(),
            home,
            downloads,
        }
    }

    /// `vx` in this home, without arguments so far.
    pub(crate) fn vx(&self) -> Command {
        let mut command = program::isolated(&self.vx);
        command.env("VX_HOME", &self.home);
        command.env("VX_DOWNLOAD_CACHE_DIR", &self.downloads);
        command
    }

    /// The daemon and its services.
    pub(crate) fn services(&self) -> Result<Vec<Service>> {
        let answer = program::output(self.vx().args(["status", "--message-format", "json"]))?;
        let status: Status = serde_json::from_str(&answer).context("cannot read the answer of `vx status`")?;
        Ok(status.daemon.map(|daemon| daemon.services).unwrap_or_default())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        match self.vx().arg("kill").output() {
            Ok(output) if output.status.success() => {}
            Ok(output) => eprintln!(
                "warning: `vx kill`: {}",
                String::from_utf8_lossy(&output.stderr).trim_end()
            ),
            Err(error) => eprintln!("warning: cannot start `vx kill`: {error}"),
        }
    }
}
