//! What the tests of the command line stand on: a home, a project and endpoints of their own, and `vx` run in them.
//!
//! Nothing of one test can meet another's: paths lie in a directory of its own, ports stay reserved as long as it runs,
//! and the environment is made from nothing. When a test ends, however it ends, its processes are gone.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file uses another part of the harness")]

mod endpoints;
mod environment;
pub(crate) mod files;
mod outcome;
mod processes;
pub(crate) mod snapshots;

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

pub(crate) use endpoints::Endpoints;
pub(crate) use environment::{download_cache, is_uds_profile};
pub(crate) use files::{copy_directory, fixture};
pub(crate) use outcome::{Counts, Outcome};
pub(crate) use processes::Process;

/// One test's world. Dropping it stops its services, and fails the test if one of its processes stays.
pub(crate) struct TestEnv {
    endpoints: Endpoints,
    root: Utf8PathBuf,
    /// `VX_DOWNLOAD_CACHE_DIR`.
    downloads: std::path::PathBuf,
    // The last to be dropped: services live in it.
    _directory: TempDir,
}

impl TestEnv {
    /// An empty home and an empty project directory.
    pub(crate) fn new() -> Self {
        // Socket paths are limited to about a hundred bytes, and what TMPDIR names may be long.
        let parent = if cfg!(unix) {
            "/tmp".into()
        } else {
            std::env::temp_dir()
        };
        let directory = tempfile::Builder::new().prefix("vx-").tempdir_in(parent).unwrap();
        let root = directory.path().canonicalize().unwrap();
        let root = Utf8PathBuf::from_path_buf(root).unwrap();
        for name in ["project", "user", "user/.cargo", "sockets"] {
            files::make_private_directory(&root.join(name));
        }
        Self {
            endpoints: Endpoints::reserve(&root.join("sockets")),
            root,
            downloads: download_cache(),
            _directory: directory,
        }
    }

    /// With a download cache of its own, empty at first, instead of the one that all tests share.
    pub(crate) fn with_own_downloads(mut self) -> Self {
        self.downloads = self.root.join("downloads").into();
        self
    }

    /// An empty home, and a project that is a copy of `tests/fixtures/NAME`.
    pub(crate) fn with_fixture(name: &str) -> Self {
        let env = Self::new();
        copy_directory(&fixture(name), &env.project());
        env
    }

    /// With the download cache of `other`.
    pub(crate) fn with_downloads_of(mut self, other: &Self) -> Self {
        self.downloads.clone_from(&other.downloads);
        self
    }

    /// The directory that holds everything of this test.
    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// `VX_HOME`; not made before vx makes it.
    pub(crate) fn home(&self) -> Utf8PathBuf {
        self.root.join("home")
    }

    /// Where `vx` runs.
    pub(crate) fn project(&self) -> Utf8PathBuf {
        self.root.join("project")
    }

