//! `Plan`: what Cargo decided to build, as typed units in which no path depends on the checkout.
//!
//! Data only; `Plan::make` creates it, and `compile` and `run_script` turn its units into commands.

use serde::{Deserialize, Serialize};
use vx_model::{Input, RootedPath, Template};

/// Number of a unit in [`Plan::units`].
pub type UnitIndex = usize;

/// What Cargo decided to build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Packages that units belong to.
    pub packages: Vec<Package>,
    /// Units, dependencies before dependents.
    pub units: Vec<Unit>,
    /// The units that were asked for.
    pub roots: Vec<UnitIndex>,
    /// Cargo's description of the profile: `` `dev` profile [unoptimized + debuginfo] ``.
    pub profile: String,
    /// Directory of final outputs below the workspace root: `.vx/build/debug`; it includes the triple for cross builds.
    pub output_directory: String,
    /// Cargo's name for the directory of the profile's outputs: `debug`.
    pub profile_directory: String,
    /// What the commands of all units have in common.
    pub toolchain: PlanToolchain,
    /// The host and every target platform that units are for; the host is the first.
    pub platforms: Vec<Platform>,
    /// The `[env]` table of Cargo's configuration, sorted, as far as it applies in the user's environment.
    pub config_environment: Vec<(String, Template)>,
    /// `build.jobs` of Cargo's configuration.
    pub jobs: Option<String>,
    /// What the plan depends on: manifests, lock file, configuration, the listings of directories in which Cargo
    /// discovers targets, environment variables.
    pub inputs: Vec<Input>,
    /// Cargo's warnings while planning, each `warning: …` in full.
    pub warnings: Vec<Template>,
}

impl Plan {
    /// How many units there are to make.
    pub fn steps(&self) -> usize {
        let is_step = |unit: &&Unit| unit.kind != UnitKind::TestDocumentation;
        self.units.iter().filter(is_step).count()
    }
}

/// A package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Cargo's package id, as in its JSON messages, with the workspace's root replaced by `{workspace}`.
    pub id: Template,
    /// Where its files come from.
    pub source: PackageSource,
    /// The directory of its manifest.
    pub root: RootedPath,
    /// `package.links`.
    pub links: Option<String>,
    /// Variables that Cargo derives from the manifest (`CARGO_PKG_*`), sorted, without paths.
    pub environment: Vec<(String, String)>,
    /// Features that the manifest declares, sorted: rustc checks `cfg(feature)` against them.
    pub declared_features: Vec<String>,
    /// The `[lints]` table as rustc's flags.
    pub lint_flags: Vec<String>,
    /// `package.rust-version`.
    pub rust_version: Option<String>,
    /// Its targets, as far as link arguments of its build script need them.
    pub targets: Vec<TargetName>,
}

/// Name and kind of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetName {
    /// Its name in the manifest.
    pub name: String,
    /// Cargo's kinds.
    pub kind: Vec<String>,
}

/// What the commands of all units have in common.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanToolchain {
    /// rustc.
    pub rustc: RootedPath,
    /// rustdoc.
    pub rustdoc: RootedPath,
    /// Clippy's compiler, whether it is installed or not.
    pub clippy: RootedPath,
    /// cargo.
    pub cargo: RootedPath,
    /// `1.95.0`.
    pub release: String,
    /// The host's triple.
    pub host: String,
    /// rustc's name for the path of the standard library's sources: `/rustc/HASH`.
    pub virtual_sources: String,
    /// Whether build scripts may set `RUSTC_BOOTSTRAP` with only a warning: for every crate, because the toolchain is
    /// not stable or the user has set it to `1`.
    pub is_nightly: bool,
    /// The user's `RUSTC_BOOTSTRAP`.
    pub bootstrap: Option<String>,
}

/// A platform that code is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `--target`; `None` for the host.
    pub triple: Option<String>,
    /// Its `cfg`, each `NAME` or `KEY="VALUE"`, as rustc prints it with these flags.
    pub cfg: Vec<String>,
    /// Prefix and suffix of file names by crate type; a missing crate type is not supported.
    pub file_names: Vec<FileName>,
    /// Values of `-C split-debuginfo` that rustc accepts for it.
    pub split_debuginfo: Vec<String>,
    /// The user's flags.
    pub rustflags: Vec<Template>,
    /// The user's flags for rustdoc.
    pub rustdocflags: Vec<Template>,
    /// The user's linker.
    pub linker: Option<Template>,
    /// The user's program that runs programs for this platform, with its arguments; empty if they run directly.
    pub runner: Vec<Template>,
}

