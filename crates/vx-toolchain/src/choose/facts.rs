//! Facts about toolchains, remembered in files until one of a toolchain's own files changes.
//!
//! If such a file is missing, damaged, in another format or not writable, everything is determined again. What was found
//! is also kept in memory, where it costs one look for each file and directory of the toolchain.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use vx_download::Checksum;
use vx_lock::FileLock;
use vx_model::{Digest, formats, os_text};

use super::identity::{self, Files, Layout, Stamp};
use super::{Found, Toolchain, ToolchainError};

/// What is known of a toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    sysroot: Utf8PathBuf,
    verbose_version: String,
    release: String,
    host: String,
    identity: Digest,
}

/// What is known of the toolchains of this machine.
#[derive(Debug)]
pub struct KnownToolchains {
    /// Where it is kept.
    directory: Utf8PathBuf,
    /// By rustc and cargo.
    seen: Mutex<HashMap<(Utf8PathBuf, Utf8PathBuf), Arc<Known>>>,
}

/// A toolchain whose files were looked at.
#[derive(Debug)]
struct Known {
    facts: Facts,
    sources: Utf8PathBuf,
    has_sources: bool,
    /// Its files, and the directories that they lie in.
    stamps: Vec<(Utf8PathBuf, Stamp)>,
}

/// The form on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    format: u32,
    rustc: Utf8PathBuf,
    cargo: Utf8PathBuf,
    sysroot: Utf8PathBuf,
    verbose_version: String,
    has_sources: bool,
    files: BTreeMap<String, KnownFile>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KnownFile {
    stamp: Stamp,
    /// Hexadecimal.
    sha256: String,
}

impl KnownToolchains {
    /// Remembers in `directory`, which several homes may share. One that cannot be written only costs time.
    pub fn new(directory: &Utf8Path) -> Self {
        Self {
            directory: directory.to_owned(),
            seen: Mutex::default(),
        }
    }

    /// Remembered, or found out. Blocks: file system, and at first a process and hashing.
    pub(super) fn facts(
        &self,
        rustc: &Utf8Path,
        cargo: &Utf8Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Facts, ToolchainError> {
        let programs = (rustc.to_owned(), cargo.to_owned());
        let seen = self.seen.lock().get(&programs).cloned();
        if let Some(known) = seen.filter(|known| known.is_current()) {
            return Ok(known.facts.clone());
        }
        let name = Checksum::of(format!("{rustc}\0{cargo}").as_bytes());
        let path = self.directory.join("toolchains").join(format!("{name}.json"));
        if let Some(facts) = self.remembered(&path, &programs) {
            return Ok(facts);
        }
        // The second process finds what the first has written.
        let _lock = FileLock::acquire(&path.with_extension("lock"))
            .inspect_err(|error| tracing::debug!(%path, %error, "failed to lock the file that remembers a toolchain"))
            .ok();
        if let Some(facts) = self.remembered(&path, &programs) {
            return Ok(facts);
        }
        let known = Memory::read(&path, rustc, cargo)
            .map(|memory| memory.files)
            .unwrap_or_default();
        let (memory, is_settled) = Memory::find_out(rustc, cargo, environment, &known)?;
        if is_settled && let Err(error) = memory.write(&path) {
            tracing::debug!(%path, %error, "failed to remember a toolchain");
        }
        memory.facts().ok_or_else(|| ToolchainError::Rustc {
            command: format!("{rustc} -vV"),
            reason: format!("it did not report a release and a host: {:?}", memory.verbose_version),
        })
    }

    /// How many are kept in memory.
    #[cfg(test)]
    pub(super) fn in_memory(&self) -> usize {
        self.seen.lock().len()
    }

    /// What the file at `path` says, if it is still so.
    fn remembered(&self, path: &Utf8Path, programs: &(Utf8PathBuf, Utf8PathBuf)) -> Option<Facts> {
        let now = SystemTime::now();
        let memory = Memory::read(path, &programs.0, &programs.1)?;
        let layout = identity::layout(&memory.rustc, &memory.cargo, &memory.sysroot).ok()?;
        let known = Known::new(&memory, layout)?;
        let facts = known.facts.clone();
        if known.stamps.iter().all(|(_, stamp)| stamp.is_settled(now)) {
            self.seen.lock().insert(programs.clone(), Arc::new(known));
        }
        Some(facts)
    }
}

impl Known {
    /// What `memory` says, if the toolchain still has these files and no other.
    fn new(memory: &Memory, layout: Layout) -> Option<Self> {
        let has_sources = identity::has_sources(&memory.sysroot);
        if layout.files.len() != memory.files.len() || has_sources != memory.has_sources {
            return None;
        }
        let mut stamps = Vec::new();
        for path in layout.directories {
            let stamp = Stamp::of(&path).ok()?;
            stamps.push((path, stamp));
        }
        for (label, path) in layout.files {
            let stamp = Stamp::of(&path).ok()?;
            if memory.files.get(&label)?.stamp != stamp {
                return None;
            }
            stamps.push((path, stamp));
        }
        Some(Self {
            facts: memory.facts()?,
            sources: identity::sources(&memory.sysroot),
            has_sources,
            stamps,
        })
    }

