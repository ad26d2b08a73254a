//! `Plan`: what Cargo decided to build, as typed units in which no path depends on the checkout.
//!
//! Data only; `unit_graph` makes it, `rustc` and `script` turn its units into commands.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use vx_model::{Input, RootedPath};

/// Number of a unit in [`Plan::units`].
pub type UnitIndex = usize;

/// What Cargo decided to build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Packages that units belong to.
    pub packages: Vec<Package>,
    /// Units, dependencies before dependants.
    pub units: Vec<Unit>,
    /// The units that were asked for.
    pub roots: Vec<UnitIndex>,
    /// Cargo's description of the profile: `` `dev` profile [unoptimized + debuginfo] ``.
    pub profile: String,
    /// Directory of final outputs below the workspace root: `.vx/build/debug`; with the triple in it for cross builds.
    pub output_directory: String,
    /// What the plan depends on: manifests, lock file, configuration, the listings of directories in which Cargo
    /// discovers targets, environment variables.
    pub inputs: Vec<Input>,
}

/// A package.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Cargo's package id, as in its JSON messages, with the workspace's place replaced by `{workspace}` .
    pub id: vx_model::Template,
    /// Where its files come from.
    pub source: PackageSource,
    /// The directory of its manifest.
    pub root: RootedPath,
    /// `package.links`.
    pub links: Option<String>,
    /// Variables that Cargo derives from the manifest (`CARGO_PKG_*`), sorted, without paths.
    pub environment: Vec<(String, String)>,
}

/// Where a package's files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageSource {
    /// A directory of the user's, which may change. `member`: whether it is a member of the workspace.
    Path {
        /// Whether the package is a member of the workspace.
        member: bool,
    },
    /// A registry; the files never change. The checksum is the lock file's.
    Registry {
        /// SHA-256 of the published archive, hexadecimal.
        checksum: String,
    },
}

/// What a unit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnitKind {
    /// Runs rustc.
    Compile,
    /// Runs a build script.
    RunBuildScript,
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
    /// The target triple; none for the host (build scripts, proc macros, and everything without `--target`).
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
}

/// A unit that another needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Which unit.
    pub unit: UnitIndex,
    /// The name under which the crate is known to the dependant.
    pub extern_name: String,
    /// Whether it is a public dependency.
    pub public: bool,
    /// Whether the crate is left out of the extern prelude.
    pub noprelude: bool,
}

/// A request for a plan, in absolute paths of this machine.
#[derive(Debug, Clone)]
pub struct PlanContext {
    /// The directory that the user is in.
    pub directory: Utf8PathBuf,
    /// The user's environment.
    pub environment: std::collections::BTreeMap<String, String>,
    /// Where vx keeps things.
    pub home: vx_home::VxHome,
    /// The toolchain to plan for.
    pub toolchain: vx_toolchain::Toolchain,
    /// What the user asked for.
    pub selection: vx_proto::Selection,
}