    /// The endpoints of this test's services.
    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Writes a file of the project, with the directories above it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        files::write(&self.project().join(path), text);
    }

    /// Replaces a text that a file of the project holds exactly once.
    pub(crate) fn replace(&self, path: &str, from: &str, to: &str) {
        files::replace(&self.project().join(path), from, to);
    }

    /// Removes a file of the project.
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.project().join(path)).unwrap();
    }

    /// Copies the project, without its outputs, to another directory of this test: another checkout.
    pub(crate) fn checkout(&self, name: &str) -> Utf8PathBuf {
        let checkout = self.root.join(name);
        copy_directory(&self.project(), &checkout);
        checkout
    }

    /// `vx` with arguments, to be run in the project.
    pub(crate) fn vx<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Vx {
        let mut command = self.command();
        command.args(arguments);
        Vx { command }
    }

    /// Builds in the project and says how; the build must be good. See [`TestEnv::build_in`].
    pub(crate) fn build(&self, arguments: &[&str]) -> Counts {
        self.build_in(&self.project(), arguments)
    }

    /// Builds in `directory` and says how; the build must be good.
    ///
    /// What vx says that it ran is held against the number of processes that execd started meanwhile, so no other
    /// build of this test may run at the same time.
    pub(crate) fn build_in(&self, directory: &Utf8Path, arguments: &[&str]) -> Counts {
        self.counted_in(directory, arguments).counts()
    }

    /// Like [`TestEnv::build_in`], with what was printed.
    pub(crate) fn counted_in(&self, directory: &Utf8Path, arguments: &[&str]) -> Outcome {
        let before = self.started();
        let outcome = self
            .vx(["build"])
            .args(arguments)
            .current_dir(directory)
            .run()
            .success();
        let started = self.started() - before;
        assert_eq!(
            outcome.counts().processes(),
            started,
            "vx counts otherwise than execd\n{outcome}"
        );
        outcome
    }

    /// Like [`TestEnv::build`], with what was printed.
    pub(crate) fn counted(&self, arguments: &[&str]) -> Outcome {
        self.counted_in(&self.project(), arguments)
    }

    /// Processes that execd has started since it runs: compilers and build scripts.
    pub(crate) fn started(&self) -> u64 {
        match &self.status()["daemon"] {
            serde_json::Value::Null => 0,
            daemon => daemon["exec"]["started"].as_u64().expect("status has a count"),
        }
    }

    /// What `vx status --message-format json` says.
    pub(crate) fn status(&self) -> serde_json::Value {
        let outcome = self.vx(["status", "--message-format", "json"]).run().success();
        serde_json::from_str(&outcome.stdout).expect("status is JSON")
    }

    /// Runs `.vx/build/PATH` of the project and gives what it printed; it must succeed.
    pub(crate) fn run_program(&self, path: &str) -> String {
        self.run_program_in(&self.project(), path)
    }

    /// Runs `.vx/build/PATH` below `directory` and gives what it printed; it must succeed.
    pub(crate) fn run_program_in(&self, directory: &Utf8Path, path: &str) -> String {
        let program = directory.join(".vx/build").join(path);
        let output = Command::new(&program).env_clear().current_dir(directory).output();
        let outcome = Outcome::from(output.unwrap_or_else(|error| panic!("{program}: {error}")));
        outcome.success().stdout
    }

    /// `cargo` with arguments, to be run in the project: what vx is held against. It has a home of its own.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Vx {
        let mut command = Command::new("cargo");
        command.current_dir(self.project()).stdin(Stdio::null());
        command.env_clear().envs(environment::inherited());
        command.env("HOME", self.root.join("user"));
        command.env("CARGO_HOME", self.root.join("reference/home"));
        command.env("CARGO_TARGET_DIR", self.root.join("reference/target"));
        command.args(arguments);
        Vx { command }
    }

    /// The processes of this test that run now: services, compilers and what they started.
    pub(crate) fn processes(&self) -> Vec<Process> {
        Process::all_of(&self.root)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vx"));
        command.current_dir(self.project()).stdin(Stdio::null());
        command
            .env_clear()
            .envs(environment::inherited())
            .envs(environment::services_log());
        command.env("HOME", self.root.join("user"));
        command.env("CARGO_HOME", self.root.join("user/.cargo"));
        command.env("LANG", "C.UTF-8");
        command.env("VX_HOME", self.home());
        command.env("VX_DOWNLOAD_CACHE_DIR", &self.downloads);
        // Should a test be killed so hard that nothing is left to clean up, its services end by themselves.
        command.env("VX_IDLE_TIMEOUT", "2m");
        command.env("VX_DAEMON", &self.endpoints.daemon);
        command.env("VX_CAS", &self.endpoints.cas);
        command.env("VX_EXEC", &self.endpoints.exec);
        command
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if self.processes().is_empty() {
            return;
        }
        // Best effort: a test may have broken what `vx kill` needs.
        let killed = self.command().arg("kill").stdout(Stdio::null()).status();
        let left = processes::end_all(&self.root);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "processes outlived `vx kill` ({killed:?}): {left:#?}");
        }
    }
}

/// A run of `vx` (or `cargo`) about to begin.
pub(crate) struct Vx {
    command: Command,
}

impl Vx {
    /// More arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable away.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs elsewhere than in the project.
    pub(crate) fn current_dir(mut self, directory: &Utf8Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Runs to the end and takes what it printed.
    pub(crate) fn run(mut self) -> Outcome {
        Outcome::from(self.command.output().expect("the program can be run"))
    }

    /// The command, for tests that talk to vx while it runs.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }
}
