//! `vx test --nextest`: the installed cargo-nextest runs test programs that vx has built.
//!
//! The programs are passed on as nextest's own `--binaries-metadata`. nextest selects, repeats and reports tests, and
//! reads its configuration as usual.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};
use nextest_metadata::{
    BinaryListSummary, BuildPlatform, BuildPlatformsSummary, BuildScriptInfoSummary, HostPlatformSummary,
    PlatformLibdirSummary, RustBinaryId, RustBuildMetaSummary, RustNonTestBinaryKind, RustNonTestBinarySummary,
    RustTestBinaryKind, RustTestBinarySummary, TargetPlatformSummary,
};
use target_spec::summaries::PlatformSummary;
use vx_home::WorkspaceLayout;
use vx_proto::{BuildSummary, EnvVar, ErrorKind, TestRun, WireError};
use vx_toolchain::Toolchain;

use crate::Invocation;
use crate::error::program_exit_code;

/// The program that `cargo nextest` starts, with `nextest` as the first argument.
const NEXTEST: &str = "cargo-nextest";

/// What the user asks of nextest beyond what was built.
pub(super) struct Options<'a> {
    /// The manifest that was named.
    pub(super) manifest: Option<&'a Utf8Path>,
    /// Platforms that were named.
    pub(super) targets: &'a [String],
    /// Whether nothing is to run.
    pub(super) no_run: bool,
    /// Whether to run all tests regardless of failures.
    pub(super) no_fail_fast: bool,
    /// Part of a test's name.
    pub(super) filter: Option<&'a str>,
    /// Arguments of `cargo nextest run`.
    pub(super) arguments: &'a [OsString],
}

/// Runs the test programs of a build with the cargo of the toolchain that built them; returns nextest's exit code.
pub(super) fn run(
    summary: &BuildSummary,
    options: &Options<'_>,
    toolchain: &Toolchain,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, WireError> {
    let mut file = tempfile::Builder::new()
        .prefix("vx-nextest-")
        .suffix(".json")
        .tempfile()
        .map_err(|error| failed("cannot make a temporary file for cargo-nextest", &error))?;
    let list = serde_json::to_vec(&BinaryListSummary {
        rust_build_meta: RustBuildMetaSummary {
            platforms: Some(platforms(toolchain, options.targets)),
            ..build(summary)
        },
        rust_binaries: programs(summary),
    })
    .map_err(|error| WireError::from_error(ErrorKind::Internal, &error))?;
    file.write_all(&list)
        .map_err(|error| failed("cannot write for cargo-nextest", &error))?;
    let mut nextest = Command::new(NEXTEST);
    nextest.args([
        "nextest",
        if options.no_run { "list" } else { "run" },
        "--binaries-metadata",
    ]);
    nextest.arg(file.path()).env("CARGO", &toolchain.cargo);
    if let Some(manifest) = options.manifest {
        nextest.arg("--manifest-path").arg(manifest);
    }
    if options.no_fail_fast && !options.no_run {
        nextest.arg("--no-fail-fast");
    }
    nextest.args(options.filter).args(options.arguments);
    nextest.envs(library_path(summary).map(EnvVar::unescaped));
    invocation.screen.status(
        "Running",
        format!(
            "cargo nextest ({} test programs)",
            summary.tests.iter().filter(is_program).count()
        ),
    );
    let status = nextest.status().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => WireError::new(ErrorKind::Usage, "cargo-nextest is not installed")
            .with_help("install it: cargo install --locked cargo-nextest"),
        _ => failed("cannot start cargo-nextest", &error),
    })?;
    Ok(program_exit_code(status))
}

fn failed(message: &str, error: &std::io::Error) -> WireError {
    WireError::new(ErrorKind::Machine, message).caused_by(error)
}

/// nextest does not run documentation tests.
fn is_program(test: &&TestRun) -> bool {
    !test.is_doc
}

/// The variable of the library search path, the same for every test of a build, except for the order.
fn library_path(summary: &BuildSummary) -> impl Iterator<Item = &EnvVar> {
    let tests = summary.tests.iter().filter(is_program);
    tests
        .flat_map(|test| &test.environment)
        .filter(|variable| variable.name.ends_with("LIBRARY_PATH"))
}

/// The test programs.
fn programs(summary: &BuildSummary) -> BTreeMap<RustBinaryId, RustTestBinarySummary> {
    let programs = summary.tests.iter().filter(is_program).map(program);
    programs.map(|program| (program.binary_id.clone(), program)).collect()
}

/// The directory of the standard library for each platform.
fn platforms(toolchain: &Toolchain, targets: &[String]) -> BuildPlatformsSummary {
    let platform = |triple: &str| PlatformSummary::new(triple);
    let libdir = |triple: &str| PlatformLibdirSummary::Available {
        path: toolchain.sysroot.join("lib/rustlib").join(triple).join("lib"),
    };
    let of_target = |triple: &String| TargetPlatformSummary {
        platform: platform(triple),
        libdir: libdir(triple),
    };
    BuildPlatformsSummary {
        host: HostPlatformSummary {
            platform: platform(&toolchain.host),
            libdir: libdir(&toolchain.host),
        },
        targets: targets.iter().map(of_target).collect(),
    }
}

