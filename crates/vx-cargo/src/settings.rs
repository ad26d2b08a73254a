//! `Settings`: what decides a unit's command line besides its target, features and dependencies. Data only.

use serde::{Deserialize, Serialize};

/// Profile, flags and link-time optimization of a unit, as Cargo computes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The profile with all overrides for this package applied.
    pub profile: Profile,
    /// The unit's part in link-time optimization, which depends on the whole graph.
    pub lto: Lto,
    /// The compiler.
    pub driver: Driver,
    /// The user's extra args for this compiler and this unit, besides all flags.
    pub extra_args: Vec<String>,
}

/// A compiler of the toolchain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Driver {
    /// rustc.
    #[default]
    Rustc,
    /// Clippy's, which does all that rustc does and has lints of its own. It takes its extra args from a variable,
    /// `CLIPPY_ARGS`.
    Clippy,
}

/// The variable in which cargo-clippy passes arguments, each followed by [`END_OF_CLIPPY_ARGUMENT`].
pub(crate) const CLIPPY_ARGUMENTS: &str = "CLIPPY_ARGS";
/// What ends each of them.
pub(crate) const END_OF_CLIPPY_ARGUMENT: &str = "__CLIPPY_HACKERY__";

/// A profile with everything resolved, as in Cargo's unit graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// `dev`, `release`, or a custom name.
    pub name: String,
    /// Whether the profile descends from `release`: what build scripts see as `PROFILE`.
    #[serde(default)]
    pub is_release: bool,
    /// `0` … `3`, `s`, `z`.
    pub opt_level: String,
    /// What the manifest says: `false`, `off`, `true`, `thin`, `fat`.
    pub lto: String,
    /// `-Z codegen-backend`.
    pub codegen_backend: Option<String>,
    /// None: rustc's default.
    pub codegen_units: Option<u32>,
    /// `0`, `1`, `2`, `line-tables-only` or `line-directives-only`.
    pub debuginfo: Debuginfo,
    /// `off`, `packed` or `unpacked`; `None` is rustc's default.
    pub split_debuginfo: Option<String>,
    /// `-C debug-assertions`.
    pub debug_assertions: bool,
    /// `-C overflow-checks`.
    pub overflow_checks: bool,
    /// `-C rpath`.
    pub rpath: bool,
    /// Whether a directory with rustc's incremental state is kept.
    pub incremental: bool,
    /// `unwind`, `abort` or `immediate-abort`.
    pub panic: String,
    /// `-C strip`.
    pub strip: Strip,
    /// Flags of the unstable `profile.*.rustflags`.
    #[serde(default)]
    pub rustflags: Vec<String>,
}

/// How much debugging information is generated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Debuginfo {
    /// By number.
    Level(u32),
    /// By name.
    Name(String),
}

/// What is stripped from linked outputs. Cargo distinguishes early and late decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strip {
    /// What the profile says.
    Resolved(StripLevel),
    /// Cargo's decision if the profile does not set it.
    Deferred(StripLevel),
}

impl Strip {
    /// What is stripped, in either case.
    pub fn level(&self) -> &StripLevel {
        match self {
            Self::Resolved(level) | Self::Deferred(level) => level,
        }
    }
}

/// What is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StripLevel {
    /// Nothing.
    None,
    /// `debuginfo` or `symbols`.
    Named(String),
}

/// The part of a unit in link-time optimization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lto {
    /// Optimizes at link time: `-C lto`, `-C lto=NAME`.
    Run(Option<String>),
    /// Not even within the crate.
    Off,
    /// Is only linked by units that optimize: no object code.
    OnlyBitcode,
    /// Is linked by units of both kinds.
    ObjectAndBitcode,
    /// Is never linked by units that optimize.
    OnlyObject,
}
