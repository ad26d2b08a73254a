//! Actions: any difference changes the digest, and the encoding is REAPI's.

use std::collections::{BTreeMap, BTreeSet};

use vx_model::{
    Access, Action, Command, Containment, DeclaredInput, Digest, Directory, Observation, OutputKind, OutputPath, Root,
    RootedPath, Template, View,
};

fn exec(path: &str) -> RootedPath {
    RootedPath::new(Root::Exec, path)
}

fn compile() -> Action {
    let output = |path: &str, kind| OutputPath { path: exec(path), kind };
    Action {
        kind: "rustc".to_owned(),
        command: Command {
            arguments: vec![
                RootedPath::new(Root::Toolchain, "bin/rustc").into(),
                "src/lib.rs".into(),
                Template::from("dependency=").path(exec("deps")),
            ],
            environment: BTreeMap::from([(
                "CARGO_MANIFEST_DIR".to_owned(),
                RootedPath::new(Root::Workspace, "a").into(),
            )]),
            working_directory: RootedPath::new(Root::Workspace, ""),
            outputs: BTreeSet::from([output("out", OutputKind::Files), output("out/a.d", OutputKind::Inline)]),
        },
        inputs: BTreeMap::from([
            (
                RootedPath::new(Root::Toolchain, ""),
                DeclaredInput::Immutable {
                    identity: "1.95.0".to_owned(),
                },
            ),
            (
                exec("deps/libb.rmeta"),
                DeclaredInput::File {
                    digest: Digest::of(b"b"),
                    is_executable: false,
                },
            ),
            (exec("out"), DeclaredInput::Directory),
        ]),
        platform: BTreeMap::from([("OSFamily".to_owned(), "linux".to_owned())]),
        host_facts: BTreeMap::from([("program cc".to_owned(), Template::from("/usr/bin/cc"))]),
        access: Access {
            environment: true,
            writable: vec![RootedPath::new(Root::Workspace, "")],
            private: vec![RootedPath::new(Root::Workspace, ".vx")],
            containment: Some(Containment {
                writable: vec![RootedPath::new(Root::Workspace, "a")],
                ..Containment::default()
            }),
        },
        observation: Observation::default(),
        salt: String::new(),
    }
}

/// A change of one field.
type Change = fn(&mut Action);

