//! The arguments of vx, as clap derives them; names, short forms and meanings are Cargo's.
//!
//! Nothing here acts. `+TOOLCHAIN` is removed before clap sees the arguments, as rustup does for cargo.

use camino::Utf8PathBuf;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use vx_cargo::Jobs;

/// Shown below `vx --help`; the same table is in the README.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  success
    2  invalid command line or configuration
    3  the project needs something that vx does not support
    4  the daemon is busy
    5  a download failed
    6  the system or a service of vx failed
   70  a bug in vx
  101  the build failed
  130  interrupted or canceled
`vx run` exits with the exit code of the program, `vx test` and `vx bench` with that of the
first one that failed.";

/// A build engine for Cargo projects that never runs the same step twice
#[derive(Debug, Parser)]
#[command(
    name = "vx",
    version,
    override_usage = "vx [+TOOLCHAIN] [OPTIONS] <COMMAND>",
    after_help = EXIT_CODES,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) terminal: TerminalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compile the current package
    #[command(visible_alias = "b", override_usage = "vx [+TOOLCHAIN] build [OPTIONS]")]
    Build(Box<BuildArguments>),
    /// Run a binary or example of the current package
    #[command(
        visible_alias = "r",
        override_usage = "vx [+TOOLCHAIN] run [OPTIONS] [-- ARGUMENTS...]"
    )]
    Run(Box<RunArguments>),
    /// Check the current package and its dependencies for errors, without generating code
    #[command(visible_alias = "c", override_usage = "vx [+TOOLCHAIN] check [OPTIONS]")]
    Check(Box<BuildArguments>),
    /// Check the current package and its dependencies with Clippy's lints
    #[command(override_usage = "vx [+TOOLCHAIN] clippy [OPTIONS] [-- ARGUMENTS...]")]
    Clippy(Box<ClippyArguments>),
    /// Compile one target of the current package, with extra arguments for the compiler
    #[command(override_usage = "vx [+TOOLCHAIN] rustc [OPTIONS] [-- ARGUMENTS...]")]
    Rustc(Box<RustcArguments>),
    /// Build the documentation of the current package and its dependencies
    #[command(visible_alias = "d", override_usage = "vx [+TOOLCHAIN] doc [OPTIONS]")]
    Doc(Box<DocArguments>),
    /// Compile and run the tests of the current package
    #[command(
        visible_alias = "t",
        override_usage = "vx [+TOOLCHAIN] test [OPTIONS] [TESTNAME] [-- ARGUMENTS...]"
    )]
    Test(Box<TestArguments>),
    /// Compile and run the benchmarks of the current package
    #[command(override_usage = "vx [+TOOLCHAIN] bench [OPTIONS] [BENCHNAME] [-- ARGUMENTS...]")]
    Bench(Box<BenchArguments>),
    /// Download everything that a build needs, including the toolchain
    #[command(override_usage = "vx [+TOOLCHAIN] fetch [OPTIONS]")]
    Fetch(Box<FetchArguments>),
    /// Display the dependencies as a tree (runs `cargo tree`)
    #[command(override_usage = "vx [+TOOLCHAIN] tree [OPTIONS]")]
    Tree(PassedArguments),
    /// Print the resolved dependencies of the workspace as JSON (runs `cargo metadata`)
    #[command(override_usage = "vx [+TOOLCHAIN] metadata [OPTIONS]")]
    Metadata(PassedArguments),
    /// List, install and remove toolchains, and show which one is in use
    #[command(subcommand, override_usage = "vx [+TOOLCHAIN] toolchain <COMMAND>")]
    Toolchain(ToolchainCommand),
    /// Remove the outputs of this workspace (`.vx`); the store is kept
    Clean(CleanArguments),
    /// Show what ran in the last build of this workspace, and which input was the reason
    Explain(ExplainArguments),
    /// Show the daemon, its services, running builds and the store
    Status(StatusArguments),
    /// Stop the daemon with its builds and services
    Kill,
}