    fn is_current(&self) -> bool {
        let is_same = |(path, known): &(Utf8PathBuf, Stamp)| Stamp::of(path).is_ok_and(|stamp| stamp == *known);
        self.stamps.iter().all(is_same) && self.sources.is_dir() == self.has_sources
    }
}

impl Facts {
    pub(super) fn into_toolchain(self, found: Found) -> Toolchain {
        Toolchain {
            name: found.name,
            sysroot: self.sysroot,
            is_on_path: found.directory.is_none(),
            rustc: found.rustc,
            cargo: found.cargo,
            identity: self.identity,
            release: self.release,
            verbose_version: self.verbose_version,
            host: self.host,
        }
    }
}

impl Memory {
    fn read(path: &Utf8Path, rustc: &Utf8Path, cargo: &Utf8Path) -> Option<Self> {
        let text = std::fs::read(path).ok()?;
        let memory: Self = serde_json::from_slice(&text).ok()?;
        let is_ours = memory.format == formats::TOOLCHAIN_FACTS && memory.rustc == rustc && memory.cargo == cargo;
        is_ours.then_some(memory)
    }

    fn write(&self, path: &Utf8Path) -> io::Result<()> {
        // The lock makes this name ours alone.
        let partial = path.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec(self)?)?;
        std::fs::rename(&partial, path)
    }

    /// `None` if the texts are invalid.
    fn facts(&self) -> Option<Facts> {
        let mut checksums = Vec::new();
        for (label, file) in &self.files {
            checksums.push((label.as_str(), file.sha256.parse::<Checksum>().ok()?));
        }
        let files = checksums.iter().map(|(label, checksum)| (*label, checksum));
        let line = |name: &str| {
            let value = self.verbose_version.lines().find_map(|line| line.strip_prefix(name));
            value
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        Some(Facts {
            identity: identity::identity(&self.verbose_version, self.has_sources, files),
            sysroot: self.sysroot.clone(),
            release: line("release:")?,
            host: line("host:")?,
            verbose_version: self.verbose_version.clone(),
        })
    }

    /// Asks rustc, and hashes what is not in `known`. The second value is whether the result may be remembered.
    fn find_out(
        rustc: &Utf8Path,
        cargo: &Utf8Path,
        environment: &BTreeMap<String, String>,
        known: &BTreeMap<String, KnownFile>,
    ) -> Result<(Self, bool), ToolchainError> {
        let started = SystemTime::now();
        let sysroot = Utf8PathBuf::from(ask(rustc, &["--print", "sysroot"], environment)?.trim_end());
        let sysroot = sysroot.canonicalize_utf8().map_err(|source| ToolchainError::Io {
            path: sysroot.clone(),
            source,
        })?;
        let verbose_version = ask(rustc, &["-vV"], environment)?;
        let Layout { files, .. } = identity::layout(rustc, cargo, &sysroot)?;
        let stamps = stamps(&files)?;
        let checksums = checksums(files.clone(), &stamps, known)?;
        let is_settled = stamps.values().all(|stamp| stamp.is_settled(started)) && self::stamps(&files)? == stamps;
        let known_file = |(label, stamp): (String, Stamp)| {
            let sha256 = checksums.get(&label).map(ToString::to_string).unwrap_or_default();
            (label, KnownFile { stamp, sha256 })
        };
        let memory = Self {
            format: formats::TOOLCHAIN_FACTS,
            rustc: rustc.to_owned(),
            cargo: cargo.to_owned(),
            has_sources: identity::has_sources(&sysroot),
            sysroot,
            verbose_version,
            files: stamps.into_iter().map(known_file).collect(),
        };
        Ok((memory, is_settled))
    }
}

fn stamps(files: &Files) -> Result<BTreeMap<String, Stamp>, ToolchainError> {
    let stamp = |(label, path): (&String, &Utf8PathBuf)| Ok((label.clone(), Stamp::of(path)?));
    files.iter().map(stamp).collect()
}

fn checksums(
    files: Files,
    stamps: &BTreeMap<String, Stamp>,
    known: &BTreeMap<String, KnownFile>,
) -> Result<BTreeMap<String, Checksum>, ToolchainError> {
    let mut checksums = BTreeMap::new();
    let mut unknown = Vec::new();
    for (label, path) in files {
        let known = known
            .get(&label)
            .filter(|known| Some(&known.stamp) == stamps.get(&label));
        match known.and_then(|known| known.sha256.parse().ok()) {
            Some(checksum) => _ = checksums.insert(label, checksum),
            None => unknown.push((label, path)),
        }
    }
    checksums.extend(identity::hash(unknown)?);
    Ok(checksums)
}

/// The output of rustc. It sees the user's environment: a rustc outside rustup may need its `LD_LIBRARY_PATH`.
fn ask(rustc: &Utf8Path, arguments: &[&str], environment: &BTreeMap<String, String>) -> Result<String, ToolchainError> {
    let failed = |reason: String| ToolchainError::Rustc {
        command: format!("{rustc} {}", arguments.join(" ")),
        reason,
    };
    let mut command = Command::new(rustc);
    command.args(arguments).env_clear();
    command.envs(environment.iter().map(|(name, value)| os_text::variable(name, value)));
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {}", output.status, errors.trim())));
    }
    String::from_utf8(output.stdout).map_err(|_| failed("its output is not valid UTF-8".to_owned()))
}
