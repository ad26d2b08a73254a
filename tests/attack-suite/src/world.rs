//! Where an attack takes place: a directory of its own with a home, and an environment that is made from nothing.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use crate::process;

/// What of the caller's environment is taken over: how programs and toolchains are found.
const INHERITED: &[&str] = &["PATH", "RUSTUP_AUTO_INSTALL", "RUSTUP_HOME"];

/// How long processes may take to end after `vx kill`.
const GRACE: Duration = Duration::from_secs(2);

/// The directory of an attack, and the variables that its processes get. Dropping it ends these.
#[derive(Debug)]
pub(crate) struct World {
    root: Utf8PathBuf,
    vx: Utf8PathBuf,
    token: String,
    environment: BTreeMap<OsString, OsString>,
    // The last to be dropped: services live in it.
    _directory: TempDir,
}

impl World {
    /// A world in a new directory below `base`, for this `vx`.
    pub(crate) fn new(base: &Utf8Path, vx: &Utf8Path) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(1000);
        let directory = tempfile::Builder::new()
            .prefix("vx-attack-")
            .tempdir_in(base)
            .with_context(|| format!("cannot make a directory in {base}"))?;
        let root = Utf8PathBuf::from_path_buf(directory.path().canonicalize()?)
            .map_err(|path| anyhow::anyhow!("{} is not UTF-8", path.display()))?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut world = Self {
            root,
            vx: vx.to_owned(),
            token: format!("{}{number}", std::process::id()),
            environment: BTreeMap::new(),
            _directory: directory,
        };
        world.reset()?;
        Ok(world)
    }

    /// Empties the directory and the environment.
    pub(crate) fn reset(&mut self) -> Result<()> {
        for entry in self.root.read_dir_utf8()? {
            remove(entry?.path())?;
        }
        fs::create_dir_all(self.user())?;
        let mut environment: BTreeMap<OsString, OsString> = INHERITED
            .iter()
            .filter_map(|name| Some(((*name).into(), std::env::var_os(name)?)))
            .collect();
        // `HOME` is the world's own, so what rustup would find below the caller's has to be named.
        if let Some(home) = std::env::home_dir() {
            let rustup = OsString::from("RUSTUP_HOME");
            environment.entry(rustup).or_insert_with(|| home.join(".rustup").into());
        }
        environment.insert("HOME".into(), self.user().into());
        environment.insert("CARGO_HOME".into(), self.user().join(".cargo").into());
        environment.insert("LANG".into(), "C.UTF-8".into());
        self.environment = environment;
        Ok(())
    }

    /// The directory that holds everything.
    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// `HOME`.
    pub(crate) fn user(&self) -> Utf8PathBuf {
        self.root.join("user")
    }

    /// `VX_HOME`: where it is if nobody says otherwise.
    pub(crate) fn vx_home(&self) -> Utf8PathBuf {
        self.user().join(".vx")
    }

    /// The command line of a process that holds at a gate of this world.
    pub(crate) fn gate(&self) -> String {
        format!("sleep 3600.{}", self.token)
    }

    /// Puts this world's values for `@ROOT@`, `@TOKEN@` and `@PATH@`.
    pub(crate) fn expand(&self, text: &str) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        let text = text
            .replace("@ROOT@", self.root.as_str())
            .replace("@TOKEN@", &self.token);
        text.replace("@PATH@", &path)
    }

    /// From here on, processes get this variable, or do not.
    pub(crate) fn set(&mut self, name: &str, value: Option<OsString>) {
        match value {
            Some(value) => self.environment.insert(name.into(), value),
            None => self.environment.remove(OsStr::new(name)),
        };
    }

    /// A program with the environment of this world.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, directory: &Utf8Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.environment);
        command.current_dir(directory).stdin(Stdio::null());
        command
    }

    /// `vx`, in the home of this world.
    pub(crate) fn vx(&self, directory: &Utf8Path) -> Command {
        let mut command = self.command(&self.vx, directory);
        command.env("VX_HOME", self.vx_home());
        // What is known of the toolchain; it is the same for all.
        if let Some(downloads) = std::env::var_os("VX_DOWNLOAD_CACHE_DIR") {
            command.env("VX_DOWNLOAD_CACHE_DIR", downloads);
        }
        // Should this process be killed so hard that nothing is left to clean up, services end by themselves.
        command.env("VX_IDLE_TIMEOUT", "2m");
        command
    }

    /// Stops the services of vx.
    pub(crate) fn stop(&self) -> Result<()> {
        if !self.vx_home().exists() {
            return Ok(());
        }
        // An attack may have taken away what a user's shell would have.
        let mut kill = Command::new(&self.vx);
        kill.env_clear().env("HOME", self.user()).env("VX_HOME", self.vx_home());
        kill.arg("kill").current_dir(&self.root).stdin(Stdio::null());
        let output = kill.output().context("cannot start vx")?;
        if !output.status.success() {
            anyhow::bail!("`vx kill`: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(())
    }

    /// Ends what still runs, and says which of it vx started and did not end.
    pub(crate) fn end(&self) -> Vec<String> {
        // What hides its origin has the token in its command line, as `sleep` takes it.
        let token = format!(".{}", self.token);
        let marks = [self.root.as_str(), token.as_str()];
        let mut left = Vec::new();
        // Again, because a process may have started another before it was killed.
        loop {
            let processes = process::marked(&marks);
            if processes.is_empty() {
                return left;
            }
            for process in processes {
                if !process.is_of_step {
                    if process.ends_within(GRACE) {
                        continue;
                    }
                    left.push(process.command.clone());
                }
                process.kill();
                process.ends_within(GRACE);
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("warning: {error:#}");
        }
        self.end();
        // A directory that may not be written to would stay.
        if let Err(error) = self.reset() {
            eprintln!("warning: cannot empty {}: {error:#}", self.root);
        }
    }
}

/// Removes a file or a directory, also one that was made read-only.
pub(crate) fn remove(path: &Utf8Path) -> Result<()> {
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(());
    };
    let removed = if metadata.is_dir() {
        fs::remove_dir_all(path).or_else(|_| {
            make_writable(path)?;
            fs::remove_dir_all(path)
        })
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("cannot remove {path}"))
}

fn make_writable(directory: &Utf8Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(entry.path())?;
        }
    }
    Ok(())
}
