//! The daemon's service: builds, and the life of the daemon itself.

use facet::Facet;
use vx_model::KeyPart;

use crate::{CasStatus, EnvVar, ExecStatus, WireError};

/// What the selected targets are for: Cargo's subcommands.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Goal {
    /// `cargo build`.
    #[default]
    Build,
    /// `cargo run`: exactly one executable, `default-run` respected; anything else is a usage error that names the
    /// candidates, before anything runs.
    Run,
    /// `cargo check`: diagnostics, and no code.
    Check,
    /// `cargo clippy`: a check by Clippy's compiler.
    Clippy,
    /// `cargo rustc`: a build of one target with extra args for it alone.
    Rustc,
    /// `cargo doc`: documentation, all in one directory.
    Doc,
    /// `cargo test`: test programs, what they need, and the examples in documentation.
    Test,
    /// `cargo bench`.
    Bench,
    /// `cargo fetch`: downloads what a build needs, including the toolchain, and builds nothing.
    Fetch,
}

/// For whom messages are.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageFormat {
    /// For people.
    Human,
    /// Cargo's JSON messages, one a line.
    Json,
    /// The same; what rustc rendered keeps its colors.
    JsonRenderedAnsi,
    /// The same, except that diagnostics are rendered.
    JsonRenderDiagnostics,
}

impl MessageFormat {
    /// Whether artifacts, build scripts and the end of the build are reported in JSON.
    pub fn is_json(self) -> bool {
        self != Self::Human
    }
}

/// Which packages, targets, features and profile to build, in Cargo's terms.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// What for.
    pub goal: Goal,
    /// `-p SPEC`.
    pub packages: Vec<String>,
    /// `--workspace`.
    pub workspace: bool,
    /// `--exclude SPEC`.
    pub exclude: Vec<String>,
    /// `--lib`.
    pub lib: bool,
    /// `--bin NAME`.
    pub bin: Vec<String>,
    /// `--bins`.
    pub bins: bool,
    /// `--example NAME`.
    pub example: Vec<String>,
    /// `--examples`.
    pub examples: bool,
    /// `--test NAME`.
    pub test: Vec<String>,
    /// `--tests`.
    pub tests: bool,
    /// `--bench NAME`.
    pub bench: Vec<String>,
    /// `--benches`.
    pub benches: bool,
    /// `--all-targets`.
    pub all_targets: bool,
    /// `--doc`: the examples in documentation alone.
    pub doc: bool,
    /// Whether a test name was given: targets without such tests are then left out.
    pub by_name: bool,
    /// `--crate-type CRATE-TYPE` of `cargo rustc`.
    pub crate_types: Vec<String>,
    /// `--no-deps` of `cargo doc`.
    pub no_deps: bool,
    /// Extra args for the compiler: those after `--` of `cargo rustc` and `cargo clippy`, and what `cargo doc` passes
    /// to rustdoc.
    pub extra_args: Vec<String>,
    /// `-F FEATURES`, as written.
    pub features: Vec<String>,
    /// `--all-features`.
    pub all_features: bool,
    /// `--no-default-features`.
    pub no_default_features: bool,
    /// `--profile NAME`; `--release` is `release`.
    pub profile: Option<String>,
    /// `--target TRIPLE`.
    pub target: Vec<String>,
    /// `--manifest-path PATH`, absolute.
    pub manifest_path: Option<String>,
    /// `--config KEY=VALUE|PATH`.
    pub config: Vec<String>,
    /// `--ignore-rust-version`.
    pub ignore_rust_version: bool,
    /// `--locked`.
    pub locked: bool,
    /// `--offline`.
    pub offline: bool,
    /// `--frozen`.
    pub frozen: bool,
}

/// A build.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The user's working directory, absolute.
    pub directory: String,
    /// The user's environment, sorted by name.
    pub environment: Vec<EnvVar>,
    /// `+TOOLCHAIN`.
    pub toolchain: Option<String>,
    /// What to build.
    pub selection: Selection,
    /// `-j N`: the most jobs for this build.
    pub jobs: Option<u32>,
    /// `--keep-going`.
    pub keep_going: bool,
    /// `--strict`: actions get nothing besides what the workspace's settings grant.
    pub strict: bool,
    /// The requested format of diagnostics.
    pub message_format: MessageFormat,
    /// Whether units are reported one by one even if nothing changed at all.
    pub verbose: bool,
}