/// What is passed to cargo unchanged.
#[derive(Debug, Args)]
pub(crate) struct PassedArguments {
    /// Arguments for cargo
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// How much is shown, and in which colors.
#[derive(Debug, Args)]
#[command(next_help_heading = "Terminal Options")]
pub(crate) struct TerminalArguments {
    /// Show commands, and also list units that did not run
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Print only diagnostics and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Coloring
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
}

// Variants have no documentation: it would turn the help of every command into a long one.

/// When to use colors; `auto` on a terminal that has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// `vx build` and `vx check`.
#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(crate) packages: PackageArguments,
    #[command(flatten)]
    pub(crate) targets: TargetArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// `vx clippy`.
#[derive(Debug, Args)]
pub(crate) struct ClippyArguments {
    #[command(flatten)]
    pub(crate) build: BuildArguments,
    /// Run Clippy only on the given packages, without linting the dependencies
    #[arg(long, help_heading = "Options")]
    pub(crate) no_deps: bool,
    /// Arguments for Clippy: `-D warnings`
    #[arg(value_name = "ARGUMENTS", last = true, help_heading = "Arguments")]
    pub(crate) arguments: Vec<String>,
}

/// `vx rustc`.
#[derive(Debug, Args)]
pub(crate) struct RustcArguments {
    #[command(flatten)]
    pub(crate) build: BuildArguments,
    /// Comma separated list of crate types to emit for a library or example
    #[arg(
        long,
        value_name = "CRATE-TYPE",
        value_delimiter = ',',
        help_heading = "Compilation Options"
    )]
    pub(crate) crate_type: Vec<String>,
    /// Arguments for rustc
    #[arg(value_name = "ARGUMENTS", last = true, help_heading = "Arguments")]
    pub(crate) arguments: Vec<String>,
}

/// `vx doc`.
#[derive(Debug, Args)]
pub(crate) struct DocArguments {
    #[command(flatten)]
    pub(crate) packages: PackageArguments,
    /// Don't build documentation for dependencies
    #[arg(long, help_heading = "Options")]
    pub(crate) no_deps: bool,
    /// Document private items
    #[arg(long, help_heading = "Options")]
    pub(crate) document_private_items: bool,
    /// Document only this package's library
    #[arg(long, help_heading = "Target Selection")]
    pub(crate) lib: bool,
    /// Document all binaries
    #[arg(long, help_heading = "Target Selection")]
    pub(crate) bins: bool,
    /// Document only the specified binary
    #[arg(long, value_name = "NAME", help_heading = "Target Selection")]
    pub(crate) bin: Vec<String>,
    /// Document all examples
    #[arg(long, help_heading = "Target Selection")]
    pub(crate) examples: bool,
    /// Document only the specified example
    #[arg(long, value_name = "NAME", help_heading = "Target Selection")]
    pub(crate) example: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

/// `vx run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Package with the target to run
    #[arg(short, long, value_name = "SPEC", help_heading = "Package Selection")]
    pub(crate) package: Option<String>,
    /// Name of the bin target to run
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Target Selection",
        conflicts_with = "example"
    )]
    pub(crate) bin: Option<String>,
    /// Name of the example target to run
    #[arg(long, value_name = "NAME", help_heading = "Target Selection")]
    pub(crate) example: Option<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Arguments for the program
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, help_heading = "Arguments")]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// `vx test`.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    #[command(flatten)]
    pub(crate) packages: PackageArguments,
    #[command(flatten)]
    pub(crate) targets: TargetArguments,
    /// Test only this library's documentation
    #[arg(long, help_heading = "Target Selection")]
    pub(crate) doc: bool,
    /// Run the tests with the installed cargo-nextest; arguments after `--` go to `cargo nextest run`
    #[arg(long, help_heading = "Options", conflicts_with = "doc")]
    pub(crate) nextest: bool,
    #[command(flatten)]
    pub(crate) running: RunningArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// If specified, only run tests containing this string in their names
    #[arg(value_name = "TESTNAME", help_heading = "Arguments")]
    pub(crate) name: Option<String>,
    /// Arguments for the test binary
    #[arg(value_name = "ARGUMENTS", last = true, help_heading = "Arguments")]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// `vx bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    pub(crate) packages: PackageArguments,
    #[command(flatten)]
    pub(crate) targets: TargetArguments,
    #[command(flatten)]
    pub(crate) running: RunningArguments,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// If specified, only run benches containing this string in their names
    #[arg(value_name = "BENCHNAME", help_heading = "Arguments")]
    pub(crate) name: Option<String>,
    /// Arguments for the benchmark binary
    #[arg(value_name = "ARGUMENTS", last = true, help_heading = "Arguments")]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// How tests and benchmarks are run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options")]
