//! The requested profile: its name, its family, and Cargo's description of it.

use std::collections::BTreeSet;

use camino::Utf8Path;
use vx_proto::Goal;

use super::types::Plan;
use crate::cargo::config::Config;
use crate::workspace::{MANIFEST, parse};
use crate::{PlanContext, PlanError, Profile};

/// Its name.
pub(super) fn requested(context: &PlanContext) -> String {
    let of_goal = match context.selection.goal {
        Goal::Test => "test",
        Goal::Bench => "bench",
        Goal::Build | Goal::Run | Goal::Check | Goal::Clippy | Goal::Rustc | Goal::Doc | Goal::Fetch => "dev",
    };
    context.selection.profile.clone().unwrap_or_else(|| of_goal.to_owned())
}

/// Whether the requested profile descends from `release`.
pub(super) fn is_release(context: &PlanContext, workspace: &Utf8Path, config: &Config) -> Result<bool, PlanError> {
    let manifest = workspace.join(MANIFEST);
    let text = std::fs::read_to_string(&manifest).map_err(|source| PlanError::io(&manifest, source))?;
    let document: toml::Table = parse(&manifest, &text)?;
    let mut name = requested(context);
    let mut seen = BTreeSet::new();
    // Cargo has refused circles before.
    while seen.insert(name.clone()) {
        match name.as_str() {
            "release" | "bench" => return Ok(true),
            "dev" | "test" => return Ok(false),
            _ => {}
        }
        let in_manifest = || {
            Some(
                document
                    .get("profile")?
                    .get(&name)?
                    .get("inherits")?
                    .as_str()?
                    .to_owned(),
            )
        };
        match config.text(&["profile", &name, "inherits"]).or_else(in_manifest) {
            Some(parent) => name = parent,
            None => break,
        }
    }
    Ok(false)
}

/// Cargo's description of the requested profile.
pub(super) fn description(plan: &Plan, name: &str) -> String {
    let roots = plan.roots.iter().map(|root| &plan.units[*root]);
    let mut roots = roots
        .filter(|unit| !unit.is_for_host())
        .chain(plan.roots.iter().map(|root| &plan.units[*root]));
    let properties = roots
        .next()
        .map(|unit| properties(&unit.settings.profile))
        .unwrap_or_default();
    format!("`{name}` profile [{properties}]")
}

fn properties(profile: &Profile) -> String {
    let optimised = if profile.opt_level == "0" {
        "unoptimized"
    } else {
        "optimized"
    };
    match profile.debuginfo.is_on() {
        true => format!("{optimised} + debuginfo"),
        false => optimised.to_owned(),
    }
}
