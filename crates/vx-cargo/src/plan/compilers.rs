//! The programs of the toolchain that compile, and the compilers that vx refuses to use.

use camino::{Utf8Path, Utf8PathBuf};
use vx_proto::Goal;

use crate::cargo::config::Config;
use crate::{PlanContext, PlanError};

/// The name of Clippy's compiler.
pub(super) const CLIPPY: &str = "clippy-driver";

/// Another program of the toolchain.
pub(super) fn program_beside(rustc: &Utf8Path, name: &str) -> Utf8PathBuf {
    rustc.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Clippy is an optional component of a toolchain.
pub(super) fn refuse_without_clippy(context: &PlanContext) -> Result<(), PlanError> {
    if context.selection.goal != Goal::Clippy || program_beside(&context.toolchain.rustc, CLIPPY).is_file() {
        return Ok(());
    }
    Err(PlanError::NoClippy {
        toolchain: context.toolchain.name.clone(),
    })
}

/// A compiler that is not the toolchain's, or a wrapper, cannot be identified by content.
pub(super) fn refuse_other_compilers(context: &PlanContext, config: &Config) -> Result<(), PlanError> {
    let keys = [
        ("rustc", "RUSTC", "build.rustc"),
        ("rustc-wrapper", "RUSTC_WRAPPER", "build.rustc-wrapper"),
        (
            "rustc-workspace-wrapper",
            "RUSTC_WORKSPACE_WRAPPER",
            "build.rustc-workspace-wrapper",
        ),
    ];
    for (key, variable, name) in keys {
        let of_environment = context.environment.get(variable).map(|value| (variable, value.clone()));
        let found = of_environment.or_else(|| config.text(&["build", key]).map(|value| (name, value)));
        // An empty value disables a wrapper.
        let Some((name, value)) = found.filter(|(_, value)| !value.is_empty()) else {
            continue;
        };
        if key == "rustc" && (value == "rustc" || value == context.toolchain.rustc) {
            continue;
        }
        return Err(PlanError::Unsupported {
            what: format!("a compiler or wrapper set by `{name}` ({value})"),
            package: None,
            help: Some(format!(
                "unset `{name}`; vx selects the toolchain as rustup does, and caches by itself"
            )),
        });
    }
    Ok(())
}
