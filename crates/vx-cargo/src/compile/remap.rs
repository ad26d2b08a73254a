//! `--remap-path-prefix`: fixed names for directories, so that two checkouts and two homes produce the same bytes.
//!
//! The names follow Cargo's trim-paths: a package of a registry is `NAME-VERSION`, and one of git is in
//! `NAME-HASH/COMMIT`. The workspace is the compiler's working directory, and the standard library is where rustc says
//! it is.

use vx_model::{Part, Root, RootedPath, Template};

use crate::plan::{PackageSource, PlannedUnit};

/// The name of output directories of build scripts.
const OUT_DIRS: &str = "/vx/out";
/// The name of exec roots.
const EXEC: &str = "/vx/exec";

/// The arguments, in an order in which the later and more specific ones win.
pub(super) fn arguments(planned: PlannedUnit<'_>) -> Vec<Template> {
    let PlannedUnit { plan, package, .. } = planned;
    let mut remaps = vec![remap(RootedPath::new(Root::Workspace, ""), ".")];
    match &package.source {
        PackageSource::Registry { .. } => {
            remaps.push(remap(
                package.root.clone(),
                &format!("{}-{}", package.name, package.version),
            ));
        }
        PackageSource::Git { checkout, name, .. } => remaps.push(remap(checkout.clone(), name)),
        // A package beside the workspace is named by the relative path to it: it is the same in another checkout, and
        // an editor that is open in the workspace finds the file.
        PackageSource::Path { .. } if package.root.path.starts_with("../") || package.root.path == ".." => {
            remaps.push(remap(package.root.clone(), &package.root.path));
        }
        PackageSource::Path { .. } => {}
    }
    remaps.push(remap(
        RootedPath::new(Root::Toolchain, "lib/rustlib/src/rust"),
        &plan.toolchain.virtual_sources,
    ));
    remaps.push(remap(RootedPath::new(Root::VxHome, "out"), OUT_DIRS));
    remaps.push(remap(RootedPath::new(Root::Exec, ""), EXEC));
    remaps
}

fn remap(path: RootedPath, name: &str) -> Template {
    Template {
        parts: vec![Part::Text("--remap-path-prefix=".to_owned()), Part::Path(path)],
    }
    .text(format!("={name}"))
}
