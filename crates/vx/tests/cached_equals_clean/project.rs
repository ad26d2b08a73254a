//! A model of a small workspace: every fact about it is a field, its files follow from the fields, and so does what its
//! programs print.
//!
//! `app` uses `middle`, a macro and a build script; `middle` uses `words`, or not. How the facts are laid down is in
//! `sources`, what follows from them in `expected`, how they change in `edits`.
//!
//! What a program prints is a model of Cargo's rules (which profile, lint level, flag and variable applies where), made
//! without building anything.

#[path = "edits.rs"]
mod edits;
#[path = "expected.rs"]
mod expected;
#[path = "sources.rs"]
mod sources;

pub(crate) use edits::Edits;
pub(crate) use expected::{Ending, Program};

/// A state of the workspace and of the command that builds it. Numbers have two digits, so that files keep their size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Project {
    /// A constant in `words`.
    words: u8,
    /// What a generic function of `words` adds, which is compiled into its users.
    generic: u8,
    /// A constant in `middle`.
    middle: u8,
    /// Whether `middle` depends on `words`.
    uses_words: bool,
    /// Whether a module of `middle` is `part/mod.rs` instead of `part.rs`.
    is_directory: bool,
    /// Whether `middle` has an unused variable.
    warns: bool,
    /// What `include_str!` reads.
    data: u8,
    /// Whether the feature `extra`, which turns on one of `middle`, is on by default.
    default_extra: bool,
    /// Whether the command asks for the feature `extra`.
    asks_extra: bool,
    /// Whether the command says `--release`.
    release: bool,
    /// The last number of `app`'s version.
    version: u8,
    /// Whether there is a second program.
    second: bool,
    /// Whether a file lies in `app` that nothing reads.
    unrelated: bool,
    /// The package that does not compile.
    broken: Option<Part>,
    macros: Macro,
    script: Script,
    found: Found,
    variables: Variables,
    profile: Profile,
    lints: Lints,
    flags: Flags,
}

/// What the build script and the macro find in ways that are hard to see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Found {
    /// A variable whose name they put together.
    composed: Option<u8>,
    /// A variable that a shell reads for the script.
    by_child: Option<u8>,
    /// Whether a symbolic link leads to the second of two files.
    second_link: bool,
    /// Whether a file is executable.
    executable: bool,
    /// A constant in a path package beside the workspace.
    beside: u8,
    /// A file in a directory that is itself reached through a link.
    behind: u8,
}

/// The macro, and what it finds by itself when it expands in `app`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Macro {
    /// A constant in it.
    stamp: u8,
    /// A file that it reads, found by `CARGO_MANIFEST_DIR`.
    file: u8,
    /// A file that it looks for.
    late_file: Option<u8>,
    /// Whether a directory that it lists has one file more.
    lists_more: bool,
    /// A file that its expansion includes, by an absolute path.
    quoted: u8,
    /// A variable that it reads.
    tone: Option<u8>,
}

/// The build script of `app`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Script {
    /// A constant in it.
    constant: u8,
    /// Whether it says what it depends on.
    declares: bool,
    /// A file that it reads, and declares where it declares anything.
    file: u8,
    /// A file that it looks for, and declares likewise.
    late_file: Option<u8>,
    /// A file that it reads and never declares.
    silent_file: u8,
    /// A variable that it reads, and declares where it declares anything.
    colour: Option<u8>,
    /// A variable that it reads and never declares.
    shape: Option<u8>,
    /// Whether it writes a file into its package.
    writes: bool,
    /// What it warns of.
    warns: Option<u8>,
}

/// Variables that `option_env!` reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Variables {
    /// One that only the user may set.
    word: Option<u8>,
    /// One that `[env]` of the configuration sets,
    configured: Option<u8>,
    /// even where the user has set it,
    forces: bool,
    /// as here.
    by_user: Option<u8>,
}

/// `[profile.dev]`. The profile `release` is Cargo's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Profile {
    incremental: bool,
    optimizes: bool,
    assertions: bool,
    overflow_checks: Option<bool>,
    debug: DebugInfo,
    aborts: bool,
    tuning: Option<Tuning>,
    /// `debug-assertions` of the package `words`.
    assertions_of_words: Option<bool>,
    /// `debug-assertions` of what runs while building.
    assertions_of_build: Option<bool>,
}

/// `debug` of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum DebugInfo {
    None,
    Lines,
    Full,
}

/// A setting that no program can tell: only its bytes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Tuning {
    Strip,
    OneCodegenUnit,
    SplitDebugInfo,
}

/// Which level the lint has that sees the unused variable of `middle`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lints {
    of_workspace: Level,
    of_middle: Own,
}

/// What `[lints]` of a package says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Own {
    Nothing,
    Inherits,
    Says(Level),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Level {
    Allow,
    Warn,
    Deny,
}

/// Where flags for rustc come from, the weakest first: each hides those before it. A number is a `--cfg`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Flags {
    /// `build.rustflags`.
    of_build: Option<u8>,
    /// `target.'cfg(…)'.rustflags`.
    of_target: Option<u8>,
    /// `RUSTFLAGS`,
    by_user: Option<u8>,
    /// which may also silence the lint.
    silences: bool,
    /// `CARGO_ENCODED_RUSTFLAGS`.
    encoded: Option<u8>,
}

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Words,
    Middle,
    Macro,
    Script,
    App,
}

impl Default for Project {
    fn default() -> Self {
        Self {
            words: 10,
            generic: 10,
            middle: 10,
            uses_words: true,
            is_directory: false,
            warns: false,
            data: 10,
            default_extra: false,
            asks_extra: false,
            release: false,
            version: 10,
            second: false,
            unrelated: false,
            broken: None,
            macros: Macro {
                stamp: 10,
                file: 10,
                late_file: None,
                lists_more: false,
                quoted: 10,
                tone: None,
            },
            script: Script {
                constant: 10,
                declares: true,
                file: 10,
                late_file: None,
                silent_file: 10,
                colour: None,
                shape: None,
                writes: false,
                warns: None,
            },
            found: Found {
                composed: None,
                by_child: None,
                second_link: false,
                executable: false,
                beside: 10,
                behind: 10,
            },
            variables: Variables {
                word: None,
                configured: None,
                forces: false,
                by_user: None,
            },
            profile: Profile {
                incremental: true,
                optimizes: false,
                assertions: true,
                overflow_checks: None,
                debug: DebugInfo::Full,
                aborts: false,
                tuning: None,
                assertions_of_words: None,
                assertions_of_build: None,
            },
            lints: Lints {
                of_workspace: Level::Warn,
                of_middle: Own::Nothing,
            },
            flags: Flags {
                of_build: None,
                of_target: None,
                by_user: None,
                silences: false,
                encoded: None,
            },
        }
    }
}
