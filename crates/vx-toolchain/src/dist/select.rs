//! Which components of a channel make up the requested toolchain.

use std::collections::BTreeMap;

use super::manifest::{Archive, EVERY_TARGET, Manifest};
use super::{AcquireError, ToolchainSpec};

/// What every toolchain has, whatever the profile: vx cannot build without it.
const ESSENTIAL: [&str; 3] = ["rustc", "cargo", "rust-std"];

/// The standard library, the only component that exists for each target.
const STANDARD_LIBRARY: &str = "rust-std";

/// The profile if nothing requests another. rustup's own setting is for people, who also want documentation and tools.
const PROFILE: &str = "minimal";

/// A component to fetch and unpack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    /// As rustup lists it among the installed ones: `rustc-x86_64-unknown-linux-gnu`, `rust-src`.
    pub(super) name: String,
    pub(super) archive: Archive,
}

/// The components for a spec, sorted by name.
pub(super) fn select(manifest: &Manifest, spec: &ToolchainSpec) -> Result<Vec<Component>, AcquireError> {
    let mut selection = Selection {
        manifest,
        spec,
        components: BTreeMap::new(),
    };
    for name in ESSENTIAL {
        selection.add(name, &spec.host)?;
    }
    for name in selection.profile()? {
        // A profile also lists components of other hosts (`rust-mingw`).
        if selection.is_known(name, &spec.host) {
            selection.add(name, &spec.host)?;
        }
    }
    for name in &spec.components {
        selection.add(name, &spec.host)?;
    }
    for target in &spec.targets {
        selection.add(STANDARD_LIBRARY, target)?;
    }
    Ok(selection.components.into_values().collect())
}

struct Selection<'a> {
    manifest: &'a Manifest,
    spec: &'a ToolchainSpec,
    components: BTreeMap<String, Component>,
}

impl<'a> Selection<'a> {
    fn profile(&self) -> Result<&'a [String], AcquireError> {
        let profiles = &self.manifest.profiles;
        match (
            profiles.get(self.spec.profile.as_deref().unwrap_or(PROFILE)),
            &self.spec.profile,
        ) {
            (Some(members), _) => Ok(members),
            (None, None) => Ok(&[]),
            (None, Some(profile)) => Err(AcquireError::NoSuchProfile {
                channel: self.spec.channel.clone(),
                profile: profile.clone(),
                known: profiles.keys().cloned().collect(),
            }),
        }
    }

    fn is_known(&self, name: &str, target: &str) -> bool {
        let package = self.manifest.package(name);
        package.is_some_and(|(_, targets)| targets.contains_key(target) || targets.contains_key(EVERY_TARGET))
    }

    /// Adds a component by its name, which may end in a target: `rust-std-wasm32v1-none`.
    fn add(&mut self, name: &str, target: &str) -> Result<(), AcquireError> {
        let (package, target) = match self.manifest.package(name) {
            Some(_) => (name, target),
            None => self.split(name).ok_or_else(|| AcquireError::NoSuchComponent {
                channel: self.spec.channel.clone(),
                component: name.to_owned(),
            })?,
        };
        let Some((package, targets)) = self.manifest.package(package) else {
            return Ok(());
        };
        let for_target = targets.get_key_value(target);
        let found = for_target.or_else(|| targets.get_key_value(EVERY_TARGET));
        let Some((target, archive)) = found.and_then(|(target, archives)| Some((target, archives.first()?))) else {
            return Err(AcquireError::Unavailable {
                channel: self.spec.channel.clone(),
                component: package.to_owned(),
                target: target.to_owned(),
            });
        };
        let name = match target.as_str() {
            EVERY_TARGET => package.to_owned(),
            target => format!("{package}-{target}"),
        };
        let archive = archive.clone();
        self.components.insert(name.clone(), Component { name, archive });
        Ok(())
    }

    /// Splits a name into those of a package and a target.
    fn split<'n>(&self, name: &'n str) -> Option<(&'n str, &'n str)> {
        let dashes = name
            .match_indices('-')
            .map(|(dash, _)| (&name[..dash], &name[dash + 1..]));
        let mut splits = dashes.filter(|(package, target)| self.is_known_exactly(package, target));
        splits.next_back()
    }

    fn is_known_exactly(&self, name: &str, target: &str) -> bool {
        let package = self.manifest.package(name);
        package.is_some_and(|(_, targets)| targets.contains_key(target))
    }
}

#[cfg(test)]
mod tests;
