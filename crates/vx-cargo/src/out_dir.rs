//! `OUT_DIR` and what is around it: each run of a build script has a target directory of its own, laid out as Cargo's.
//! Scripts find the directory of the profile, or `target` itself, upwards from `OUT_DIR`, and leave files there.

use vx_model::{Root, RootedPath};

use crate::plan::{Plan, Unit, UnitIndex};
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

impl Plan {
    /// The directories that the build script of `unit` finds when it starts, `OUT_DIR` first.
    pub fn script_directories(&self, unit: UnitIndex) -> Vec<RootedPath> {
        let profile = self.profile_of_script(&self.units[unit]);
        let others = ["deps", EXAMPLES].map(|name| profile.join(name));
        [self.out_dir(&self.units[unit])].into_iter().chain(others).collect()
    }

    /// `OUT_DIR` while the script runs.
    pub(crate) fn out_dir(&self, unit: &Unit) -> RootedPath {
        let package = &self.packages[unit.package].name;
        self.profile_of_script(unit)
            .join(&format!("{RUNS}/{package}-{}/out", unit.identity))
    }

    /// Where the script of `unit`, which printed `output`, may have left files for the user.
    pub fn left_by_script(&self, unit: UnitIndex, output: &ScriptOutput) -> Option<LeftByScript> {
        let unit = &self.units[unit];
        let base = output.out_dir.path.strip_suffix(&self.out_dir(unit).path)?;
        let profile = self.profile_of_script(unit).path;
        Some(LeftByScript {
            from: RootedPath::new(output.out_dir.root, format!("{base}{profile}")),
            to: RootedPath::new(Root::Workspace, self.output_directory_of(unit)),
            except: RUNS,
        })
    }

    fn profile_of_script(&self, unit: &Unit) -> RootedPath {
        let below = crate::plan::of_platform(&self.profile_directory, unit.platform.as_deref());
        RootedPath::new(Root::Script, format!("{TARGET}/{below}"))
    }
}