/// How rustc names the outputs of a crate type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileName {
    /// rustc's crate type.
    pub crate_type: String,
    /// `lib` or nothing.
    pub prefix: String,
    /// `.rlib`, `.so`, nothing.
    pub suffix: String,
}

/// Where a package's files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageSource {
    /// A directory of the user, which may change. `member`: whether it is a member of the workspace.
    Path {
        /// Whether the package is a member of the workspace.
        member: bool,
    },
    /// A registry, or a directory of vendored packages; the files never change.
    Registry {
        /// SHA-256 of the published archive, or of the vendored files, hexadecimal.
        checksum: String,
        /// The source as the lock file names it; `None` for crates.io.
        source: Option<String>,
    },
    /// A commit of a git repository; the files never change.
    Git {
        /// The source as the lock file names it, the commit included.
        source: String,
        /// The directory of the whole checkout.
        checkout: RootedPath,
        /// Cargo's name for the checkout: `NAME-HASH/COMMIT`.
        name: String,
    },
}

impl PackageSource {
    /// Whether the files are the user's, and may change.
    pub fn is_path(&self) -> bool {
        matches!(self, Self::Path { .. })
    }

    /// Distinguishes packages with the same name and version. It is the same in every checkout; `root` is the directory
    /// of the package.
    pub fn identity(&self, root: &RootedPath) -> String {
        match self {
            Self::Path { .. } => format!("path {}", root.path),
            Self::Registry { checksum, source: None } => format!("registry {checksum}"),
            Self::Registry {
                checksum,
                source: Some(source),
            } => format!("registry {checksum} of {source}"),
            Self::Git { source, .. } => format!("git {source} {}", root.path),
        }
    }
}

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnitKind {
    /// Runs rustc.
    Compile(CompileMode),
    /// Runs a build script.
    RunBuildScript,
    /// Runs the examples in a library's documentation: not during the build, which only provides everything that they
    /// need.
    TestDocumentation,
}

/// What rustc makes of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompileMode {
    /// A library or program.
    Build,
    /// Its metadata, and diagnostics.
    Check,
    /// A program of its tests.
    Test,
    /// Diagnostics of its tests.
    CheckTest,
    /// Its documentation, generated by rustdoc.
    Document,
}

impl CompileMode {
    /// Whether no code is generated.
    pub fn is_check(self) -> bool {
        matches!(self, Self::Check | Self::CheckTest)
    }

    /// Whether the tests are compiled in.
    pub fn is_test(self) -> bool {
        matches!(self, Self::Test | Self::CheckTest)
    }
}

/// A step of the build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unit {
    /// Its package in [`Plan::packages`].
    pub package: usize,
    /// What it does.
    pub kind: UnitKind,
    /// The target that it is about.
    pub target: Target,
    /// The target triple; `None` for the host (build scripts, proc macros, and everything without `--target`).
    pub platform: Option<String>,
    /// Enabled features, sorted.
    pub features: Vec<String>,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// Identity without absolute paths, 16 hexadecimal digits: `-C metadata`, `-C extra-filename`.
    pub identity: String,
    /// Everything else that decides the command line.
    pub settings: crate::Settings,
}

/// A target of a package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Target {
    /// Its name in the manifest.
    pub name: String,
    /// Cargo's kinds: `lib`, `bin`, `proc-macro`, `custom-build`, `example`, …
    pub kind: Vec<String>,
    /// rustc's crate types.
    pub crate_types: Vec<String>,
    /// The root source file.
    pub source: RootedPath,
    /// Edition.
    pub edition: String,
    /// Whether it is documented by default.
    pub doc: bool,
    /// Whether its examples in comments are tested.
    pub doctest: bool,
    /// Whether it is tested by default.
    pub test: bool,
    /// Whether its tests are run by rustc's own harness, and not by a `main` of its own; true if there are none.
    pub harness: bool,
}

/// A unit that another needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Which unit.
    pub unit: UnitIndex,
    /// The name of the crate in the dependent.
    pub extern_name: String,
    /// Whether it is a public dependency.
    pub public: bool,
    /// Whether the crate is excluded from the extern prelude.
    pub noprelude: bool,
}