/// What nextest needs to know about a build besides its test programs.
fn build(summary: &BuildSummary) -> RustBuildMetaSummary {
    let tests = summary.tests.iter().filter(is_program);
    let root = tests.clone().find_map(|test| outputs(test.command.last()?));
    let target_directory = root.map(Utf8Path::to_owned).unwrap_or_default();
    let mut meta = RustBuildMetaSummary {
        build_directory: Some(target_directory.clone()),
        target_directory,
        build_script_info: Some(BTreeMap::new()),
        ..RustBuildMetaSummary::default()
    };
    for test in tests.clone() {
        add_build_script(&mut meta, test);
    }
    for artifact in summary.artifacts.iter().filter(|artifact| artifact.kind == "bin") {
        let path = Utf8Path::new(&artifact.path);
        if let Ok(path) = path.strip_prefix(&meta.target_directory) {
            let programs = meta.non_test_binaries.entry(artifact.package_id.clone()).or_default();
            programs.insert(RustNonTestBinarySummary {
                name: artifact.target.clone(),
                kind: RustNonTestBinaryKind::BIN_EXE,
                path: path.to_owned(),
                build_platform: Some(BuildPlatform::Target),
            });
        }
    }
    meta.base_output_directories = tests
        .filter_map(|test| output_directory(test.command.last()?, &meta.target_directory))
        .collect::<BTreeSet<_>>();
    meta
}

fn program(test: &TestRun) -> RustTestBinarySummary {
    let kind = match test.kind.as_str() {
        // nextest's name for every kind of library.
        "rlib" | "dylib" | "cdylib" | "staticlib" => RustTestBinaryKind::LIB,
        kind => RustTestBinaryKind::new(kind.to_owned()),
    };
    RustTestBinarySummary {
        binary_id: RustBinaryId::from_parts(&test.package, &kind, &test.target),
        binary_name: test.target.clone(),
        package_id: test.package_id.clone(),
        build_platform: match kind == RustTestBinaryKind::PROC_MACRO {
            true => BuildPlatform::Host,
            false => BuildPlatform::Target,
        },
        kind,
        binary_path: test.command.last().map(Utf8PathBuf::from).unwrap_or_default(),
    }
}

/// What the build script of a test's package sets for its programs.
fn add_build_script(meta: &mut RustBuildMetaSummary, test: &TestRun) {
    let value = |name: &str| test.environment.iter().find(|variable| variable.name == name);
    let Some(out_dir) = value("OUT_DIR") else {
        return;
    };
    let directory = Utf8PathBuf::from(&out_dir.value);
    meta.build_script_out_dirs.insert(test.package_id.clone(), directory);
    let is_cargos = |name: &str| name == "OUT_DIR" || name.starts_with("CARGO") || name.ends_with("LIBRARY_PATH");
    let of_script = test.environment.iter().filter(|variable| !is_cargos(&variable.name));
    let envs = of_script.map(|variable| (variable.name.clone(), variable.value.clone()));
    let info = BuildScriptInfoSummary { envs: envs.collect() };
    meta.build_script_info
        .get_or_insert_default()
        .insert(test.package_id.clone(), info);
}

/// The directory of final artifacts that a program lies in.
fn outputs(program: &str) -> Option<&Utf8Path> {
    let outputs = WorkspaceLayout::relative().build();
    Utf8Path::new(program)
        .ancestors()
        .find(|directory| directory.ends_with(&outputs))
}

/// `debug`, `TRIPLE/release`: that of the profile, below the directory of final artifacts.
fn output_directory(program: &str, outputs: &Utf8Path) -> Option<Utf8PathBuf> {
    let below = Utf8Path::new(program).strip_prefix(outputs).ok()?;
    // Test programs lie in `deps`.
    Some(below.parent()?.parent()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(kind: &str, program: &str) -> TestRun {
        TestRun {
            package: "app".to_owned(),
            package_id: "path+file:///w/app#0.1.0".to_owned(),
            target: "it".to_owned(),
            kind: kind.to_owned(),
            selector: String::new(),
            title: String::new(),
            is_doc: false,
            has_harness: true,
            command: vec!["runner".to_owned(), program.to_owned()],
            working_directory: "/w/app".to_owned(),
            environment: Vec::new(),
        }
    }

    #[test]
    fn programs_are_named_as_nextest_names_them() {
        let id = |kind| {
            program(&test(kind, "/w/.vx/build/debug/deps/it-0"))
                .binary_id
                .to_string()
        };
        assert_eq!(id("rlib"), "app");
        assert_eq!(id("test"), "app::it");
        assert_eq!(id("bin"), "app::bin/it");
    }

    #[test]
    fn directories_are_found_from_the_programs() {
        let program = "/w/.vx/build/x86_64-unknown-linux-gnu/release/deps/it-0";
        let root = outputs(program).unwrap();
        assert_eq!(root, "/w/.vx/build");
        let directory = output_directory(program, root).unwrap();
        assert_eq!(directory, "x86_64-unknown-linux-gnu/release");
        assert_eq!(outputs("/elsewhere/it"), None);
    }
}
