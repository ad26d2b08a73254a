//! Cargo's unit graph (`cargo build --unit-graph`): the JSON, as it is.

use serde::Deserialize;
use vx_proto::Selection;

use super::cargo::{self, Tools};
use crate::{PlanError, Profile, SourceReplacement};

/// The version of the format that is understood here.
const VERSION: u32 = 1;

/// The graph as Cargo tells it.
#[derive(Debug, Deserialize)]
pub(super) struct UnitGraph {
    version: u32,
    pub(super) units: Vec<GraphUnit>,
    pub(super) roots: Vec<usize>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphUnit {
    pub(super) pkg_id: String,
    pub(super) target: GraphTarget,
    pub(super) profile: Profile,
    pub(super) platform: Option<String>,
    pub(super) mode: String,
    pub(super) features: Vec<String>,
    #[serde(default)]
    pub(super) is_std: bool,
    pub(super) dependencies: Vec<GraphDependency>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphTarget {
    pub(super) kind: Vec<String>,
    pub(super) crate_types: Vec<String>,
    pub(super) name: String,
    pub(super) src_path: String,
    pub(super) edition: String,
    pub(super) doc: bool,
    pub(super) doctest: bool,
    pub(super) test: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphDependency {
    pub(super) index: usize,
    pub(super) extern_crate_name: String,
    #[serde(default)]
    pub(super) public: bool,
    #[serde(default)]
    pub(super) noprelude: bool,
}

/// The graph, and what Cargo wrote to standard error.
pub(super) async fn ask(
    tools: Tools<'_>,
    selection: &Selection,
    source: &SourceReplacement,
) -> Result<(UnitGraph, String), PlanError> {
    let subcommand = if selection.run { "run" } else { "build" };
    let mut command = tools.planner([subcommand, "--unit-graph"], source);
    command.args(arguments(selection));
    let command = cargo::permit_unstable(command);
    let shown = cargo::shown(&command);
    let output = cargo::output(command).await?;
    let graph: Result<UnitGraph, _> = serde_json::from_slice(&output.stdout);
    let stderr = match output.status.success() {
        true => String::from_utf8_lossy(&output.stderr).into_owned(),
        // `cargo run` has checked everything when it prints the graph, and then falls over for want of a program to run.
        false if selection.run && graph.is_ok() => String::new(),
        false => return Err(cargo::refusal(&output)),
    };
    let graph = graph.map_err(|error| PlanError::Answer {
        command: shown.clone(),
        reason: error.to_string(),
    })?;
    if graph.version != VERSION {
        let reason = format!("the unit graph has version {}, not {VERSION}", graph.version);
        return Err(PlanError::Answer { command: shown, reason });
    }
    Ok((graph, stderr))
}

/// The selection as Cargo's flags, but for those that every process of a plan gets.
fn arguments(selection: &Selection) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut each = |flag: &str, values: &[String]| {
        for value in values {
            // Joined, so that no value is taken for a flag.
            arguments.push(format!("{flag}={value}"));
        }
    };
    each("--package", &selection.packages);
    each("--exclude", &selection.exclude);
    each("--bin", &selection.bin);
    each("--example", &selection.example);
    each("--features", &selection.features);
    each("--profile", selection.profile.as_slice());
    each("--target", &selection.target);
    let switches = [
        ("--workspace", selection.workspace),
        ("--lib", selection.lib),
        ("--bins", selection.bins),
        ("--examples", selection.examples),
        ("--all-features", selection.all_features),
        ("--no-default-features", selection.no_default_features),
    ];
    arguments.extend(
        switches
            .iter()
            .filter(|(_, set)| *set)
            .map(|(flag, _)| (*flag).to_owned()),
    );
    arguments
}
