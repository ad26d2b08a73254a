//! `rust-toolchain.toml` and `rust-toolchain`: parsing, as rustup reads them.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::ToolchainError;
use super::requested::{Additions, Requested};

/// Names of toolchain files; where both exist, rustup takes the first. Only the other one may hold a bare channel name.
const NAMES: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];

/// A toolchain file does not name a toolchain.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainFileError {
    /// It says nothing.
    #[error("it is empty")]
    Empty,
    /// Not TOML, or not rustup's schema.
    #[error("it is not a valid toolchain file")]
    Parse(#[source] Box<toml::de::Error>),
    /// A channel and a path.
    #[error("it specifies both a channel (`{channel}`) and a path (`{path}`)")]
    ChannelAndPath {
        /// The channel.
        channel: String,
        /// The path.
        path: String,
    },
    /// A path together with settings that only apply to rustup's own toolchains.
    #[error("it specifies a path with components, targets or a profile, which require a channel")]
    PathAndOptions,
}

/// What a toolchain file requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ToolchainFile {
    /// `None`: the toolchain that would be chosen without the file.
    pub(super) requested: Option<Requested>,
    pub(super) additions: Additions,
}

/// The toolchain file of `directory` itself, if it has one.
pub(super) fn read_in(directory: &Utf8Path) -> Result<Option<(Utf8PathBuf, ToolchainFile)>, ToolchainError> {
    for name in NAMES {
        let path = directory.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => continue,
            Err(source) => return Err(ToolchainError::Io { path, source }),
        };
        let may_be_bare = name == NAMES[0];
        return match parse(&text, directory, may_be_bare) {
            Ok(file) => Ok(Some((path, file))),
            Err(source) => Err(ToolchainError::File { path, source }),
        };
    }
    Ok(None)
}

/// A directory of that name is a source directory, not a toolchain file.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
}

#[derive(Deserialize)]
struct Document {
    toolchain: Section,
}

#[derive(Deserialize)]
struct Section {
    channel: Option<String>,
    path: Option<String>,
    components: Option<Vec<String>>,
    targets: Option<Vec<String>>,
    profile: Option<String>,
}

pub(crate) fn parse(text: &str, directory: &Utf8Path, may_be_bare: bool) -> Result<ToolchainFile, ToolchainFileError> {
    if text.trim().is_empty() {
        return Err(ToolchainFileError::Empty);
    }
    if may_be_bare && text.lines().count() == 1 {
        return Ok(ToolchainFile {
            requested: Some(Requested::Name(text.trim().to_owned())),
            additions: Additions::default(),
        });
    }
    let document: Document = toml::from_str(text).map_err(|error| ToolchainFileError::Parse(Box::new(error)))?;
    document.toolchain.into_file(directory)
}

impl Section {
    fn into_file(self, directory: &Utf8Path) -> Result<ToolchainFile, ToolchainFileError> {
        let has_options = self.components.is_some() || self.targets.is_some() || self.profile.is_some();
        let requested = match (self.channel, self.path) {
            (Some(channel), Some(path)) => return Err(ToolchainFileError::ChannelAndPath { channel, path }),
            (None, Some(_)) if has_options => return Err(ToolchainFileError::PathAndOptions),
            (None, Some(path)) => Some(Requested::Path(directory.join(path))),
            (Some(channel), None) => Some(Requested::Name(channel)),
            (None, None) if has_options => None,
            (None, None) => return Err(ToolchainFileError::Empty),
        };
        Ok(ToolchainFile {
            requested,
            additions: Additions {
                profile: self.profile,
                components: self.components.unwrap_or_default(),
                targets: self.targets.unwrap_or_default(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_toml(text: &str) -> Result<ToolchainFile, ToolchainFileError> {
        parse(text, Utf8Path::new("/project"), false)
    }

    fn channel(name: &str) -> ToolchainFile {
        ToolchainFile {
            requested: Some(Requested::Name(name.to_owned())),
            additions: Additions::default(),
        }
    }

    #[test]
    fn both_spellings() {
        let bare = parse("1.95.0\n", Utf8Path::new("/project"), true).unwrap();
        assert_eq!(bare, channel("1.95.0"));
        assert_eq!(parse_toml("[toolchain]\nchannel = \"1.95.0\"\n").unwrap(), bare);
        let long = "[toolchain]\nchannel = \"1.95.0\"\n";
        assert_eq!(parse(long, Utf8Path::new("/project"), true).unwrap(), bare);
    }

    #[test]
    fn options() {
        let file = parse_toml(
            "[toolchain]\nprofile = \"minimal\"\ncomponents = [\"rust-src\"]\ntargets = [\"wasm32v1-none\"]\n",
        );
        let expected = ToolchainFile {
            requested: None,
            additions: Additions {
                profile: Some("minimal".to_owned()),
                components: vec!["rust-src".to_owned()],
                targets: vec!["wasm32v1-none".to_owned()],
            },
        };
        assert_eq!(file.unwrap(), expected);
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let file = parse_toml("[toolchain]\npath = \"../rust\"\n").unwrap();
        assert_eq!(file.requested, Some(Requested::Path("/project/../rust".into())));
    }

    #[test]
    fn refused() {
        use ToolchainFileError::{ChannelAndPath, Empty, Parse, PathAndOptions};
        assert!(matches!(parse_toml(" \n"), Err(Empty)));
        assert!(matches!(parse_toml("[toolchain]\n"), Err(Empty)));
        assert!(matches!(parse_toml("stable"), Err(Parse(_))));
        assert!(matches!(parse_toml("[toolchain]\nchannel = 1\n"), Err(Parse(_))));
        let both = "[toolchain]\nchannel = \"stable\"\npath = \"/x\"\n";
        assert!(matches!(parse_toml(both), Err(ChannelAndPath { .. })));
        let options = "[toolchain]\npath = \"/x\"\ntargets = []\n";
        assert!(matches!(parse_toml(options), Err(PathAndOptions)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            channel in proptest::option::of("stable|beta|1\\.[0-9]{1,2}(\\.0)?|nightly-2026-05-20"),
            profile in proptest::option::of("minimal|default|complete"),
            components in proptest::collection::vec("[a-z]{1,8}(-[a-z]{1,8})?", 0..4),
            targets in proptest::collection::vec("[a-z0-9_]{1,8}-[a-z]{1,8}-[a-z]{1,8}", 0..4),
        ) {
            let mut text = format!("[toolchain]\ncomponents = {components:?}\ntargets = {targets:?}\n");
            for (key, value) in [("channel", &channel), ("profile", &profile)] {
                if let Some(value) = value {
                    text += &format!("{key} = {value:?}\n");
                }
            }
            let file = parse_toml(&text).unwrap();
            prop_assert_eq!(file.requested, channel.map(Requested::Name));
            prop_assert_eq!(file.additions, Additions { profile, components, targets });
        }

        #[test]
        fn no_text_panics(text in "\\PC*", bare: bool) {
            let _ = parse(&text, Utf8Path::new("/project"), bare);
        }
    }
}
