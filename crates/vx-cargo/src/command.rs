//! What one unit runs: the results of `compile`, `run_script`, `run_program` and `uplift`. Data only.

use serde::{Deserialize, Serialize};
use vx_model::{RootedPath, Template};

use crate::UnitIndex;
use crate::settings::CLIPPY_ARGUMENTS;

/// The part of a dependency that is needed in the `deps` directory of the exec root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Needs {
    /// Only the metadata (`.rmeta`), which exists before the dependency's code is generated.
    Metadata,
    /// Everything that the dependency produced (`.rlib`, `.so`, …; the executable of a build script).
    Everything,
}

/// A run of rustc.
///
/// It runs in an exec root: dependencies lie in `{Exec}/deps/`, outputs go to `{Exec}/out/`.
#[derive(Debug, Clone)]
pub struct Compile {
    /// rustc (or a wrapper of the user's) and its arguments.
    pub arguments: Vec<Template>,
    /// What Cargo sets for this crate, sorted: `CARGO_*`. As in Cargo, it counts whether it is read or not.
    pub environment: Vec<(String, Template)>,
    /// What else Cargo sets, sorted: `OUT_DIR`, the build script's `rustc-env`, whether the package was requested. It
    /// counts only if it is read, which rustc reports.
    pub reported_environment: Vec<(String, Template)>,
    /// Directories to put in front of the user's library search path (`LD_LIBRARY_PATH`); empty, except for proc macros
    /// that need dynamic libraries.
    pub library_path: Vec<Template>,
    /// The working directory: the workspace root for path packages of the workspace, the package root for others.
    pub working_directory: RootedPath,
    /// Compile units whose outputs must be in `deps`, including transitive ones, sorted, without duplicates.
    pub inputs: Vec<(UnitIndex, Needs)>,
    /// Build-script runs whose output trees or directives the command uses.
    pub scripts: Vec<UnitIndex>,
    /// File name of the metadata in `out` with which dependents may start; `None` without pipelining.
    pub metadata: Option<String>,
    /// File name of the dep-info in `out`; `None` for rustdoc, which does not write it.
    pub dep_info: Option<String>,
    /// Whether a linker runs: its identity is then part of the key.
    pub links: bool,
    /// Whether any dependency is a proc macro.
    pub uses_proc_macros: bool,
    /// Whether its arguments make it read files that its dep-info does not name, for example native libraries that go
    /// into a library.
    pub reads_unreported: bool,
    /// Whether the output depends on this machine's processor (`-C target-cpu=native`).
    pub is_for_this_processor: bool,
    /// Clippy's compiler, if that is what runs. It is not part of the toolchain's identity, reads its configuration
    /// (`clippy.toml`) if there is one, and reads [`Compile::READ_BY_CLIPPY`] without reporting it.
    pub clippy: Option<RootedPath>,
    /// Whether warnings are to be shown (path packages; registry packages are capped).
    pub shows_warnings: bool,
}

impl Compile {
    /// Variables that influence Clippy.
    pub const READ_BY_CLIPPY: &[&str] = &[
        CLIPPY_ARGUMENTS,
        "CLIPPY_CONF_DIR",
        "CLIPPY_DISABLE_DOCS_LINKS",
        "CARGO_PRIMARY_PACKAGE",
    ];
}

/// A run of a build script.
#[derive(Debug, Clone)]
pub struct RunScript {
    /// The unit that compiled the script; its executable is linked into the exec root as `./build-script`.
    pub script: UnitIndex,
    /// Build-script runs whose `DEP_*` metadata is in the environment.
    pub scripts: Vec<UnitIndex>,
    /// What Cargo sets, sorted. It finds the user's environment besides.
    pub environment: Vec<(String, Template)>,
    /// The user's variables that do not reach the script.
    pub hidden: Vec<String>,
    /// Directories to put in front of the user's library search path (`LD_LIBRARY_PATH`).
    pub library_path: Vec<Template>,
    /// Compile units whose dynamic libraries the script is linked to; they must be in `deps` of its exec root.
    pub libraries: Vec<UnitIndex>,
    /// The package root.
    pub working_directory: RootedPath,
}

/// How a program that was built is run.
#[derive(Debug, Clone)]
pub struct RunProgram {
    /// The user's program that runs it, with its arguments; empty if it runs directly.
    pub runner: Vec<Template>,
    /// What Cargo adds to the user's environment, sorted, except the library search path.
    pub environment: Vec<(String, Template)>,
    /// Directories to put in front of the user's library search path.
    pub library_path: Vec<Template>,
}

/// A process that tests what was built: a test program, or rustdoc.
#[derive(Debug, Clone)]
pub struct TestCommand {
    /// The program and its arguments, without the user's.
    pub arguments: Vec<Template>,
    /// What Cargo adds to the user's environment, sorted.
    pub environment: Vec<(String, Template)>,
    /// Directories to put in front of the user's library search path.
    pub library_path: Vec<Template>,
    /// The package root; rustdoc runs where the library was compiled.
    pub working_directory: RootedPath,
}

/// A final artifact that the user sees.
#[derive(Debug, Clone)]
pub struct Uplift {
    /// File name in the unit's `out`.
    pub file: String,
    /// Below the workspace root: `.vx/build/debug/rg`.
    pub destination: String,
    /// Cargo's target kind.
    pub kind: String,
    /// Whether it can be run.
    pub is_executable: bool,
}
