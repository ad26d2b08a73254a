//! The `[lints]` table of a manifest as rustc's flags. Cargo does not report it, so the manifest is read.

use camino::Utf8Path;
use toml::{Table, Value};

use crate::PlanError;
use crate::workspace::{MANIFEST, parse};

/// The flags for the package whose manifest is `manifest`; `workspace` is where it inherits from.
pub(super) fn flags(
    manifest: &Utf8Path,
    workspace: impl FnOnce() -> Result<camino::Utf8PathBuf, PlanError>,
) -> Result<Vec<String>, PlanError> {
    let text = std::fs::read_to_string(manifest).map_err(|source| PlanError::io(manifest, source))?;
    // Most manifests have none, and parsing hundreds of them takes longer than Cargo needs for the whole plan.
    if !text.contains("lints") {
        return Ok(Vec::new());
    }
    let document: Table = parse(manifest, &text)?;
    let Some(lints) = document.get("lints").and_then(Value::as_table) else {
        return Ok(Vec::new());
    };
    if lints.get("workspace").and_then(Value::as_bool) != Some(true) {
        return Ok(flags_of(lints));
    }
    let manifest = workspace()?.join(MANIFEST);
    let text = std::fs::read_to_string(&manifest).map_err(|source| PlanError::io(&manifest, source))?;
    let document: Table = parse(&manifest, &text)?;
    let inherited = document
        .get("workspace")
        .and_then(|workspace| workspace.get("lints")?.as_table());
    Ok(inherited.map(flags_of).unwrap_or_default())
}

/// A lint with what decides its position among the flags: a later flag wins.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flag<'a> {
    priority: i64,
    /// Backwards: groups such as `all` come late if priorities are equal.
    name: std::cmp::Reverse<&'a str>,
    flag: String,
}

fn flags_of(lints: &Table) -> Vec<String> {
    let tools = lints.iter().filter(|(tool, _)| *tool != "cargo");
    let tools = tools.filter_map(|(tool, lints)| Some((tool.as_str(), lints.as_table()?)));
    let each = tools.flat_map(|(tool, lints)| lints.iter().map(move |(name, lint)| (tool, name.as_str(), lint)));
    let mut flags: Vec<Flag<'_>> = each.filter_map(|(tool, name, lint)| flag(tool, name, lint)).collect();
    flags.sort();
    let mut flags: Vec<String> = flags.into_iter().map(|flag| flag.flag).collect();
    for expected in expected_cfgs(lints) {
        flags.extend(["--check-cfg".to_owned(), expected]);
    }
    flags
}

fn flag<'a>(tool: &str, name: &'a str, lint: &Value) -> Option<Flag<'a>> {
    let level = lint.get("level").unwrap_or(lint).as_str()?;
    let full_name = match tool {
        "rust" => name.to_owned(),
        tool => format!("{tool}::{name}"),
    };
    Some(Flag {
        priority: lint.get("priority").and_then(Value::as_integer).unwrap_or(0),
        name: std::cmp::Reverse(name),
        flag: format!("--{level}={full_name}"),
    })
}

/// `lints.rust.unexpected_cfgs.check-cfg`.
fn expected_cfgs(lints: &Table) -> impl Iterator<Item = String> {
    let expected = lints
        .get("rust")
        .and_then(|rust| rust.get("unexpected_cfgs")?.get("check-cfg")?.as_array());
    expected
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_decide_the_order() {
        let lints = toml::from_str(
            r#"
            [rust]
            unsafe_code = "forbid"
            unexpected_cfgs = { level = "warn", check-cfg = ["cfg(fuzzing)", 'cfg(x, values("y"))'] }
            unused = { level = "deny", priority = -1 }
            [clippy]
            all = "warn"
            dbg_macro = "deny"
            [cargo]
            anything = "warn"
            "#,
        );
        let expected = [
            "--deny=unused",
            "--forbid=unsafe_code",
            "--warn=unexpected_cfgs",
            "--deny=clippy::dbg_macro",
            "--warn=clippy::all",
            "--check-cfg",
            "cfg(fuzzing)",
            "--check-cfg",
            "cfg(x, values(\"y\"))",
        ];
        assert_eq!(flags_of(&lints.unwrap()), expected);
    }
}
