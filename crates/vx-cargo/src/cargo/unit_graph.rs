//! Cargo's unit graph (`cargo build --unit-graph`): the JSON, unchanged.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use vx_proto::{Goal, Selection};

use super::refusal::refusal;
use super::tools::{self, Tools};
use crate::{PlanError, Profile, SourceReplacement};

/// The supported version of the format.
const VERSION: u32 = 1;

/// The graph as Cargo prints it.
#[derive(Debug, Deserialize)]
pub(crate) struct UnitGraph {
    version: u32,
    pub(crate) units: Vec<GraphUnit>,
    pub(crate) roots: Vec<usize>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GraphUnit {
    pub(crate) pkg_id: String,
    pub(crate) target: GraphTarget,
    pub(crate) profile: Profile,
    pub(crate) platform: Option<String>,
    pub(crate) mode: String,
    /// Whether the tests of the target are checked too; Cargo does not report it.
    #[serde(skip)]
    pub(crate) checks_tests: bool,
    pub(crate) features: Vec<String>,
    #[serde(default)]
    pub(crate) is_std: bool,
    pub(crate) dependencies: Vec<GraphDependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GraphTarget {
    pub(crate) kind: Vec<String>,
    pub(crate) crate_types: Vec<String>,
    pub(crate) name: String,
    pub(crate) src_path: String,
    pub(crate) edition: String,
    pub(crate) doc: bool,
    pub(crate) doctest: bool,
    pub(crate) test: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GraphDependency {
    pub(crate) index: usize,
    pub(crate) extern_crate_name: String,
    #[serde(default)]
    pub(crate) public: bool,
    #[serde(default)]
    pub(crate) noprelude: bool,
}

/// The graph, and what Cargo wrote to standard error.
pub(crate) async fn ask(
    tools: Tools<'_>,
    selection: &Selection,
    source: &SourceReplacement,
) -> Result<(UnitGraph, String), PlanError> {
    let answer = ask_for(selection.goal, tools, selection, source);
    if !may_check_tests(selection) {
        return answer.await;
    }
    let of_build = ask_for(Goal::Build, tools, selection, source);
    let ((mut graph, stderr), (built, _)) = tokio::try_join!(answer, of_build)?;
    graph.tell_tests(&built);
    Ok((graph, stderr))
}

/// Whether Cargo may check targets with their tests, which the graph does not distinguish from those without.
fn may_check_tests(selection: &Selection) -> bool {
    let named = !selection.test.is_empty() || !selection.bench.is_empty();
    let asked_for = named || selection.tests || selection.benches || selection.all_targets;
    matches!(selection.goal, Goal::Check | Goal::Clippy) && asked_for
}

async fn ask_for(
    goal: Goal,
    tools: Tools<'_>,
    selection: &Selection,
    source: &SourceReplacement,
) -> Result<(UnitGraph, String), PlanError> {
    let subcommand = match goal {
        // A fetch is planned as a build.
        Goal::Build | Goal::Fetch => "build",
        Goal::Run => "run",
        Goal::Check | Goal::Clippy => "check",
        Goal::Rustc => "rustc",
        Goal::Doc => "doc",
        Goal::Test => "test",
        Goal::Bench => "bench",
    };
    let mut command = tools::permit_unstable(tools.planner([subcommand, "--unit-graph"], source));
    command.args(arguments(selection));
    let shown = tools::shown(&command);
    let output = tools::output(command).await?;
    let graph: Result<UnitGraph, _> = serde_json::from_slice(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stderr = match output.status.success() {
        true => stderr.into_owned(),
        // `cargo run` has checked everything when it prints the graph, and then fails because there is no program to
        // run.
        false if goal == Goal::Run && graph.is_ok() => {
            let before_its_fall = stderr.split("\nthread '").next();
            before_its_fall.unwrap_or_default().to_owned()
        }
        false => return Err(refusal(&output)),
    };
    let mut graph = graph.map_err(|error| PlanError::Answer {
        command: shown.clone(),
        reason: error.to_string(),
    })?;
    if graph.version != VERSION {
        let reason = format!("the unit graph has version {}, not {VERSION}", graph.version);
        return Err(PlanError::Answer { command: shown, reason });
    }
    if matches!(goal, Goal::Check | Goal::Clippy) && selection.profile.as_deref() == Some("test") {
        graph.roots_are_tests();
    }
    Ok((graph, stderr))
}

/// What distinguishes the units of a check from one another, except for the tests in them.
type CheckedTarget<'a> = (&'a str, &'a str, &'a [String], Option<&'a str>);

impl GraphUnit {
    fn checked_target(&self) -> CheckedTarget<'_> {
        (
            &self.pkg_id,
            &self.target.name,
            &self.target.kind,
            self.platform.as_deref(),
        )
    }
}

impl UnitGraph {
    /// For historical reasons, `cargo check --profile test` checks all targets with their tests.
    fn roots_are_tests(&mut self) {
        for root in &self.roots {
            self.units[*root].checks_tests = self.units[*root].mode == "check";
        }
    }

    /// Finds out which units are checked with their tests: those that `built`, the graph of the same selection for
    /// `cargo build`, compiles with them.
    fn tell_tests(&mut self, built: &UnitGraph) {
        let tested: BTreeSet<CheckedTarget<'_>> = built
            .roots
            .iter()
            .map(|root| &built.units[*root])
            .filter(|unit| unit.mode == "test")
            .map(GraphUnit::checked_target)
            .collect();
        let needed: BTreeSet<usize> = self
            .units
            .iter()
            .flat_map(|unit| unit.dependencies.iter().map(|dependency| dependency.index))
            .collect();
        let mut tests: BTreeMap<CheckedTarget<'_>, usize> = BTreeMap::new();
        for &root in &self.roots {
            let unit = &self.units[root];
            let target = unit.checked_target();
            // Nothing depends on tests.
            if unit.mode != "check" || needed.contains(&root) || !tested.contains(&target) {
                continue;
            }
            // Cargo sorts the units of one target: those with tests last, unless their profiles differ. They can differ
            // in only one way: a test always unwinds.
            let rank = |number: usize| (self.units[number].profile.panic == "unwind", number);
            let last = tests.entry(target).or_insert(root);
            if rank(root) > rank(*last) {
                *last = root;
            }
        }
        let tests: Vec<usize> = tests.into_values().collect();
        for test in tests {
            self.units[test].checks_tests = true;
        }
    }
}

/// The selection as Cargo's flags, without those that every process of a plan gets.
fn arguments(selection: &Selection) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut each = |flag: &str, values: &[String]| {
        for value in values {
            // Joined, so that no value is mistaken for a flag.
            arguments.push(format!("{flag}={value}"));
        }
    };
    each("--package", &selection.packages);
    each("--exclude", &selection.exclude);
    each("--bin", &selection.bin);
    each("--example", &selection.example);
    each("--test", &selection.test);
    each("--bench", &selection.bench);
    each("--features", &selection.features);
    each("--profile", selection.profile.as_slice());
    each("--target", &selection.target);
    each("--crate-type", &selection.crate_types);
    let switches = [
        ("--workspace", selection.workspace),
        ("--lib", selection.lib),
        ("--bins", selection.bins),
        ("--examples", selection.examples),
        ("--tests", selection.tests),
        ("--benches", selection.benches),
        ("--all-targets", selection.all_targets),
        ("--doc", selection.doc),
        ("--no-deps", selection.no_deps),
        ("--all-features", selection.all_features),
        ("--no-default-features", selection.no_default_features),
        ("--ignore-rust-version", selection.ignore_rust_version),
    ];
    arguments.extend(
        switches
            .iter()
            .filter(|(_, set)| *set)
            .map(|(flag, _)| (*flag).to_owned()),
    );
    if selection.by_name {
        // Cargo only checks whether there is one.
        arguments.push("name".to_owned());
    }
    if selection.goal == Goal::Rustc && !selection.extra_args.is_empty() {
        // They are not in the graph, but Cargo checks that they are for one target.
        arguments.push("--".to_owned());
        arguments.extend(selection.extra_args.iter().cloned());
    }
    arguments
}
