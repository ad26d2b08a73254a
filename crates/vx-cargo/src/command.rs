//! What one unit runs: the shapes in which `compile`, `run_script` and `uplift` answer. Data only.

use serde::{Deserialize, Serialize};
use vx_model::{RootedPath, Template};

use crate::UnitIndex;
use crate::settings::CLIPPY_ARGUMENTS;

/// What of a dependency is needed in the `deps` directory of the exec root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Needs {
    /// The metadata alone (`.rmeta`), there before the dependency's code is generated.
    Metadata,
    /// Everything that the dependency made (`.rlib`, `.so`, …; the executable of a build script).
    Everything,
}

/// A run of rustc.
///
/// It runs in an exec root: dependencies lie in `{Exec}/deps/`, outputs go to `{Exec}/out/`.
#[derive(Debug, Clone)]
pub struct Compile {
    /// rustc (or a wrapper of the user's) and its arguments.
    pub arguments: Vec<Template>,
    /// What Cargo sets for this crate, sorted: `CARGO_*`. It counts whether it is read or not, as for Cargo.
    pub environment: Vec<(String, Template)>,
    /// What Cargo sets besides, sorted: `OUT_DIR`, the build script's `rustc-env`, whether the package was asked for. It
    /// counts only where it is read, which rustc reports.
    pub reported_environment: Vec<(String, Template)>,
    /// Directories to put before the user's value of the variable of the library search path (`LD_LIBRARY_PATH`);
    /// empty, except for proc macros that need dynamic libraries.
    pub library_path: Vec<Template>,
    /// Where it runs: the workspace root for path packages of the workspace, the package root for others.
    pub working_directory: RootedPath,
    /// Compile units whose outputs must lie in `deps`, transitive ones included, sorted, none twice.
    pub inputs: Vec<(UnitIndex, Needs)>,
    /// Build-script runs whose output trees or directives the command uses.
    pub scripts: Vec<UnitIndex>,
    /// File name of the metadata in `out` that dependants may start from; `None` if there is no pipelining.
    pub metadata: Option<String>,
    /// File name of the dep-info in `out`; `None` if rustdoc runs, which writes none.
    pub dep_info: Option<String>,
    /// Whether a linker runs: its identity joins the key.
    pub links: bool,
    /// Whether a proc macro is anywhere among the dependencies.
    pub uses_proc_macros: bool,
    /// Whether its arguments make it read files that its dep-info does not name: native libraries that go into a library, for
    /// example.
    pub reads_unreported: bool,
    /// Whether what is made depends on the processor at hand (`-C target-cpu=native`).
    pub is_for_this_processor: bool,
    /// Clippy's compiler, where it is the one that runs. It is no part of the toolchain's identity, reads its configuration
    /// (`clippy.toml`) where it finds it, and asks for [`Compile::READ_BY_CLIPPY`] without saying so.
    pub clippy: Option<RootedPath>,
    /// Whether warnings are to be shown (path packages; registry packages are capped).
    pub shows_warnings: bool,
}

impl Compile {
    /// Variables that decide what Clippy says.
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
    /// Build-script runs whose `DEP_*` metadata the environment holds.
    pub scripts: Vec<UnitIndex>,
    /// What Cargo sets, sorted. The user's environment joins it, filtered.
    pub environment: Vec<(String, Template)>,
    /// Variables of the user's that do not reach the script.
    pub hidden: Vec<String>,
    /// Directories to put before the user's value of the variable of the library search path (`LD_LIBRARY_PATH`).
    pub library_path: Vec<Template>,
    /// Compile units whose dynamic libraries the script is linked to; they must lie in `deps` of its exec root.
    pub libraries: Vec<UnitIndex>,
    /// The package root.
    pub working_directory: RootedPath,
}

/// A process that tests what was built: a test program, or rustdoc.
#[derive(Debug, Clone)]
pub struct TestCommand {
    /// The program and its arguments, the user's left out.
    pub arguments: Vec<Template>,
    /// What Cargo adds to the user's environment, sorted.
    pub environment: Vec<(String, Template)>,
    /// Directories to put before the user's value of the variable of the library search path.
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
