//! `Action`: everything that can influence a result and is known before running, as one value.
//!
//! Its digest is the weak key, and everything that runs is made from it, so nothing can run that is not keyed. It names
//! every path by role and holds nothing that is specific to one machine. What else an action uses (files on the
//! machine, the user's variables) is recorded after it has run: see [`crate::Input`].
//!
//! The encoding is REAPI's `Action`: `command_digest`, `input_root_digest`, `platform`. Everything without a field in
//! REAPI is in `salt`, which servers do not interpret: it keeps actions apart that must not be confused.

use std::collections::BTreeMap;

use prost::Message as _;

use crate::directory::{Directory, DirectoryNode, FileNode, SymlinkNode};
use crate::root::{Root, RootedPath, View};
use crate::template::Template;
use crate::wire::{WireAction, WireContainment, WirePlatform, WireProperty, WireTerms, WireView};
use crate::{Command, Digest, Key, KeyPart, formats};

/// A process to run, and everything that is known in advance and decides its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The kind of action, for people and to keep kinds apart: `rustc`, `build script`.
    pub kind: String,
    /// The process to start.
    pub command: Command,
    /// What it needs, by path.
    pub inputs: BTreeMap<RootedPath, DeclaredInput>,
    /// REAPI's platform properties: what it requires of a machine.
    pub platform: BTreeMap<String, String>,
    /// Facts of this machine that decide the result and are not in a file: where programs are found, what the processor
    /// can do.
    pub host_facts: BTreeMap<String, Template>,
    /// What it may see and write besides its inputs and outputs.
    pub access: Access,
    /// How it is observed.
    pub observation: Observation,
    /// Keeps actions apart that are otherwise equal.
    pub salt: String,
}

/// What is at a path before an action starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeclaredInput {
    /// A file from the store, materialized for this action.
    File {
        /// Its content.
        digest: Digest,
        /// Whether it is executable.
        is_executable: bool,
    },
    /// A directory, created for this action.
    Directory,
    /// Something that exists already and never changes: a toolchain, a package.
    Immutable {
        /// Its identity: equal texts mean equal content, whatever the path.
        identity: String,
    },
}

/// What an action may see and write besides its inputs and outputs. Reads and changes there are recorded: a result is
/// not kept if its action wrote elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// Whether the process gets the variables of its surroundings besides those of its command. Which of them it has
    /// read is recorded: as reported, or all of them.
    pub environment: bool,
    /// Paths below which new files may be written, which then belong to the result.
    pub writable: Vec<RootedPath>,
    /// Paths below which reads and writes do not count: a compiler's own state.
    pub private: Vec<RootedPath>,
    /// What it is kept from. `None` if it is not contained: it runs no code of others, or the machine refuses.
    pub containment: Option<Containment>,
}

/// What a contained action may write, and what it cannot see. It can read everything else, but not change it, and it
/// reaches no other process and no network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Containment {
    /// What it may change besides its outputs and its temporary directory.
    pub writable: Vec<RootedPath>,
    /// What it may not change, although it lies below one of `writable`.
    pub read_only: Vec<RootedPath>,
    /// What it may change for itself: the changes are forgotten. Where the kernel cannot, it is read-only.
    pub scratch: Vec<RootedPath>,
    /// Directories that are empty for it, and files that are.
    pub hidden: Vec<RootedPath>,
    /// What it finds at paths that are the same in every checkout. `None` if it finds everything where it is.
    pub view: Option<View>,
    /// Whether it reaches the network, and the sockets of other processes.
    pub network: bool,
}

/// How an action is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observation {
    /// Whether every use of a path by the process and its children is recorded.
    pub file_accesses: bool,
    /// Whether standard error is rustc's JSON, in which notices about artifacts are outputs instead of text.
    pub artifact_notices: bool,
}

/// An [`Action`] as blobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedAction {
    /// REAPI's `Action`. Its digest names the action.
    pub action: Vec<u8>,
    /// REAPI's `Command`.
    pub command: Vec<u8>,
    /// The directories of the input root, the root last.
    pub directories: Vec<Vec<u8>>,
}

impl Action {
    /// What it finds at paths that are the same in every checkout.
    pub fn view(&self) -> Option<&View> {
        self.access.containment.as_ref()?.view.as_ref()
    }