const CHANGES: &[(&str, Change)] = &[
    ("kind", |action| action.kind.push('x')),
    ("argument", |action| action.command.arguments[1] = "src/main.rs".into()),
    ("argument's root", |action| {
        action.command.arguments[0] = RootedPath::new(Root::Host, "bin/rustc").into();
    }),
    ("a text that looks like a path", |action| {
        action.command.arguments[0] = "{toolchain/bin/rustc}".into();
    }),
    ("arguments joined", |action| {
        let last = action.command.arguments.pop().unwrap_or_default();
        action.command.arguments[1] = Template::from("src/lib.rs").then(last);
    }),
    ("an additional argument", |action| {
        action.command.arguments.push("".into())
    }),
    ("value of a variable", |action| {
        action
            .command
            .environment
            .insert("CARGO_MANIFEST_DIR".to_owned(), "a".into());
    }),
    ("an empty variable", |action| {
        action.command.environment.insert("A".to_owned(), "".into());
    }),
    ("working directory", |action| {
        action.command.working_directory = exec("")
    }),
    ("kind of an output", |action| {
        action.command.outputs.clear();
        for (path, kind) in [("out", OutputKind::Tree), ("out/a.d", OutputKind::Inline)] {
            action.command.outputs.insert(OutputPath { path: exec(path), kind });
        }
    }),
    ("an output removed", |action| _ = action.command.outputs.pop_last()),
    ("the toolchain", |action| {
        let identity = "1.96.0".to_owned();
        action.inputs.insert(
            RootedPath::new(Root::Toolchain, ""),
            DeclaredInput::Immutable { identity },
        );
    }),
    ("content of an input", |action| {
        let file = DeclaredInput::File {
            digest: Digest::of(b"c"),
            is_executable: false,
        };
        action.inputs.insert(exec("deps/libb.rmeta"), file);
    }),
    ("mode of an input", |action| {
        let file = DeclaredInput::File {
            digest: Digest::of(b"b"),
            is_executable: true,
        };
        action.inputs.insert(exec("deps/libb.rmeta"), file);
    }),
    ("an immutable input instead of a materialized one", |action| {
        let there = DeclaredInput::Immutable {
            identity: Digest::of(b"b").to_string(),
        };
        action.inputs.insert(exec("deps/libb.rmeta"), there);
    }),
    ("path of an input", |action| {
        let file = action.inputs.remove(&exec("deps/libb.rmeta"));
        action.inputs.extend(file.map(|file| (exec("deps/libc.rmeta"), file)));
    }),
    ("a directory removed", |action| _ = action.inputs.remove(&exec("out"))),
    ("platform", |action| {
        _ = action.platform.insert("ISA".to_owned(), "x86-64".to_owned())
    }),
    ("a fact of the host", |action| {
        action.host_facts.insert("program cc".to_owned(), "/opt/bin/cc".into());
    }),
    ("environment", |action| action.access.environment = false),
    ("writable", |action| action.access.writable.clear()),
    ("private", |action| action.access.private.clear()),
    ("writable made private", |action| {
        std::mem::swap(&mut action.access.writable, &mut action.access.private)
    }),
    ("containment", |action| action.access.containment = None),
    ("contained otherwise", |action| {
        containment(action).hidden = vec![RootedPath::new(Root::Workspace, "a")];
    }),
    ("may change", |action| containment(action).writable.clear()),
    ("may not change", |action| {
        let Containment {
            writable, read_only, ..
        } = containment(action);
        std::mem::swap(writable, read_only);
    }),
    ("may change for itself", |action| {
        let Containment { writable, scratch, .. } = containment(action);
        std::mem::swap(writable, scratch);
    }),
    ("view", |action| {
        containment(action).view = Some(View {
            workspace: String::new(),
            directories: vec![RootedPath::new(Root::Workspace, "")],
        });
    }),
    ("place in the view", |action| {
        containment(action).view = Some(View {
            workspace: "below".to_owned(),
            directories: vec![RootedPath::new(Root::Workspace, "")],
        });
    }),
    ("network", |action| containment(action).network = true),
    ("observed", |action| action.observation.file_accesses = true),
    ("notices", |action| action.observation.artifact_notices = true),
    ("salt", |action| action.salt.push('x')),
];

fn containment(action: &mut Action) -> &mut Containment {
    action.access.containment.get_or_insert_default()
}

#[test]
fn any_difference_between_actions_is_in_their_digests_and_in_their_parts() {
    let base = compile();
    let mut digests = BTreeSet::from([base.digest()]);
    for (name, change) in CHANGES {
        let mut changed = base.clone();
        change(&mut changed);
        assert_ne!(changed, base, "{name} does not change the action");
        assert!(digests.insert(changed.digest()), "{name} does not change the digest");
        assert_ne!(changed.parts(), base.parts(), "{name} cannot be explained");
    }
}

#[test]
fn equal_actions_have_equal_digests() {
    assert_eq!(compile().digest(), compile().digest());
    assert_eq!(compile().key().hash, compile().digest().hash);
}

#[test]
fn inputs_are_a_tree_of_directories_as_in_reapi() {
    let encoded = compile().encode();
    let blobs: BTreeMap<Digest, &Vec<u8>> = encoded
        .directories
        .iter()
        .map(|blob| (Digest::of(blob), blob))
        .collect();
    let root = encoded.directories.last().expect("a root");
    let mut files = Vec::new();
    list("", root, &blobs, &mut files);
    assert_eq!(files, ["exec/deps/libb.rmeta", "exec/out/", "toolchain -> 1.95.0"]);
}

fn list(path: &str, directory: &[u8], blobs: &BTreeMap<Digest, &Vec<u8>>, files: &mut Vec<String>) {
    let directory = Directory::decode(directory).expect("canonical");
    if directory == Directory::default() {
        files.push(path.to_owned());
    }
    for node in &directory.directories {
        list(&format!("{path}{}/", node.name), blobs[&node.digest], blobs, files);
    }
    files.extend(directory.files.iter().map(|node| format!("{path}{}", node.name)));
    files.extend(
        directory
            .symlinks
            .iter()
            .map(|node| format!("{path}{} -> {}", node.name, node.target)),
    );
}
