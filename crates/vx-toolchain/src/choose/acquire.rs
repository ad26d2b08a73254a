//! What to acquire if the requested toolchain is not on this machine, or lacks something.

use camino::Utf8Path;

use super::name::{ChannelName, host_to_acquire, is_host_of_this_machine};
use super::request::Request;
use super::requested::{Additions, Requested};
use super::rustup::Rustup;
use super::{Found, ToolchainError};
use crate::{ToolchainSpec, ToolchainStore};

/// The channel for a machine without Rust if nothing requests another.
const DEFAULT_CHANNEL: &str = "stable";

/// What to acquire if `error` reports something missing; `None` if only the user can help.
fn spec(request: &Request, rustup: Option<&Rustup>, error: &ToolchainError) -> Option<ToolchainSpec> {
    use ToolchainError::{Incomplete, MissingProgram, NoRustup, NotInstalled, NothingOnPath};
    let name = match (&request.requested, error) {
        (Requested::Name(name), NotInstalled { .. } | NoRustup { .. } | Incomplete { .. } | MissingProgram { .. }) => {
            name
        }
        // rustup without a default is the user's decision.
        (Requested::Anything, NothingOnPath { .. }) if rustup.is_none() => DEFAULT_CHANNEL,
        _ => return None,
    };
    let Additions {
        profile,
        components,
        targets,
    } = request.additions().cloned().unwrap_or_default();
    Some(ToolchainSpec {
        profile,
        components,
        targets,
        ..named(name, rustup.and_then(Rustup::default_host))?
    })
}

/// The plain spec of `CHANNEL[-HOST]`; `None` for what no server offers or this machine cannot run.
fn named(name: &str, default_host: Option<&str>) -> Option<ToolchainSpec> {
    let parsed = ChannelName::parse(name)?;
    let default_host = || default_host.map_or_else(host_to_acquire, str::to_owned);
    let host = parsed.host.map_or_else(default_host, str::to_owned);
    if !is_host_of_this_machine(&host) {
        return None;
    }
    let with_host = format!("-{host}");
    Some(ToolchainSpec {
        channel: name.strip_suffix(&with_host).unwrap_or(name).to_owned(),
        host,
        profile: None,
        components: Vec::new(),
        targets: Vec::new(),
    })
}

impl ToolchainSpec {
    /// The spec of `CHANNEL[-HOST]`, in the profile `minimal`, for this machine; `None` for names that no server knows,
    /// and for hosts that this machine is not.
    pub fn named(name: &str) -> Option<Self> {
        named(name, None)
    }
}

/// Acquires what `request` requests because of `error`, which is returned if nothing can be acquired.
pub(super) async fn acquire(
    request: &Request,
    rustup: Option<&Rustup>,
    error: ToolchainError,
    store: &ToolchainStore,
    status: &(dyn Fn(&str, String) + Send + Sync),
) -> Result<Found, ToolchainError> {
    let Some(spec) = spec(request, rustup, &error) else {
        return Err(error);
    };
    let acquired = store.acquire(&spec, status).await;
    let acquired = acquired.map_err(|source| ToolchainError::Acquire {
        name: format!("{}-{}", spec.channel, spec.host),
        requested_by: request.requested_by.clone(),
        source: Box::new(source),
    })?;
    let directory: &Utf8Path = &acquired.directory;
    Ok(Found {
        name: acquired.name,
        ..Rustup::at_path(directory, &request.requested_by)?
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What is acquired without rustup, with these variables, in a directory with this toolchain file.
    fn acquired(plus: Option<&str>, variable: Option<&str>, file: Option<&str>) -> Option<ToolchainSpec> {
        let directory = tempfile::tempdir().unwrap();
        let project = Utf8Path::from_path(directory.path()).unwrap();
        if let Some(text) = file {
            std::fs::write(project.join("rust-toolchain.toml"), text).unwrap();
        }
        let mut environment = BTreeMap::from([("PATH".to_owned(), String::new())]);
        environment.extend(variable.map(|name| ("RUSTUP_TOOLCHAIN".to_owned(), name.to_owned())));
        let request = Request::find(project, &environment, plus, None).unwrap();
        let error = super::super::find(&request, None, &environment).unwrap_err();
        spec(&request, None, &error)
    }

    fn channel(name: &str) -> ToolchainSpec {
        ToolchainSpec {
            channel: name.to_owned(),
            host: host_to_acquire(),
            profile: None,
            components: Vec::new(),
            targets: Vec::new(),
        }
    }

    #[test]
    fn without_rustup_the_same_voices_are_heard() {
        let file = Some("[toolchain]\nchannel = \"1.90\"\n");
        assert_eq!(acquired(None, None, file), Some(channel("1.90")));
        assert_eq!(acquired(None, Some("beta"), file), Some(channel("beta")));
        assert_eq!(
            acquired(Some("nightly-2026-05-20"), Some("beta"), file),
            Some(channel("nightly-2026-05-20"))
        );
    }

    #[test]
    fn where_nothing_asks_it_is_stable() {
        assert_eq!(acquired(None, None, None), Some(channel("stable")));
    }

    #[test]
    fn a_file_adds_to_what_is_acquired() {
        let file = "[toolchain]\nprofile = \"default\"\ncomponents = [\"rust-src\"]\ntargets = [\"wasm32v1-none\"]\n";
        let expected = ToolchainSpec {
            profile: Some("default".to_owned()),
            components: vec!["rust-src".to_owned()],
            targets: vec!["wasm32v1-none".to_owned()],
            ..channel("stable")
        };
        assert_eq!(acquired(None, None, Some(file)), Some(expected));
    }

    #[test]
    fn a_name_with_this_host_is_the_same() {
        let name = format!("1.95.0-{}", host_to_acquire());
        assert_eq!(acquired(Some(&name), None, None), Some(channel("1.95.0")));
    }

    #[test]
    fn what_no_server_has_or_cannot_run_here_is_not_acquired() {
        for name in ["stage1", "stable-sparc64-unknown-openbsd"] {
            assert_eq!(acquired(Some(name), None, None), None, "{name}");
        }
    }
}