/// How a unit came to be.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// A process ran.
    Ran,
    /// Its result came from the store.
    Cached,
    /// Nothing about it has changed since this daemon last looked.
    Fresh,
}

/// A unit as shown to a person.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnitLabel {
    /// Package name.
    pub package: String,
    /// Package version.
    pub version: String,
    /// Directory of a path package, address of a git repository, as Cargo shows it in parentheses; `None` for registry
    /// packages.
    pub directory: Option<String>,
    /// Target, as Cargo's progress bar shows it: `ripgrep(build.rs)`, `rg(bin)`, `serde`.
    pub target: String,
}

impl UnitLabel {
    /// Whether the package or the target has this name.
    pub fn is_called(&self, name: &str) -> bool {
        let target = self.target.split('(').next().unwrap_or_default();
        [self.package.as_str(), target].contains(&name)
    }
}

/// A program or library at its final path.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Hash)]
pub struct Artifact {
    /// Package name.
    pub package: String,
    /// Cargo's id of the package.
    pub package_id: String,
    /// Target name.
    pub target: String,
    /// Cargo's target kind: `bin`, `example`, `lib`, `cdylib`, …; `doc` for the first page of documentation.
    pub kind: String,
    /// Absolute.
    pub path: String,
    /// Whether it can be run.
    pub is_executable: bool,
    /// The user's program that runs programs of its platform, with arguments; may be empty.
    pub runner: Vec<String>,
    /// What Cargo adds to the user's environment when it runs this program, sorted: `CARGO`, `CARGO_MANIFEST_DIR`,
    /// `CARGO_PKG_*`, the variable of the library search path. Empty for what cannot be run.
    pub environment: Vec<EnvVar>,
}

/// A process that tests something: a test program, or rustdoc with the examples of a library's documentation.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Hash)]
pub struct TestRun {
    /// Package name.
    pub package: String,
    /// Cargo's id of the package.
    pub package_id: String,
    /// Target name.
    pub target: String,
    /// Cargo's target kind: `lib`, `bin`, `test`, …
    pub kind: String,
    /// Cargo's option that selects the target: `--lib`, `--test NAME`, `--doc`.
    pub selector: String,
    /// How Cargo announces it: `unittests src/lib.rs`, `tests/it.rs`; for documentation the library's name.
    pub title: String,
    /// Whether it is rustdoc that runs.
    pub is_doc: bool,
    /// Whether it uses rustc's own harness, which understands certain arguments and exit codes.
    pub has_harness: bool,
    /// The program, absolute, and arguments that come before the user's.
    pub command: Vec<String>,
    /// Where it runs, absolute.
    pub working_directory: String,
    /// What is added to the user's environment, sorted.
    pub environment: Vec<EnvVar>,
}

/// The end of a build.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct BuildSummary {
    /// Cargo's description: `` `dev` profile [unoptimized + debuginfo] ``.
    pub profile: String,
    /// Milliseconds in the daemon.
    pub duration_ms: u64,
    /// Units whose process ran.
    pub ran: u32,
    /// Processes that ran once more, because it turned out that they need what they did not have.
    pub again: u32,
    /// Units from the store.
    pub cached: u32,
    /// Units for which nothing has changed.
    pub fresh: u32,
    /// Final artifacts of the selected targets.
    pub artifacts: Vec<Artifact>,
    /// What there is to run for `cargo test` and `cargo bench`, in Cargo's order.
    pub tests: Vec<TestRun>,
}

/// A process that a unit started: rustc or a build script.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Absolute.
    pub working_directory: String,
    /// Program and arguments.
    pub arguments: Vec<String>,
    /// The whole environment, except the jobserver's variables and `TMPDIR`; sorted by name.
    pub environment: Vec<EnvVar>,
}

