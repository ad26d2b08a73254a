//! `OUT_DIR` and what is around it: each run of a build script has a target directory of its own, laid out as Cargo's.
//! Scripts find the directory of the profile, or `target` itself, upwards from `OUT_DIR`, and leave files there.

use vx_model::{Root, RootedPath};

use crate::plan::{PlannedUnit, of_platform};
use crate::run_script::ScriptRun;
use crate::script_output::ScriptOutput;
use crate::uplift::EXAMPLES;

/// The default name of Cargo's target directory.
const TARGET: &str = "target";
/// The directory of build script runs, below the directory of the profile.
const RUNS: &str = "build";

/// Files that a build script has put beside its `OUT_DIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftByScript {
    /// The directory of the profile, as the script saw it.
    pub from: RootedPath,
    /// The directory of the profile in the workspace, where the files belong.
    pub to: RootedPath,
    /// A directory in `from` that is not for the user.
    pub except: &'static str,
}

impl ScriptRun<'_> {
    /// The directories that the script finds when it starts, `OUT_DIR` first.
    pub fn directories(&self) -> Vec<RootedPath> {
        let profile = self.profile_directory();
        let others = ["deps", EXAMPLES].map(|name| profile.join(name));
        [self.out_dir()].into_iter().chain(others).collect()
    }

    /// `OUT_DIR` while the script runs.
    pub(crate) fn out_dir(&self) -> RootedPath {
        let PlannedUnit { unit, package, .. } = self.planned;
        let below = format!("{RUNS}/{}-{}/out", package.name, unit.identity);
        self.profile_directory().join(&below)
    }

    /// Where the script, which printed `output`, may have left files for the user.
    pub fn left_files(&self, output: &ScriptOutput) -> Option<LeftByScript> {
        let base = output.out_dir.path.strip_suffix(&self.out_dir().path)?;
        let profile = self.profile_directory().path;
        Some(LeftByScript {
            from: RootedPath::new(output.out_dir.root, format!("{base}{profile}")),
            to: RootedPath::new(Root::Workspace, self.planned.output_directory()),
            except: RUNS,
        })
    }

    fn profile_directory(&self) -> RootedPath {
        let PlannedUnit { plan, unit, .. } = self.planned;
        let below = of_platform(&plan.profile_directory, unit.platform.as_deref());
        RootedPath::new(Root::Script, format!("{TARGET}/{below}"))
    }
}
