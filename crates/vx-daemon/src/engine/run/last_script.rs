//! Which run of a build script last wrote into the workspace.
//!
//! The files that a script writes there belong to its result, and are written again when it comes from the store. Not so
//! where the same run was the last one there: Cargo would not run the script again, so what the user has changed since is
//! the user's. Scripts are told apart by the directory of their package alone: a run for another version, platform or
//! profile writes over the same files.

use vx_cargo::UnitIndex;
use vx_model::{Key, Root};

use super::Run;
use crate::engine::progress::Stop;

/// Table of the strong keys of these runs; empty where a later run wrote nothing that is known, or did not end.
const LAST_SCRIPT: &str = "last-script";

impl Run {
    /// Whether the run with this strong key was the last.
    pub(super) async fn was_last_script(&self, unit: UnitIndex, strong: Key) -> Result<bool, Stop> {
        let last = self.last_script(unit).await?;
        Ok(last.is_some_and(|last| last == strong.hash))
    }

    /// To be called before a script, or vx in its stead, writes into the workspace: the end of it may never come.
    pub(super) async fn forget_last_script(&self, unit: UnitIndex) -> Result<(), Stop> {
        if self.last_script(unit).await?.is_some_and(|last| !last.is_empty()) {
            self.put_last_script(unit, Vec::new()).await?;
        }
        Ok(())
    }

    /// To be called when all that a run wrote is in place.
    pub(super) async fn note_last_script(&self, unit: UnitIndex, strong: Key) -> Result<(), Stop> {
        self.put_last_script(unit, strong.hash.to_vec()).await
    }

    async fn last_script(&self, unit: UnitIndex) -> Result<Option<Vec<u8>>, Stop> {
        let name = self.script_name(unit);
        Ok(self.engine.store.get_record(LAST_SCRIPT, &name).await?)
    }

    async fn put_last_script(&self, unit: UnitIndex, value: Vec<u8>) -> Result<(), Stop> {
        let name = self.script_name(unit);
        Ok(self.engine.store.put_record(LAST_SCRIPT, &name, value).await?)
    }

    fn script_name(&self, unit: UnitIndex) -> String {
        let roots = &self.setting.roots;
        let package = &self.plan.packages[self.plan.units[unit].package];
        format!("{}\n{}", roots.dir(Root::Workspace), roots.absolute(&package.root))
    }
}
