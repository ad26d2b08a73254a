//! Which environment variables may influence a plan.

use std::collections::BTreeMap;

/// Variables that Cargo, or the rustc that it runs, reads while planning. `*` ends a family.
const READ: &[&str] = &[
    "CARGO_*",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC",
    "RUSTC_*",
    "RUSTDOC",
    "RUST_TARGET_PATH",
    // Where Cargo looks for its configuration.
    "HOME",
    "USERPROFILE",
];

/// Variables of these families that Cargo sets for its children and does not read. They are present if Cargo itself
/// started vx, and must not change the plan of a project.
const SET_FOR_CHILDREN: &[&str] = &[
    "CARGO_PKG_*",
    "CARGO_MANIFEST_*",
    "CARGO_CRATE_NAME",
    "CARGO_BIN_*",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "CARGO_RUSTC_CURRENT_DIR",
    "CARGO_CFG_*",
    "CARGO_FEATURE_*",
    "CARGO_MAKEFLAGS",
    // Cosmetic.
    "CARGO_TERM_*",
    "RUSTC_LOG",
    "RUSTC_COLOR",
];

/// The part of the user's environment that may influence a plan. It is part of the plan's key, so a variable that
/// appears, changes or disappears leads to another plan. Variables that override `[env]` tables are in
/// [`Plan::inputs`](crate::Plan::inputs).
pub fn plan_environment(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    environment
        .iter()
        .filter(|(name, _)| matches_any(name, READ) && !matches_any(name, SET_FOR_CHILDREN) && !is_of_login(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Whether the variable holds credentials for a registry: these do not influence a plan, and are secret.
fn is_of_login(name: &str) -> bool {
    let ends = ["_TOKEN", "_SECRET_KEY", "_CREDENTIAL_PROVIDER"];
    name.starts_with("CARGO_REGISTR") && ends.iter().any(|end| name.ends_with(end))
}

/// Whether Cargo sets this variable for its children.
pub(crate) fn is_set_for_children(name: &str) -> bool {
    name == "CARGO" || matches_any(name, SET_FOR_CHILDREN)
}

/// Whether a name is one of `patterns`, of which `*` ends a family.
pub fn matches_any(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_reads_counts_and_what_it_sets_does_not() {
        let names = [
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_HOME",
            "CARGO_NEW_AND_UNKNOWN",
            "CARGO_PKG_NAME",
            "CARGO_PROFILE_DEV_DEBUG",
            "CARGO_REGISTRIES_OURS_INDEX",
            "CARGO_REGISTRIES_OURS_TOKEN",
            "CARGO_REGISTRY_TOKEN",
            "EDITOR",
            "RUSTC_BOOTSTRAP",
            "RUSTC_LOG",
            "RUSTFLAGS",
        ];
        let environment = names.map(|name| (name.to_owned(), "1".to_owned())).into();
        let counted: Vec<String> = plan_environment(&environment).into_keys().collect();
        let expected = [
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_HOME",
            "CARGO_NEW_AND_UNKNOWN",
            "CARGO_PROFILE_DEV_DEBUG",
            "CARGO_REGISTRIES_OURS_INDEX",
            "RUSTC_BOOTSTRAP",
            "RUSTFLAGS",
        ];
        assert_eq!(counted, expected);
    }
}