pub(crate) struct RunningArguments {
    /// Compile, but don't run
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Run all of them regardless of failure
    #[arg(long)]
    pub(crate) no_fail_fast: bool,
}

/// Which packages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Package Selection")]
pub(crate) struct PackageArguments {
    /// Package to build (see `cargo help pkgid`)
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Vec<String>,
    /// Build all packages in the workspace
    #[arg(long, alias = "all")]
    pub(crate) workspace: bool,
    /// Exclude packages from the build
    #[arg(long, value_name = "SPEC", requires = "workspace")]
    pub(crate) exclude: Vec<String>,
}

/// Which targets of these packages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target Selection")]
pub(crate) struct TargetArguments {
    /// Build only this package's library
    #[arg(long)]
    pub(crate) lib: bool,
    /// Build all binaries
    #[arg(long)]
    pub(crate) bins: bool,
    /// Build only the specified binary
    #[arg(long, value_name = "NAME")]
    pub(crate) bin: Vec<String>,
    /// Build all examples
    #[arg(long)]
    pub(crate) examples: bool,
    /// Build only the specified example
    #[arg(long, value_name = "NAME")]
    pub(crate) example: Vec<String>,
    /// Build all targets that have `test = true` set
    #[arg(long)]
    pub(crate) tests: bool,
    /// Build only the specified integration test
    #[arg(long, value_name = "NAME")]
    pub(crate) test: Vec<String>,
    /// Build all targets that have `bench = true` set
    #[arg(long)]
    pub(crate) benches: bool,
    /// Build only the specified benchmark
    #[arg(long, value_name = "NAME")]
    pub(crate) bench: Vec<String>,
    /// Build all targets
    #[arg(long)]
    pub(crate) all_targets: bool,
}

/// Arguments of all commands that build.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    #[command(flatten)]
    pub(crate) features: FeatureArguments,
    #[command(flatten)]
    pub(crate) compilation: CompilationArguments,
    #[command(flatten)]
    pub(crate) manifest: ManifestArguments,
    /// Ignore `rust-version` specification in packages
    #[arg(long, help_heading = "Manifest Options")]
    pub(crate) ignore_rust_version: bool,
    /// Format of diagnostics and artifacts
    #[arg(long, value_name = "FMT", default_value = "human", help_heading = "Terminal Options")]
    pub(crate) message_format: BuildFormat,
    /// Write each compiler and build script that is started to a file, as one line of JSON
    #[arg(long, value_name = "PATH", help_heading = "Terminal Options")]
    pub(crate) action_log: Option<Utf8PathBuf>,
}

/// Output for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Json,
}

/// Cargo's formats for the messages of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuildFormat {
    Human,
    Json,
    JsonDiagnosticRenderedAnsi,
    JsonRenderDiagnostics,
}

