//! Runs the toolchain's own programs while planning.

use std::process::{Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde::de::DeserializeOwned;
use tokio::process::Command;
use vx_model::os_text;
use vx_packages::CargoHome;

use super::refusal::refusal;
use crate::environment::is_set_for_children;
use crate::{PlanContext, PlanError, SourceReplacement};

/// Permits unstable options of a stable Cargo. Set for single processes, never for those that build.
const PERMIT_UNSTABLE: (&str, &str) = ("RUSTC_BOOTSTRAP", "1");

/// For all packages of the workspace and their dependencies.
const METADATA: [&str; 2] = ["metadata", "--format-version=1"];

/// Starts programs of the toolchain for one plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tools<'a> {
    context: &'a PlanContext,
}

impl<'a> Tools<'a> {
    pub(crate) fn new(context: &'a PlanContext) -> Self {
        Self { context }
    }

    /// Cargo, in the user's directory and environment, with the user's `--config`, `subcommand` first.
    pub(crate) fn cargo<'b>(&self, subcommand: impl IntoIterator<Item = &'b str>) -> Command {
        let mut command = self.program(&self.context.toolchain.cargo);
        let planning = self.context.home.planning();
        command
            .env("RUSTC", &self.context.toolchain.rustc)
            // Refused by name elsewhere; here they would only fail.
            .env("RUSTC_WRAPPER", "")
            .env("RUSTC_WORKSPACE_WRAPPER", "")
            // Cargo's memory about rustc between two plans; nothing is built there.
            .env("CARGO_TARGET_DIR", &planning)
            .env("CARGO_BUILD_BUILD_DIR", &planning)
            .env("CARGO_TERM_COLOR", "never")
            .args(subcommand);
        for config in &self.context.selection.config {
            command.arg("--config").arg(config);
        }
        command
    }

    /// Cargo as [`Tools::cargo`], without network, on the packages that vx offers, and without touching the lock file.
    pub(crate) fn planner<'b>(
        &self,
        subcommand: impl IntoIterator<Item = &'b str>,
        source: &SourceReplacement,
    ) -> Command {
        let mut command = self.cargo(subcommand);
        command.args(["--offline", "--locked"]);
        self.offer(&mut command, source);
        command
    }

    /// Cargo as [`Tools::cargo`], fetching what `source` does not offer yet, without touching the lock file.
    pub(crate) fn fetcher(&self, source: &SourceReplacement) -> Command {
        // `cargo fetch` does not report paths.
        let mut command = self.cargo(METADATA);
        command.arg("--locked");
        self.ask_for_features(&mut command);
        self.offer(&mut command, source);
        if self.context.selection.offline || self.context.selection.frozen {
            command.arg("--offline");
        }
        command
    }

    /// `cargo metadata` as [`Tools::planner`], for every package that the selection could need.
    pub(crate) fn metadata(&self, source: &SourceReplacement) -> Command {
        let mut command = self.planner(METADATA, source);
        self.ask_for_features(&mut command);
        command
    }

    /// Cargo leaves out packages that only a disabled feature needs. Here every member has the user's and its default
    /// features.
    fn ask_for_features(&self, command: &mut Command) {
        let selection = &self.context.selection;
        let features = selection.features.iter();
        command.args(features.map(|features| format!("--features={features}")));
        if selection.all_features {
            command.arg("--all-features");
        }
    }

    fn offer(&self, command: &mut Command, source: &SourceReplacement) {
        for option in &source.options {
            command.arg("--config").arg(option);
        }
        live_in(command, source.cargo_home.as_ref());
        if let Some(manifest) = &self.context.selection.manifest_path {
            command.arg("--manifest-path").arg(manifest);
        }
    }

    /// rustc, in the user's directory and environment.
    pub(crate) fn rustc(&self) -> Command {
        self.program(&self.context.toolchain.rustc)
    }

    fn program(&self, program: &Utf8Path) -> Command {
        let environment = self
            .context
            .environment
            .iter()
            .filter(|(name, _)| !is_set_for_children(name))
            .map(|(name, value)| os_text::variable(name, value));
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(environment)
            .current_dir(&self.context.directory)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// Lets Cargo find what it fetched for vx, if anything.
pub(crate) fn live_in(command: &mut Command, home: Option<&CargoHome>) {
    if let Some(home) = home {
        command
            .env("CARGO_HOME", home.directory())
            // Several checkouts share it: none knows what another one still needs.
            .env("CARGO_CACHE_AUTO_CLEAN_FREQUENCY", "never");
    }
}

/// Lets a Cargo that `command` starts accept unstable options.
pub(crate) fn permit_unstable(mut command: Command) -> Command {
    command
        .env(PERMIT_UNSTABLE.0, PERMIT_UNSTABLE.1)
        .args(["-Z", "unstable-options"]);
    command
}

/// Runs to the end, successful or not.
pub(crate) async fn output(mut command: Command) -> Result<Output, PlanError> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.output().await.map_err(|source| PlanError::Start {
        program: Utf8PathBuf::from(program),
        source,
    })
}

/// Runs Cargo; fails with its message.
pub(crate) async fn run(command: Command) -> Result<Output, PlanError> {
    let output = output(command).await?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(refusal(&output))
    }
}

/// Runs Cargo and parses the JSON that it prints.
pub(crate) async fn answer<T: DeserializeOwned>(command: Command) -> Result<T, PlanError> {
    let shown = shown(&command);
    let output = run(command).await?;
    serde_json::from_slice(&output.stdout).map_err(|error| PlanError::Answer {
        command: shown,
        reason: error.to_string(),
    })
}

/// The command as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let command = command.as_std();
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
