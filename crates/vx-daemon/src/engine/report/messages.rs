//! Cargo's JSON messages, as `cargo build --message-format json` writes them.

use serde_json::{Value, json};
use vx_cargo::{PlannedUnit, ScriptOutput, Target};
use vx_model::Roots;

use super::diagnostics::MessageFrame;

/// The unit in messages about it.
pub(crate) fn frame(planned: PlannedUnit<'_>, roots: &Roots) -> MessageFrame {
    let package = planned.package;
    MessageFrame {
        package_id: package.id.render(roots),
        manifest_path: roots.absolute(&package.root.join("Cargo.toml")),
        target: target(&planned.unit.target, roots),
        keeps_colors: false,
    }
}

fn target(target: &Target, roots: &Roots) -> Value {
    json!({
        "kind": target.kind,
        "crate_types": target.crate_types,
        "name": target.name,
        "src_path": roots.absolute(&target.source),
        "edition": target.edition,
        "doc": target.doc,
        "doctest": target.doctest,
        "test": target.test,
    })
}

/// `compiler-artifact`: the outputs of a unit, by final path if they have one.
pub(crate) fn artifact(
    planned: PlannedUnit<'_>,
    roots: &Roots,
    files: &[&str],
    executable: Option<&str>,
    fresh: bool,
) -> String {
    let frame = frame(planned, roots);
    json!({
        "reason": "compiler-artifact",
        "package_id": frame.package_id,
        "manifest_path": frame.manifest_path,
        "target": frame.target,
        "profile": planned.unit.profile_json(),
        "features": planned.unit.features,
        "filenames": files,
        "executable": executable,
        "fresh": fresh,
    })
    .to_string()
}

/// `build-script-executed`: the output of a build script.
pub(crate) fn script_executed(planned: PlannedUnit<'_>, output: &ScriptOutput, roots: &Roots) -> String {
    let said = output.for_message(roots);
    json!({
        "reason": "build-script-executed",
        "package_id": planned.package.id.render(roots),
        "linked_libs": said.linked_libs,
        "linked_paths": said.linked_paths,
        "cfgs": said.cfgs,
        "env": said.env,
        "out_dir": said.out_dir,
    })
    .to_string()
}

/// `build-finished`: the last message.
pub(crate) fn build_finished(success: bool) -> String {
    json!({ "reason": "build-finished", "success": success }).to_string()
}