/// Which features.
#[derive(Debug, Args)]
#[command(next_help_heading = "Feature Selection")]
pub(crate) struct FeatureArguments {
    /// Space or comma separated list of features to activate
    #[arg(short = 'F', long, value_name = "FEATURES")]
    pub(crate) features: Vec<String>,
    /// Activate all available features
    #[arg(long)]
    pub(crate) all_features: bool,
    /// Do not activate the `default` feature
    #[arg(long)]
    pub(crate) no_default_features: bool,
}

/// How to compile.
#[derive(Debug, Args)]
#[command(next_help_heading = "Compilation Options")]
pub(crate) struct CompilationArguments {
    /// Build artifacts in release mode, with optimizations
    #[arg(short, long, conflicts_with = "profile")]
    pub(crate) release: bool,
    /// Build artifacts with the specified profile
    #[arg(long, value_name = "PROFILE-NAME")]
    pub(crate) profile: Option<String>,
    /// Number of parallel jobs of this build, limited by the daemon's jobs for all builds
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) jobs: Option<Jobs>,
    /// Do not abort the build as soon as there is an error
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Fail if a build script or macro needs the network, or to write to the home directory, without a grant
    #[arg(long)]
    pub(crate) strict: bool,
    /// Build for the target triple
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Vec<String>,
}

/// Which project, and how its dependencies are found.
#[derive(Debug, Args)]
#[command(next_help_heading = "Manifest Options")]
pub(crate) struct ManifestArguments {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<Utf8PathBuf>,
    /// Override a configuration value
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub(crate) config: Vec<String>,
    /// Assert that `Cargo.lock` will remain unchanged
    #[arg(long)]
    pub(crate) locked: bool,
    /// Run without accessing the network
    #[arg(long)]
    pub(crate) offline: bool,
    /// Equivalent to specifying both --locked and --offline
    #[arg(long)]
    pub(crate) frozen: bool,
}

/// `vx fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    /// Fetch dependencies for the target triple
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Vec<String>,
    #[command(flatten)]
    pub(crate) manifest: ManifestArguments,
}

/// `vx toolchain`.
#[derive(Debug, Subcommand)]
pub(crate) enum ToolchainCommand {
    /// List the toolchains of rustup and of vx; the one in use is marked
    List,
    /// Download and install toolchains
    Install(InstallArguments),
    /// Remove toolchains that vx has installed
    Remove {
        /// Name as listed, with or without the host triple
        #[arg(value_name = "TOOLCHAIN", required = true)]
        names: Vec<String>,
    },
    /// Print the path of a program of the toolchain in use
    Which {
        /// Name of the program
        #[arg(value_name = "PROGRAM", default_value = "rustc")]
        program: String,
    },
}

/// `vx toolchain install`.
#[derive(Debug, Args)]
pub(crate) struct InstallArguments {
    /// Channel, such as `stable`, `1.95` or `nightly-2026-05-20`
    #[arg(value_name = "CHANNEL", required = true)]
    pub(crate) channels: Vec<String>,
    /// Profile: `minimal`, `default`, `complete`
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Components in addition to those of the profile
    #[arg(short, long, value_name = "COMPONENT", value_delimiter = ',')]
    pub(crate) component: Vec<String>,
    /// Targets in addition to the host
    #[arg(short, long, value_name = "TRIPLE", value_delimiter = ',')]
    pub(crate) target: Vec<String>,
}

/// `vx clean`.
#[derive(Debug, Args)]
pub(crate) struct CleanArguments {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH", help_heading = "Manifest Options")]
    pub(crate) manifest_path: Option<Utf8PathBuf>,
}

/// `vx explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// Explain only units of the package or target NAME
    #[arg(long, value_name = "NAME")]
    pub(crate) unit: Option<String>,
    /// Print every part of the key of these units, one per line
    #[arg(long, requires = "unit")]
    pub(crate) key: bool,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH", help_heading = "Manifest Options")]
    pub(crate) manifest_path: Option<Utf8PathBuf>,
}

/// `vx status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Output format
    #[arg(long, value_name = "FMT", default_value = "human")]
    pub(crate) message_format: Format,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
