//! The identity of each unit: it distinguishes the unit from every other one in this and in other checkouts, and does
//! not change with its sources. It becomes part of symbol names and file names.

use vx_model::{KeyBuilder, Template};

use super::PlannedUnit;
use super::types::{Plan, UnitKind};

/// The number of hexadecimal digits of an identity, as in Cargo.
const DIGITS: usize = 16;

/// Gives every unit of `plan` its identity. `toolchain` stands for everything that the toolchain decides.
pub(super) fn assign(plan: &mut Plan, toolchain: &str) {
    for number in 0..plan.units.len() {
        // Dependencies come first, so their identities are known.
        let identity = identity(plan.unit(number), toolchain);
        plan.units[number].identity = identity;
    }
}

fn identity(planned: PlannedUnit<'_>, toolchain: &str) -> String {
    let PlannedUnit {
        plan, unit, package, ..
    } = planned;
    let source = package.source.identity(&package.root);
    let profile = crate::Profile {
        // A unit with equal settings in two profiles is one unit. Build scripts see the family of the profile.
        name: String::new(),
        is_release: unit.kind == UnitKind::RunBuildScript && unit.settings.profile.is_release,
        ..unit.settings.profile.clone()
    };
    let mut key = KeyBuilder::new("unit")
        .part("toolchain", toolchain.to_owned())
        .part("package", format!("{} {} {source}", package.name, package.version))
        .part(
            "target",
            format!(
                "{} {:?} {:?}",
                unit.target.name, unit.target.kind, unit.target.crate_types
            ),
        )
        .part("platform", format!("{:?}", unit.platform))
        .part("kind", format!("{:?} {}", unit.kind, unit.target.harness))
        .part("features", format!("{:?}", unit.features))
        .part("profile", format!("{profile:?}"))
        .part("lto", format!("{:?}", unit.settings.lto))
        .part(
            "compiler",
            format!("{:?} {:?}", unit.settings.driver, unit.settings.extra_args),
        );
    for flag in &planned.platform().rustflags {
        key = key.part("flag", text(flag));
    }
    for dependency in &unit.dependencies {
        let identity = &plan.units[dependency.unit].identity;
        key = key.part(format!("dependency {}", dependency.extern_name), identity.clone());
    }
    let mut digits = key.key().hex();
    digits.truncate(DIGITS);
    digits
}

/// The same text in every checkout.
fn text(template: &Template) -> String {
    format!("{template:?}")
}
