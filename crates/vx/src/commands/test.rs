//! `vx test` and `vx bench`: builds test programs, then runs them one after another, documentation tests last, as Cargo
//! does.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use vx_proto::{BuildSummary, EnvVar, ErrorKind, TestRun, WireError};

use super::nextest;
use crate::Invocation;
use crate::cli::{BenchArguments, RunningArguments, TestArguments};
use crate::error::{FAILED, program_exit_code};
use crate::render::Verbosity;
use crate::{client, request};

/// What decides how tests run.
struct Running<'a> {
    /// `test failed`, `bench failed`.
    noun: &'static str,
    arguments: &'a RunningArguments,
    /// Arguments of each program.
    extra_args: Vec<OsString>,
    /// Whether there were several packages to choose from, so that a message must name one.
    names_packages: bool,
}

/// Builds and runs the tests that the arguments select.
pub(crate) fn test(arguments: &TestArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::test(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    let toolchain = request.toolchain.clone();
    let summary = client::build(invocation, request, arguments.common.action_log.as_deref())?;
    if arguments.nextest {
        invocation.toolchain = toolchain;
        let toolchain = super::toolchain::used_here(invocation)?;
        let options = nextest::Options {
            manifest: arguments.common.manifest.manifest_path.as_deref(),
            targets: &arguments.common.compilation.target,
            no_run: arguments.running.no_run,
            no_fail_fast: arguments.running.no_fail_fast,
            filter: arguments.name.as_deref(),
            arguments: &arguments.arguments,
        };
        return nextest::run(&summary, &options, &toolchain, invocation);
    }
    let name = arguments.name.iter().map(OsString::from);
    let running = Running {
        noun: "test",
        arguments: &arguments.running,
        extra_args: name.chain(arguments.arguments.iter().cloned()).collect(),
        names_packages: !arguments.packages.package.is_empty() || has_many_packages(&summary),
    };
    running.all(&summary, invocation)
}

/// Builds and runs the benchmarks that the arguments select.
pub(crate) fn bench(arguments: &BenchArguments, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    let request = request::bench(arguments, invocation.toolchain.take(), invocation.screen.verbosity())?;
    let summary = client::build(invocation, request, arguments.common.action_log.as_deref())?;
    let name = arguments.name.iter().map(OsString::from);
    let running = Running {
        noun: "bench",
        arguments: &arguments.running,
        extra_args: ["--bench".into()]
            .into_iter()
            .chain(name)
            .chain(arguments.arguments.iter().cloned())
            .collect(),
        names_packages: !arguments.packages.package.is_empty() || has_many_packages(&summary),
    };
    running.all(&summary, invocation)
}

fn has_many_packages(summary: &BuildSummary) -> bool {
    let mut packages = summary.tests.iter().map(|test| &test.package);
    let first = packages.next();
    packages.any(|package| Some(package) != first)
}

impl Running<'_> {
    fn all(&self, summary: &BuildSummary, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
        let mut failures: Vec<String> = Vec::new();
        for test in &summary.tests {
            if self.arguments.no_run {
                if !test.is_doc {
                    invocation.screen.status("Executable", announced(test));
                }
                continue;
            }
            let status = self.one(test, invocation)?;
            if status.success() {
                continue;
            }
            let rerun = self.rerun(test);
            let error = self.failure(test, &rerun, status);
            invocation.screen.error(&error);
            if !self.arguments.no_fail_fast {
                return Ok(program_exit_code(status));
            }
            failures.push(rerun);
        }
        match failures.as_slice() {
            [] => Ok(ExitCode::SUCCESS),
            failures => {
                let number = match failures.len() {
                    1 => "1 target failed".to_owned(),
                    number => format!("{number} targets failed"),
                };
                let list: Vec<String> = failures.iter().map(|rerun| format!("\n    `{rerun}`")).collect();
                let message = format!("{number}:{}", list.concat());
                invocation
                    .screen
                    .error(&WireError::new(ErrorKind::BuildFailed, message));
                Ok(ExitCode::from(FAILED))
            }
        }
    }

    fn one(&self, test: &TestRun, invocation: &mut Invocation<'_>) -> Result<ExitStatus, WireError> {
        let command_line = self.command_line(test, invocation);
        match test.is_doc {
            true => invocation.screen.status("Doc-tests", test.title.clone()),
            false if invocation.screen.verbosity() == Verbosity::Verbose => {}
            false => invocation.screen.status("Running", announced(test)),
        }
        if invocation.screen.verbosity() == Verbosity::Verbose {
            let shown: Vec<_> = command_line.iter().map(|argument| argument.to_string_lossy()).collect();
            invocation.screen.status("Running", format!("`{}`", shown.join(" ")));
        }
        let failed = |error: std::io::Error| {
            WireError::new(
                ErrorKind::Machine,
                format!("could not run `{}`", command_line[0].display()),
            )
            .caused_by(&error)
        };
        let mut command = Command::new(&command_line[0]);
        command.args(&command_line[1..]).current_dir(&test.working_directory);
        command.envs(test.environment.iter().map(EnvVar::unescaped));
        command.status().map_err(failed)
    }

    fn command_line(&self, test: &TestRun, invocation: &Invocation<'_>) -> Vec<OsString> {
        let mut command_line: Vec<OsString> = test.command.iter().map(OsString::from).collect();
        let is_quiet = invocation.screen.verbosity() == Verbosity::Quiet && test.has_harness;
        let quiet = is_quiet.then(|| OsString::from("--quiet"));
        let own = quiet.into_iter().chain(self.extra_args.iter().cloned());
        match test.is_doc {
            false => command_line.extend(own),
            true => {
                let color = if invocation.screen.has_colors() {
                    "always"
                } else {
                    "never"
                };
                command_line.extend(["--color".into(), color.into()]);
                command_line.extend(own.flat_map(|argument| [OsString::from("--test-args"), argument]));
            }
        }
        command_line
    }

    /// `-p member --lib`
    fn rerun(&self, test: &TestRun) -> String {
        match self.names_packages {
            true => format!("-p {} {}", test.package, test.selector),
            false => test.selector.clone(),
        }
    }

    fn failure(&self, test: &TestRun, rerun: &str, status: ExitStatus) -> WireError {
        let noun = if test.is_doc { "doctest" } else { self.noun };
        let message = format!("{noun} failed, to rerun pass `{rerun}`");
        let error = WireError::new(ErrorKind::BuildFailed, message);
        // Failed tests have been reported by their own program.
        if status.code() == Some(i32::from(FAILED)) {
            return error;
        }
        error.with_cause(format!(
            "process didn't exit successfully: `{}` ({status})",
            test.command.join(" ")
        ))
    }
}

/// `unittests src/lib.rs (.vx/build/debug/deps/app-0123456789abcdef)`.
fn announced(test: &TestRun) -> String {
    let program = test.command.last().map_or("", String::as_str);
    let here = std::env::current_dir().ok();
    let relative = here.and_then(|here| Path::new(program).strip_prefix(here).ok().map(Path::to_owned));
    let shown = relative.unwrap_or_else(|| program.into());
    format!("{} ({})", test.title, shown.display())
}
