//! `Settings`: what decides a unit's command line beside its target, features and dependencies. Data only.

use serde::{Deserialize, Serialize};

/// Profile, flags and link-time optimisation of a unit, as Cargo computes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The profile with all overrides for this package applied.
    pub profile: Profile,
    /// The part that the unit has in link-time optimisation; follows from the whole graph.
    pub lto: Lto,
    /// Which compiler makes it.
    pub driver: Driver,
    /// Extra arguments of the user for this compiler and this unit, beside all flags.
    pub extra_args: Vec<String>,
}

/// A compiler of the toolchain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Driver {
    /// rustc.
    #[default]
    Rustc,
    /// Clippy's, which does all that rustc does and has lints of its own. It takes its extra arguments from a variable, `CLIPPY_ARGS`.
    Clippy,
}

/// The variable in which cargo-clippy hands arguments over, each followed by [`END_OF_CLIPPY_ARGUMENT`].
pub(crate) const CLIPPY_ARGUMENTS: &str = "CLIPPY_ARGS";
/// What ends each of them.
pub(crate) const END_OF_CLIPPY_ARGUMENT: &str = "__CLIPPY_HACKERY__";

/// A profile with everything resolved, as in Cargo's unit graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// `dev`, `release`, or a name of the user's.
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
    /// `off`, `packed` or `unpacked`; none: rustc's default.
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

/// How much debugging information is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Debuginfo {
    /// By number.
    Level(u32),
    /// By name.
    Name(String),
}

/// What is removed from what is linked. Cargo distinguishes what it decided early from what it decided late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strip {
    /// What the profile says.
    Resolved(StripLevel),
    /// What Cargo decided where the profile says nothing.
    Deferred(StripLevel),
}

impl Strip {
    /// What is removed, whoever decided it.
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

/// The part of a unit in link-time optimisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lto {
    /// Optimises at link time: `-C lto`, `-C lto=NAME`.
    Run(Option<String>),
    /// Not even within the crate.
    Off,
    /// Is only ever linked by units that optimise: no object code.
    OnlyBitcode,
    /// Is linked by units of both kinds.
    ObjectAndBitcode,
    /// Is never linked by units that optimise.
    OnlyObject,
}
