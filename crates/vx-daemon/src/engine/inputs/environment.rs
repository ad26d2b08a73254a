//! Which environment variables reach a process, and which of them are in its key.
//!
//! rustc gets the user's environment and reports what `env!` read. Build scripts and proc macros do not report reads. A
//! variable counts for them only if their binary holds its name, or if it belongs to a family whose names are composed
//! at run time or read by the tools that they start.

use std::collections::BTreeMap;

use vx_cargo::matches_any;
use vx_model::{Roots, Template};

/// An environment by name.
pub(crate) type Environment = BTreeMap<String, String>;

/// Set by each shell for itself; they do not reach any process.
pub(crate) const NEVER_PASSED: &[&str] = &["_", "SHLVL", "OLDPWD", "PWD"];

/// Variables that rustc or the linkers it starts read without reporting it. `*` ends a family.
const READ_BY_RUSTC: &[&str] = &[
    "RUSTC_*",
    "RUST_TARGET_PATH",
    "RUST_MIN_STACK",
    "LD_*",
    "DYLD_*",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "GCC_EXEC_PREFIX",
    "LPATH",
    "SDKROOT",
    "MACOSX_DEPLOYMENT_TARGET",
    "SOURCE_DATE_EPOCH",
    "ZERO_AR_DATE",
];

/// Variables whose names build scripts compose, or that the tools they start read. `*` ends a family.
const READ_BY_TOOLS_OF_SCRIPTS: &[&str] = &[
    "PATH",
    "HOME",
    "CC*",
    "CXX*",
    "AR",
    "AR_*",
    "ARFLAGS*",
    "AS",
    "ASFLAGS*",
    "NM*",
    "RANLIB*",
    "LD*",
    "CFLAGS*",
    "CXXFLAGS*",
    "CPPFLAGS*",
    "HOST_*",
    "TARGET_*",
    "CRATE_CC_*",
    "PKG_CONFIG*",
    "CMAKE*",
    "MAKE",
    "NINJA*",
    "PROTOC*",
    "BINDGEN_*",
    "LIBCLANG_*",
    "LLVM_*",
    "CLANG*",
    "OPENSSL*",
    "SSL_CERT_*",
    "GIT_*",
    "PYTHON*",
    "RUSTC_*",
    "SDKROOT",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "SOURCE_DATE_EPOCH",
    "LANG",
    "LC_*",
];

cfg_if::cfg_if! {
    if #[cfg(target_os = "macos")] {
        pub(crate) const LIBRARY_PATH: &str = "DYLD_FALLBACK_LIBRARY_PATH";
    } else {
        pub(crate) const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
    }
}

/// Whether rustc or a linker reads `name` without reporting it.
pub(crate) fn is_read_by_rustc(name: &str) -> bool {
    matches_any(name, READ_BY_RUSTC)
}

/// Whether `name` reaches every build script.
pub(crate) fn reaches_every_script(name: &str) -> bool {
    matches_any(name, READ_BY_TOOLS_OF_SCRIPTS)
}

/// The user's environment without variables that are never passed.
pub(crate) fn passed(user: &Environment) -> Environment {
    user.iter()
        .filter(|(name, _)| !NEVER_PASSED.contains(&name.as_str()) && !is_private(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Variables of vx itself, and the jobserver of its parent, which is replaced.
fn is_private(name: &str) -> bool {
    vx_home::env::ALL.contains(&name) || matches!(name, "MAKEFLAGS" | "MFLAGS" | "CARGO_MAKEFLAGS")
}

/// The user's environment with paths named by role.
pub(crate) fn templates(environment: &Environment, roots: &Roots) -> BTreeMap<String, Template> {
    let template = |(name, value): (&String, &String)| (name.clone(), Template::from_text(value, roots));
    environment.iter().map(template).collect()
}

/// The library search path: `directories`, then the user's. `None` without directories.
pub(crate) fn library_path(directories: &[Template], user: Option<&Template>) -> Option<Template> {
    let user = user.filter(|user| !user.parts.is_empty());
    let mut whole = directories.first()?.clone();
    for directory in directories.iter().skip(1).chain(user) {
        whole = whole.text(":").then(directory.clone());
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_match_by_prefix_and_names_exactly() {
        assert!(is_read_by_rustc("RUSTC_BOOTSTRAP"));
        assert!(is_read_by_rustc("LD_LIBRARY_PATH"));
        assert!(!is_read_by_rustc("RUSTFLAGS"));
        assert!(reaches_every_script("CC_x86_64-unknown-linux-gnu"));
        assert!(reaches_every_script("PATH"));
        assert!(!reaches_every_script("PATHS"));
        assert!(!reaches_every_script("EDITOR"));
    }

    #[test]
    fn shells_and_vx_keep_their_variables() {
        let user = [("SHLVL", "2"), ("VX_HOME", "/h"), ("MAKEFLAGS", "-j"), ("EDITOR", "vi")];
        let user = user.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(passed(&user).into_keys().collect::<Vec<_>>(), ["EDITOR"]);
    }
}
