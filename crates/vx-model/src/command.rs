//! `Command`: what a process is started with and what it writes, in templates. REAPI's `Command`, except for the roots.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;

use crate::root::RootedPath;
use crate::template::Template;
use crate::wire::{WireCommand, WireVariable};

/// What a process is started with, and where it writes its outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program, then its arguments.
    pub arguments: Vec<Template>,
    /// Variables that are keyed, whether the process reads them or not.
    pub environment: BTreeMap<String, Template>,
    /// The working directory.
    pub working_directory: RootedPath,
    /// Its outputs; anything else is not kept.
    pub outputs: BTreeSet<OutputPath>,
}

/// Where a command writes an output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputPath {
    /// Where.
    pub path: RootedPath,
    /// What is there.
    pub kind: OutputKind,
}

/// What is at an [`OutputPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputKind {
    /// A directory whose regular files (not those of its subdirectories) are separate outputs.
    Files,
    /// A directory that is one output, as a tree.
    Tree,
    /// A file whose content is returned with the result instead of being stored: it is read once, and becomes inputs.
    Inline,
}

impl OutputKind {
    /// Its name in encodings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Tree => "tree",
            Self::Inline => "inline",
        }
    }
}

impl Command {
    /// The canonical encoding: REAPI's `Command`, templates and paths as they are displayed.
    pub fn encode(&self) -> Vec<u8> {
        // The set is sorted by root; REAPI requires sorted texts without duplicates.
        let output_paths: BTreeSet<String> = self.outputs.iter().map(|output| output.path.to_string()).collect();
        let message = WireCommand {
            arguments: self.arguments.iter().map(Template::to_string).collect(),
            environment_variables: self
                .environment
                .iter()
                .map(|(name, value)| WireVariable {
                    name: name.clone(),
                    value: value.to_string(),
                })
                .collect(),
            working_directory: self.working_directory.to_string(),
            output_paths: output_paths.into_iter().collect(),
        };
        message.encode_to_vec()
    }
}
