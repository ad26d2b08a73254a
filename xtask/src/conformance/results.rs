//! What was found out already: facts and logs below `target/conformance/`, so that a task that was interrupted, or a change of
//! nothing but the comparison, builds nothing again.
//!
//! Cargo's results are kept by toolchain, entry and profile, those of vx also by the hash of its executable.

use std::fs;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::corpus::Entry;

/// The directory of results of one builder.
#[derive(Debug)]
pub(super) struct Results {
    directory: Utf8PathBuf,
    profile: String,
}

impl Results {
    /// Results of `builder`, below `root`.
    pub(super) fn new(root: &Utf8Path, builder: &str, profile: &str) -> Self {
        Self {
            directory: root.join(builder),
            profile: profile.to_owned(),
        }
    }

    /// Where the logs of an entry are.
    pub(super) fn logs(&self, entry: &Entry) -> Utf8PathBuf {
        let Entry { name, version, .. } = entry;
        self.directory.join(format!("{name}-{version}-{}", self.profile))
    }

    /// The facts about an entry, if they are known.
    pub(super) fn known<T: DeserializeOwned>(&self, entry: &Entry) -> Option<T> {
        let text = fs::read(self.logs(entry).join("result.json")).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// An empty directory for the logs of an entry.
    pub(super) fn forget(&self, entry: &Entry) -> Result<Utf8PathBuf> {
        let logs = self.logs(entry);
        if logs.exists() {
            fs::remove_dir_all(&logs).with_context(|| format!("cannot remove {logs}"))?;
        }
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {logs}"))?;
        Ok(logs)
    }

    /// Keeps the facts about an entry.
    pub(super) fn keep(&self, entry: &Entry, facts: &impl Serialize) -> Result<()> {
        let file = self.logs(entry).join("result.json");
        fs::write(&file, serde_json::to_vec_pretty(facts)?).with_context(|| format!("cannot write {file}"))
    }
}

/// The first half of the SHA-256 of an executable, hexadecimal.
pub(super) fn hash(executable: &Utf8Path) -> Result<String> {
    let bytes = fs::read(executable).with_context(|| format!("cannot read {executable}"))?;
    let digest = Sha256::digest(bytes);
    Ok(hex::encode(&digest[..16]))
}
