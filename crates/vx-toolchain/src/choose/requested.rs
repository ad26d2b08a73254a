//! Which toolchain is requested, and what it must have, from a name or a toolchain file.

use camino::{Utf8Path, Utf8PathBuf};

use super::ToolchainError;

/// Which toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Requested {
    /// One of rustup's, by a name or a part of it.
    Name(String),
    /// The directory of a toolchain.
    Path(Utf8PathBuf),
    /// What is on `PATH`.
    Anything,
}

/// What a toolchain file requests besides the toolchain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Additions {
    /// What to acquire if nothing is installed; an installed toolchain is not checked against it, as in rustup.
    pub(super) profile: Option<String>,
    pub(super) components: Vec<String>,
    pub(super) targets: Vec<String>,
}

impl Additions {
    pub(super) fn is_empty(&self) -> bool {
        self.components.is_empty() && self.targets.is_empty()
    }

    pub(super) fn missing_in(&self, directory: &Utf8Path) -> Result<Self, ToolchainError> {
        if self.is_empty() {
            return Ok(Self::default());
        }
        let list = directory.join("lib/rustlib/components");
        let installed = match std::fs::read_to_string(&list) {
            Ok(text) => Some(text),
            // A linked toolchain: rustup does not know its components either.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(ToolchainError::Io { path: list, source }),
        };
        let has_component = |name: &String| installed.as_ref().is_none_or(|list| list_has(list, name));
        let has_target = |target: &String| directory.join("lib/rustlib").join(target).join("lib").is_dir();
        Ok(Self {
            profile: None,
            components: self
                .components
                .iter()
                .filter(|name| !has_component(name))
                .cloned()
                .collect(),
            targets: self
                .targets
                .iter()
                .filter(|target| !has_target(target))
                .cloned()
                .collect(),
        })
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let components = self.components.iter().map(|name| format!("component {name}"));
        let targets = self.targets.iter().map(|name| format!("target {name}"));
        components.chain(targets).collect()
    }

    pub(super) fn remedy(&self, toolchain: &str) -> String {
        let add = |what: &str, names: &[String]| match names {
            [] => None,
            names => Some(format!("rustup {what} add --toolchain {toolchain} {}", names.join(" "))),
        };
        let commands = [add("component", &self.components), add("target", &self.targets)];
        commands.into_iter().flatten().collect::<Vec<_>>().join(" && ")
    }
}

/// Whether a toolchain's list of components (`clippy-preview-HOST`, one a line) has the component that users call `name`.
///
/// Users leave out the host and often `-preview`; some write them.
fn list_has(list: &str, name: &str) -> bool {
    let name = name.strip_suffix("-preview").unwrap_or(name);
    list.lines().any(|line| {
        let Some(rest) = line.strip_prefix(name) else {
            return false;
        };
        let rest = rest.strip_prefix("-preview").unwrap_or(rest);
        // The rest is empty (`rust-src`, or a name with its host) or a host triple, which starts with an architecture.
        rest.is_empty() || rest.strip_prefix('-').is_some_and(super::name::is_triple)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_under_all_their_names() {
        let list = "clippy-preview-x86_64-unknown-linux-gnu\nrustc-x86_64-unknown-linux-gnu\nrust-src\n";
        for name in [
            "clippy",
            "clippy-preview",
            "rustc",
            "rust-src",
            "rustc-x86_64-unknown-linux-gnu",
        ] {
            assert!(list_has(list, name), "{name}");
        }
        for name in ["rust", "rustc-dev", "rustfmt", "clip"] {
            assert!(!list_has(list, name), "{name}");
        }
    }
}