    /// The canonical encoding.
    pub fn encode(&self) -> EncodedAction {
        let command = self.command.encode();
        let mut directories = Vec::new();
        let input_root = InputTree::of(&self.inputs).encode(&mut directories);
        let properties = self.platform.iter().map(|(name, value)| WireProperty {
            name: name.clone(),
            value: value.clone(),
        });
        let action = WireAction {
            command_digest: Some(Digest::of(&command).into()),
            input_root_digest: Some(input_root.into()),
            salt: self.terms().encode_to_vec(),
            platform: Some(WirePlatform {
                properties: properties.collect(),
            }),
        };
        EncodedAction {
            action: action.encode_to_vec(),
            command,
            directories,
        }
    }

    /// Names the action.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.encode().action)
    }

    /// The weak key.
    pub fn key(&self) -> Key {
        Key {
            hash: self.digest().hash,
        }
    }

    /// Everything that is keyed, in words for people, to explain why two actions differ. The encoding does not use
    /// them.
    pub fn parts(&self) -> Vec<KeyPart> {
        let mut parts = vec![KeyPart::new("kind", &self.kind)];
        let facts = self
            .inputs
            .iter()
            .filter(|(_, input)| matches!(input, DeclaredInput::Immutable { .. }));
        parts.extend(facts.map(|(path, input)| part_of_input(path, input)));
        let command = &self.command;
        parts.push(KeyPart::new("working directory", command.working_directory.to_string()));
        let arguments = command.arguments.iter();
        parts.extend(arguments.map(|argument| KeyPart::new("argument", argument.to_string())));
        let environment = command.environment.iter();
        parts.extend(
            environment.map(|(name, value)| KeyPart::new(format!("environment variable {name}"), value.to_string())),
        );
        let files = self
            .inputs
            .iter()
            .filter(|(_, input)| !matches!(input, DeclaredInput::Immutable { .. }));
        parts.extend(files.map(|(path, input)| part_of_input(path, input)));
        parts.extend(
            self.platform
                .iter()
                .map(|(name, value)| KeyPart::new(format!("platform {name}"), value)),
        );
        let facts = self.host_facts.iter();
        parts.extend(facts.map(|(name, value)| KeyPart::new(name, value.to_string())));
        for output in &command.outputs {
            parts.push(KeyPart::new(
                "output",
                format!("{} ({})", output.path, output.kind.name()),
            ));
        }
        let Access {
            environment,
            writable,
            private,
            containment,
        } = &self.access;
        parts.push(KeyPart::new("finds the user's environment", environment.to_string()));
        parts.extend(writable.iter().map(|path| KeyPart::new("may write", path.to_string())));
        parts.extend(private.iter().map(|path| KeyPart::new("private", path.to_string())));
        parts.push(KeyPart::new("contained", containment.is_some().to_string()));
        parts.extend(containment.iter().flat_map(Containment::parts));
        let Observation {
            file_accesses,
            artifact_notices,
        } = self.observation;
        parts.push(KeyPart::new("observed", file_accesses.to_string()));
        parts.push(KeyPart::new("artifact notices", artifact_notices.to_string()));
        parts.push(KeyPart::new("salt", &self.salt));
        parts.push(KeyPart::new("format", formats::ACTION.to_string()));
        parts
    }

    /// The parts that have no field in REAPI.
    fn terms(&self) -> WireTerms {
        let texts = |paths: &[RootedPath]| paths.iter().map(RootedPath::to_string).collect();
        let outputs = self.command.outputs.iter();
        WireTerms {
            format: formats::ACTION,
            kind: self.kind.clone(),
            host_facts: self
                .host_facts
                .iter()
                .map(|(name, value)| WireProperty {
                    name: name.clone(),
                    value: value.to_string(),
                })
                .collect(),
            environment: self.access.environment,
            writable: texts(&self.access.writable),
            private: texts(&self.access.private),
            containment: self.access.containment.as_ref().map(|containment| WireContainment {
                writable: texts(&containment.writable),
                read_only: texts(&containment.read_only),
                scratch: texts(&containment.scratch),
                hidden: texts(&containment.hidden),
                view: containment.view.as_ref().map(|view| WireView {
                    workspace: view.workspace.clone(),
                    directories: texts(&view.directories),
                }),
                network: containment.network,
            }),
            file_accesses: self.observation.file_accesses,
            artifact_notices: self.observation.artifact_notices,
            outputs: outputs
                .map(|output| WireProperty {
                    name: output.path.to_string(),
                    value: output.kind.name().to_owned(),
                })
                .collect(),
            salt: self.salt.clone(),
        }
    }
}

