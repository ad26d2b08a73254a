//! The part of each unit in link-time optimization. Cargo computes it from the whole graph and leaves it out of the
//! unit graph's JSON.
//!
//! What a library must hold depends on what links it: bitcode for programs that optimize at link time, object code for
//! others, and both if there are both.

use crate::Lto;
use crate::cargo::unit_graph::{GraphUnit, UnitGraph};

/// The part of every unit, by its number in the graph; `None` for units that no compilation needs.
pub(super) fn parts(graph: &UnitGraph) -> Vec<Option<Lto>> {
    let mut parts = vec![None; graph.units.len()];
    for &root in &graph.roots {
        let requested = requested_of_root(&graph.units[root]);
        descend(graph, root, &requested, &mut parts);
    }
    parts
}

/// What the profile of a unit requests.
enum Asked {
    Nothing,
    Off,
    Optimised(Option<String>),
}

fn asked(unit: &GraphUnit) -> Asked {
    match unit.profile.lto.as_str() {
        "false" => Asked::Nothing,
        "off" => Asked::Off,
        "true" => Asked::Optimised(None),
        name => Asked::Optimised(Some(name.to_owned())),
    }
}

/// What a root must hold at least.
fn requested_of_root(unit: &GraphUnit) -> Lto {
    match asked(unit) {
        Asked::Nothing => Lto::OnlyObject,
        Asked::Off => Lto::Off,
        Asked::Optimised(_) if is_for_host(unit) => Lto::OnlyObject,
        Asked::Optimised(_) if needs_object(unit) => with_object(unit),
        Asked::Optimised(_) => Lto::OnlyBitcode,
    }
}

fn descend(graph: &UnitGraph, number: usize, requested: &Lto, parts: &mut [Option<Lto>]) {
    let unit = &graph.units[number];
    let part = part_of(unit, requested);
    let merged = match &parts[number] {
        None => part,
        Some(known) => {
            let merged = merge(part, known);
            if merged == *known {
                return;
            }
            merged
        }
    };
    parts[number] = Some(merged.clone());
    for dependency in &unit.dependencies {
        descend(graph, dependency.index, &merged, parts);
    }
}

fn part_of(unit: &GraphUnit, requested: &Lto) -> Lto {
    // It does not pay off for build scripts and macros.
    if is_for_host(unit) {
        return Lto::OnlyObject;
    }
    let is_test = matches!(unit.mode.as_str(), "test" | "doctest");
    if is_test
        || unit
            .target
            .crate_types
            .iter()
            .all(|crate_type| can_optimise(crate_type))
    {
        return match asked(unit) {
            Asked::Nothing => Lto::OnlyObject,
            Asked::Off => Lto::Off,
            Asked::Optimised(name) => Lto::Run(name),
        };
    }
    match (requested, needs_object(unit)) {
        (Lto::Run(_), false) => Lto::OnlyBitcode,
        (Lto::Run(_) | Lto::OnlyBitcode, true) => with_object(unit),
        (requested, _) => requested.clone(),
    }
}

/// Both requirements together.
fn merge(one: Lto, other: &Lto) -> Lto {
    match (one, other) {
        (Lto::Run(name), _) => Lto::Run(name),
        (_, Lto::Run(name)) => Lto::Run(name.clone()),
        (Lto::Off, _) | (_, Lto::Off) => Lto::Off,
        (Lto::OnlyBitcode, Lto::OnlyBitcode) => Lto::OnlyBitcode,
        (Lto::OnlyObject, Lto::OnlyObject) => Lto::OnlyObject,
        _ => Lto::ObjectAndBitcode,
    }
}

/// Whether a unit of Cargo's runs on the host, whatever the platform: build scripts and proc macros.
fn is_for_host(unit: &GraphUnit) -> bool {
    unit.target
        .kind
        .iter()
        .any(|kind| kind == "custom-build" || kind == "proc-macro")
}

fn needs_object(unit: &GraphUnit) -> bool {
    let is_dynamic = |kind: &str| matches!(kind, "dylib" | "cdylib" | "proc-macro");
    unit.target
        .crate_types
        .iter()
        .any(|crate_type| can_optimise(crate_type) || is_dynamic(crate_type))
}

fn can_optimise(crate_type: &str) -> bool {
    matches!(crate_type, "bin" | "staticlib" | "cdylib")
}

/// A library that must hold object code. rustc cannot optimize Rust's own dynamic libraries at link time, so these need
/// no bitcode.
fn with_object(unit: &GraphUnit) -> Lto {
    match unit.target.crate_types.iter().all(|crate_type| crate_type == "dylib") {
        true => Lto::OnlyObject,
        false => Lto::ObjectAndBitcode,
    }
}
