//! The path of a channel's manifest on a server, and whether it can change.

use crate::choose::{Channel, ChannelName};

/// The path of the manifest below the root of a server.
pub(super) fn manifest_path(name: &ChannelName<'_>) -> String {
    let channel = match name.channel {
        Channel::Named(name) => name.to_owned(),
        Channel::Version {
            major,
            minor,
            patch: None,
        } => format!("{major}.{minor}"),
        Channel::Version {
            major,
            minor,
            patch: Some(patch),
        } => format!("{major}.{minor}.{patch}"),
    };
    match name.date {
        Some(date) => format!("dist/{date}/channel-rust-{channel}.toml"),
        None => format!("dist/channel-rust-{channel}.toml"),
    }
}

/// Whether the name can later mean another toolchain: `stable` and `1.95` can, `1.95.0` and names with a date cannot.
pub(super) fn is_moving(name: &ChannelName<'_>) -> bool {
    let is_release = match name.channel {
        Channel::Named(name) => name.contains("beta."),
        Channel::Version { patch, .. } => patch.is_some(),
    };
    name.date.is_none() && !is_release
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_movement() {
        for (name, path, moving) in [
            ("stable", "dist/channel-rust-stable.toml", true),
            ("1.95", "dist/channel-rust-1.95.toml", true),
            ("1.95.0", "dist/channel-rust-1.95.0.toml", false),
            ("1.96.0-beta.2", "dist/channel-rust-1.96.0-beta.2.toml", false),
            ("nightly-2026-05-20", "dist/2026-05-20/channel-rust-nightly.toml", false),
            ("beta-x86_64-unknown-linux-gnu", "dist/channel-rust-beta.toml", true),
        ] {
            let parsed = ChannelName::parse(name).unwrap();
            assert_eq!(manifest_path(&parsed), path);
            assert_eq!(is_moving(&parsed), moving, "{name}");
        }
    }
}
