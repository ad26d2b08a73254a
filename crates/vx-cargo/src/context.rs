//! What a plan is requested for: the user's directory, environment, toolchain and selection.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use vx_home::VxHome;
use vx_model::{Root, Roots};
use vx_proto::Selection;
use vx_toolchain::Toolchain;

/// A request for a plan, in absolute paths of this machine.
#[derive(Debug, Clone)]
pub struct PlanContext {
    /// The directory that the user is in.
    pub directory: Utf8PathBuf,
    /// The user's environment.
    pub environment: BTreeMap<String, String>,
    /// Where vx keeps things.
    pub home: VxHome,
    /// The toolchain to plan for.
    pub toolchain: Toolchain,
    /// What the user asked for.
    pub selection: Selection,
}

impl PlanContext {
    /// The roots of paths for a project whose workspace is at `workspace`.
    pub fn roots(&self, workspace: &Utf8Path) -> Roots {
        Roots::default()
            .with(Root::Workspace, workspace.as_str())
            .with(Root::VxHome, self.home.root().as_str())
            .with(Root::Toolchain, self.toolchain.sysroot.as_str())
            .with_user_home(self.environment.get("HOME").map(String::as_str))
    }
}