/// What happens in a build, in order; `Finished` or `Failed` is the last.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum BuildEvent {
    /// A line of Cargo's kind: a verb in the left column (`Downloaded`, `Locking`) and a text.
    Status {
        /// At most twelve characters.
        verb: String,
        /// The rest of the line.
        text: String,
    },
    /// A transfer from the network. Sent when it begins, when it ends, and several times a second in between.
    Transferred {
        /// Name of the file.
        file: String,
        /// Bytes received; the first time, those that an interrupted transfer has left.
        done: u64,
        /// Total bytes, if the server reports them.
        total: Option<u64>,
    },
    /// The plan is made.
    Planned {
        /// Units in all.
        units: u32,
    },
    /// A process for this unit has started.
    UnitStarted {
        /// Number of the unit in this build.
        unit: u32,
        /// For people.
        label: UnitLabel,
        /// What is done to its package: `Compiling`, `Checking`.
        verb: String,
        /// What was started.
        process: Process,
    },
    /// A unit is done. There is no start event for a unit that did not run.
    UnitFinished {
        /// Number of the unit in this build.
        unit: u32,
        /// For people.
        label: UnitLabel,
        /// How.
        outcome: Outcome,
    },
    /// A unit failed that is not the one that [`BuildEvent::Failed`] is about.
    UnitFailed(WireError),
    /// A warning of vx or of a build script: `warning: …` in full, without colors.
    Warning(String),
    /// A diagnostic of the compiler, with ANSI colors, line feeds inside and at the end.
    Diagnostic {
        /// As rustc rendered it.
        rendered: String,
    },
    /// A line of Cargo's JSON messages, `build-finished` included.
    Json(String),
    /// The build is good.
    Finished(BuildSummary),
    /// The build is not good.
    Failed(WireError),
}

/// A build under way.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct BuildStatus {
    /// Root directory of the workspace.
    pub workspace: String,
    /// Milliseconds since it began.
    pub running_ms: u64,
    /// Units done.
    pub done: u32,
    /// Units in all; zero while planning.
    pub units: u32,
}

/// A service of this home.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct ServiceStatus {
    /// `daemon`, `cas` or `exec`.
    pub name: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Its process id.
    pub pid: u32,
}

/// The state of the daemon and its services.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct DaemonStatus {
    /// Build version of the daemon's executable.
    pub version: String,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// The daemon and its services.
    pub services: Vec<ServiceStatus>,
    /// Builds under way.
    pub builds: Vec<BuildStatus>,
    /// The store.
    pub cas: CasStatus,
    /// The executor.
    pub exec: ExecStatus,
}

/// Why a unit ran in the last build.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Which unit.
    pub label: UnitLabel,
    /// How it came to be.
    pub outcome: Outcome,
    /// One line each, beginning with the first input that differs; empty for units that did not run.
    pub reasons: Vec<String>,
}

/// What a unit was keyed by in the last build.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct UnitKey {
    /// Which unit, stable across builds: package, version, kind and name of the target, platform, mode.
    pub unit: String,
    /// Everything in the digest of its action, then every recorded input with its answer.
    pub parts: Vec<KeyPart>,
}

/// The daemon.
#[rapace::service]
pub trait Daemon {
    /// Builds. Its connection is its own: when the connection ends, the build is cancelled.
    async fn build(&self, request: BuildRequest) -> rapace::Streaming<BuildEvent>;
    /// What the last build in the workspace that holds `directory` did, and why.
    async fn explain(&self, directory: String) -> crate::Reply<Vec<Explanation>>;
    /// What the units of that build were keyed by whose package or target is called `name`.
    async fn unit_keys(&self, directory: String, name: String) -> crate::Reply<Vec<UnitKey>>;
    /// The state of everything.
    async fn status(&self) -> crate::Reply<DaemonStatus>;
    /// Stops everything: builds, children, services. With `only_if_idle`, refuses with `Busy` while builds are under way.
    async fn shutdown(&self, only_if_idle: bool) -> crate::Reply<()>;
}
