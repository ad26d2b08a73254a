//! `rustc` and `cargo` on `PATH`, if nothing requests one of rustup's toolchains.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Found, ToolchainError};

/// The programs on `PATH`. rustup's proxies are skipped: they are not compilers, and would choose again.
pub(super) fn find(environment: &BTreeMap<String, String>) -> Result<Found, ToolchainError> {
    Ok(Found {
        name: "rustc on PATH".to_owned(),
        rustc: find_program("rustc", environment)?,
        cargo: find_program("cargo", environment)?,
        directory: None,
    })
}

fn find_program(program: &'static str, environment: &BTreeMap<String, String>) -> Result<Utf8PathBuf, ToolchainError> {
    let mut proxy = None;
    let path = environment.get("PATH").map_or("", String::as_str);
    for directory in std::env::split_paths(path) {
        let Ok(directory) = Utf8PathBuf::try_from(directory) else {
            continue;
        };
        let candidate = directory.join(format!("{program}{}", std::env::consts::EXE_SUFFIX));
        // A relative entry would mean another program in each directory.
        let Ok(resolved) = candidate.canonicalize_utf8() else {
            continue;
        };
        if !directory.is_absolute() || !is_executable(&resolved) {
            continue;
        }
        if !is_rustup_proxy(&directory, &resolved) {
            return Ok(resolved);
        }
        proxy.get_or_insert(candidate);
    }
    Err(ToolchainError::NothingOnPath { program, proxy })
}

/// Proxies are links, symbolic or hard, to the rustup beside them.
fn is_rustup_proxy(directory: &Utf8Path, resolved: &Utf8Path) -> bool {
    if matches!(resolved.file_stem(), Some("rustup" | "rustup-init")) {
        return true;
    }
    let rustup = directory.join(format!("rustup{}", std::env::consts::EXE_SUFFIX));
    is_same_file(&rustup, resolved)
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        fn is_executable(path: &Utf8Path) -> bool {
            use std::os::unix::fs::PermissionsExt as _;
            path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        }

        fn is_same_file(one: &Utf8Path, other: &Utf8Path) -> bool {
            use std::os::unix::fs::MetadataExt as _;
            let identity = |path: &Utf8Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
            identity(one).is_some_and(|one| Some(one) == identity(other))
        }
    } else {
        fn is_executable(path: &Utf8Path) -> bool {
            path.is_file()
        }

        /// Copies of one program have the same length; without file identities that must suffice.
        fn is_same_file(one: &Utf8Path, other: &Utf8Path) -> bool {
            let length = |path: &Utf8Path| path.metadata().ok().map(|metadata| metadata.len());
            length(one).is_some_and(|one| Some(one) == length(other))
        }
    }
}