impl Containment {
    fn parts(&self) -> Vec<KeyPart> {
        let kinds = [
            ("may change", &self.writable),
            ("may not change", &self.read_only),
            ("may change for itself", &self.scratch),
            ("cannot see", &self.hidden),
        ];
        let paths = kinds.into_iter().flat_map(|(label, paths)| {
            let part = move |path: &RootedPath| KeyPart::new(label, path.to_string());
            paths.iter().map(part)
        });
        let view = self.view.iter().flat_map(|view| {
            let directories = view.directories.iter().map(RootedPath::to_string);
            let found = directories.map(|path| KeyPart::new("finds at a fixed path", path));
            found.chain([KeyPart::new("finds the workspace at", &view.workspace)])
        });
        let network = KeyPart::new("reaches the network", self.network.to_string());
        paths.chain(view).chain([network]).collect()
    }
}

fn part_of_input(path: &RootedPath, input: &DeclaredInput) -> KeyPart {
    let label = match (path.root, path.path.as_str()) {
        (Root::Toolchain, "") => "toolchain".to_owned(),
        (Root::Exec, below) => match below.strip_prefix("deps/") {
            Some(name) => format!("dependency {name}"),
            None => format!("input {below}"),
        },
        (Root::VxHome, _) if matches!(input, DeclaredInput::Immutable { .. }) => "package".to_owned(),
        _ => format!("input {path}"),
    };
    KeyPart::new(
        label,
        match input {
            DeclaredInput::File { digest, is_executable } => match is_executable {
                true => format!("{digest} (executable)"),
                false => digest.to_string(),
            },
            DeclaredInput::Directory => "directory".to_owned(),
            DeclaredInput::Immutable { identity } => identity.clone(),
        },
    )
}

/// Inputs as a tree in which every root is a directory.
#[derive(Default)]
struct InputTree<'a> {
    here: Vec<(&'a str, &'a DeclaredInput)>,
    below: BTreeMap<&'a str, InputTree<'a>>,
}

impl<'a> InputTree<'a> {
    fn of(inputs: &'a BTreeMap<RootedPath, DeclaredInput>) -> Self {
        let mut tree = Self::default();
        for (path, input) in inputs {
            let mut components = vec![path.root.name()];
            components.extend(path.path.split('/').filter(|component| !component.is_empty()));
            tree.insert(&components, input);
        }
        tree
    }

    fn insert(&mut self, components: &[&'a str], input: &'a DeclaredInput) {
        match components {
            [] => {}
            [name] => match input {
                DeclaredInput::Directory => _ = self.below.entry(name).or_default(),
                _ => self.here.push((name, input)),
            },
            [name, rest @ ..] => self.below.entry(name).or_default().insert(rest, input),
        }
    }

    /// Its digest; appends every level to `directories`, its own last. An immutable input is encoded as a link to its
    /// identity, because it exists already.
    fn encode(&self, directories: &mut Vec<Vec<u8>>) -> Digest {
        let mut directory = Directory::default();
        for (name, tree) in &self.below {
            directory.directories.push(DirectoryNode {
                name: (*name).to_owned(),
                digest: tree.encode(directories),
            });
        }
        for (name, input) in &self.here {
            match input {
                DeclaredInput::File { digest, is_executable } => directory.files.push(FileNode {
                    name: (*name).to_owned(),
                    digest: *digest,
                    is_executable: *is_executable,
                }),
                DeclaredInput::Immutable { identity } => directory.symlinks.push(SymlinkNode {
                    name: (*name).to_owned(),
                    target: identity.clone(),
                }),
                DeclaredInput::Directory => {}
            }
        }
        let encoded = directory.encode();
        let digest = Digest::of(&encoded);
        directories.push(encoded);
        digest
    }
}
