//! Which targets have a `main` of their own for their tests (`harness = false`). Cargo does not report it, so the
//! manifest is read.

use camino::Utf8Path;
use toml::{Table, Value};

use crate::PlanError;
use crate::cargo::unit_graph::GraphTarget;
use crate::workspace::parse;

/// Whether rustc's harness runs the tests of `target`, which the manifest at `manifest` declares or Cargo discovers.
pub(super) fn is_used(manifest: &Utf8Path, target: &GraphTarget) -> Result<bool, PlanError> {
    let text = std::fs::read_to_string(manifest).map_err(|source| PlanError::io(manifest, source))?;
    if !text.contains("harness") {
        return Ok(true);
    }
    let document: Table = parse(manifest, &text)?;
    Ok(declared(&document, target).unwrap_or(true))
}

fn declared(document: &Table, target: &GraphTarget) -> Option<bool> {
    let mut kinds = target.kind.iter().map(String::as_str);
    let kind = kinds.find(|kind| matches!(*kind, "bin" | "example" | "test" | "bench"));
    let table = match kind {
        Some(kind) => document
            .get(kind)?
            .as_array()?
            .iter()
            .find(|table| table.get("name").and_then(Value::as_str) == Some(&target.name))?,
        None => document.get("lib")?,
    };
    table.get("harness")?.as_bool()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harness(kind: &str, name: &str) -> Option<bool> {
        let document = toml::from_str(
            r#"
            [lib]
            harness = false
            [[test]]
            name = "own"
            harness = false
            [[test]]
            name = "usual"
            [[bench]]
            name = "usual"
            harness = true
            "#,
        );
        let target = GraphTarget {
            kind: vec![kind.to_owned()],
            crate_types: Vec::new(),
            name: name.to_owned(),
            src_path: String::new(),
            edition: String::new(),
            doc: false,
            doctest: false,
            test: true,
        };
        declared(&document.unwrap(), &target)
    }

    #[test]
    fn targets_are_found_by_kind_and_name() {
        assert_eq!(harness("rlib", "any"), Some(false));
        assert_eq!(harness("test", "own"), Some(false));
        assert_eq!(harness("test", "usual"), None);
        assert_eq!(harness("test", "found-by-cargo"), None);
        assert_eq!(harness("bench", "usual"), Some(true));
        assert_eq!(harness("bin", "own"), None);
    }
}
