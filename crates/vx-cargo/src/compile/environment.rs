//! What Cargo adds to the environment of the processes of a unit.

use std::collections::BTreeMap;

use vx_model::Template;

use super::Scripts;
use crate::plan::{Plan, Unit, UnitIndex};

/// Variables by name.
pub(crate) type Variables = BTreeMap<String, Template>;

impl Plan {
    /// The variables of a run of rustc, sorted.
    pub(super) fn rustc_environment(&self, unit: UnitIndex, scripts: &Scripts<'_>) -> Vec<(String, Template)> {
        let planned = &self.units[unit];
        let mut variables = self.package_environment(planned);
        let mut set = |name: &str, value: Template| _ = variables.insert(name.to_owned(), value);
        set("CARGO_CRATE_NAME", planned.crate_name().into());
        if planned.is_executable() {
            set("CARGO_BIN_NAME", planned.target.name.as_str().into());
        }
        if self.is_primary(planned) {
            set("CARGO_PRIMARY_PACKAGE", "1".into());
        }
        let outputs: Vec<_> = self.own_scripts(unit).into_iter().filter_map(scripts).collect();
        if let Some(output) = outputs.first() {
            set("OUT_DIR", output.out_dir.clone().into());
        }
        for (name, value) in outputs.iter().flat_map(|output| &output.env) {
            set(name, value.clone());
        }
        variables.into_iter().collect()
    }

    /// The variables of every process that has to do with the package of `unit`. The `[env]` table of Cargo's configuration
    /// replaces none of Cargo's own.
    pub(crate) fn package_environment(&self, unit: &Unit) -> Variables {
        let package = &self.packages[unit.package];
        let mut variables: Variables = self.config_environment.iter().cloned().collect();
        let of_manifest = package.environment.iter();
        variables.extend(of_manifest.map(|(name, value)| (name.clone(), Template::from(value.as_str()))));
        let places = [
            ("CARGO", self.toolchain.cargo.clone()),
            ("CARGO_MANIFEST_DIR", package.root.clone()),
            ("CARGO_MANIFEST_PATH", package.root.join("Cargo.toml")),
        ];
        variables.extend(places.map(|(name, place)| (name.to_owned(), Template::from(place))));
        variables
    }
}
