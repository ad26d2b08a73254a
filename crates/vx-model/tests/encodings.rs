//! Every encoding: what is written is read back, equal values have equal bytes, and anything else is refused.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use vx_model::{
    ActionResult, ActionResultError, Digest, Directory, DirectoryError, DirectoryNode, FileNode, Input, InputSet,
    InputSetError, KeyBuilder, KeyPart, OutputFile, OutputTree, Root, RootedPath, SymlinkNode, WireFormatError,
};

fn digest() -> impl Strategy<Value = Digest> {
    // Protobuf's `int64` bounds the size.
    (any::<[u8; 32]>(), 0..=i64::MAX as u64).prop_map(|(hash, size_bytes)| Digest { hash, size_bytes })
}

fn component() -> impl Strategy<Value = String> {
    "[^/\\x00]{1,12}".prop_filter("`.` and `..` name no entry", |name| name != "." && name != "..")
}

#[derive(Debug, Clone)]
enum Node {
    File(Digest, bool),
    Directory(Digest),
    Symlink(String),
}

fn node() -> impl Strategy<Value = Node> {
    prop_oneof![
        (digest(), any::<bool>()).prop_map(|(digest, executable)| Node::File(digest, executable)),
        digest().prop_map(Node::Directory),
        "[^\\x00]{1,20}".prop_map(Node::Symlink),
    ]
}

/// A legal directory, its nodes sorted.
fn directory() -> impl Strategy<Value = Directory> {
    btree_map(component(), node(), 0..12).prop_map(|nodes| {
        let mut directory = Directory::default();
        for (name, node) in nodes {
            match node {
                Node::File(digest, is_executable) => directory.files.push(FileNode {
                    name,
                    digest,
                    is_executable,
                }),
                Node::Directory(digest) => directory.directories.push(DirectoryNode { name, digest }),
                Node::Symlink(target) => directory.symlinks.push(SymlinkNode { name, target }),
            }
        }
        directory
    })
}

/// A path that an output may have.
fn output_path() -> impl Strategy<Value = RootedPath> {
    let root = proptest::sample::select(&Root::ALL[..]);
    (root, vec(component(), 0..4)).prop_map(|(root, components)| RootedPath::new(root, components.join("/")))
}

fn action_result() -> impl Strategy<Value = ActionResult> {
    let files = btree_map(output_path(), (digest(), any::<bool>()), 0..6);
    let trees = btree_map(output_path(), digest(), 0..4);
    let streams = (option::of(digest()), option::of(digest()));
    (files, trees, streams, any::<u64>(), vec(any::<u8>(), 0..64)).prop_map(
        |(files, trees, (stdout, stderr), duration_ms, annotation)| ActionResult {
            files: files
                .into_iter()
                .map(|(path, (digest, is_executable))| OutputFile {
                    path,
                    digest,
                    is_executable,
                })
                .collect(),
            trees: trees
                .into_iter()
                .map(|(path, root)| OutputTree { path, root })
                .collect(),
            stdout,
            stderr,
            duration_ms,
            annotation,
        },
    )
}

fn input() -> impl Strategy<Value = Input> {
    let root = prop_oneof![Just(Root::Workspace), Just(Root::VxHome), Just(Root::Host)];
    let path = (root, ".{0,12}").prop_map(|(root, path)| RootedPath { root, path });
    prop_oneof![
        path.clone().prop_map(Input::File),
        path.clone().prop_map(Input::Kind),
        path.clone().prop_map(Input::Listing),
        path.clone().prop_map(Input::Tree),
        path.clone().prop_map(Input::Stat),
        path.prop_map(Input::Location),
        ".{0,12}".prop_map(Input::Ancestors),
        ".{0,12}".prop_map(Input::Env),
    ]
}

fn key_parts() -> impl Strategy<Value = Vec<KeyPart>> {
    // Few letters, so that different lists often have equal concatenations.
    vec(("[ab]{0,3}", "[ab]{0,3}"), 0..4).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(label, value)| KeyPart { label, value })
            .collect()
    })
}

fn key_of(parts: &[KeyPart]) -> vx_model::Key {
    parts
        .iter()
        .fold(KeyBuilder::new("test"), |key, part| key.part(&part.label, &part.value))
        .key()
}

proptest! {
    #[test]
    fn digests_are_read_back(digest in any::<([u8; 32], u64)>().prop_map(|(hash, size_bytes)| Digest { hash, size_bytes })) {
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn digests_have_one_spelling(text in "[0-9a-fA-F]{63,65}/[+0-9]{0,4}") {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text);
        }
    }

    #[test]
    fn directories_are_read_back(directory in directory()) {
        prop_assert_eq!(Directory::decode(&directory.encode()), Ok(directory));
    }

    #[test]
    fn the_order_of_nodes_does_not_change_a_directory(directory in directory()) {
        let mut reversed = directory.clone();
        reversed.files.reverse();
        reversed.directories.reverse();
        reversed.symlinks.reverse();
        prop_assert_eq!(reversed.encode(), directory.encode());
    }

    /// Nothing that is accepted has a second encoding.
    #[test]
    fn damaged_directories_are_refused_or_other_directories(directory in directory(), at in any::<Index>(), byte in any::<u8>()) {
        let mut bytes = directory.encode();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Directory::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn noise_is_refused_or_a_canonical_directory(bytes in vec(any::<u8>(), 0..80)) {
        if let Ok(read) = Directory::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn results_are_read_back(result in action_result()) {
        prop_assert_eq!(ActionResult::decode(&result.encode()), Ok(result));
    }

    #[test]
    fn cut_results_are_refused(result in action_result(), at in any::<Index>()) {
        let bytes = result.encode();
        prop_assert!(ActionResult::decode(&bytes[..at.index(bytes.len())]).is_err());
    }

    #[test]
    fn input_sets_are_read_back(inputs in vec(input(), 0..12)) {
        let set = InputSet::new(inputs.clone());
        prop_assert_eq!(InputSet::decode(&set.encode()), Ok(set.clone()));
        let reversed = InputSet::new(inputs.into_iter().rev().collect());
        prop_assert_eq!(reversed.encode(), set.encode());
    }

    #[test]
    fn damaged_input_sets_are_refused_or_other_sets(inputs in vec(input(), 0..6), at in any::<Index>(), byte in any::<u8>()) {
        let mut bytes = InputSet::new(inputs).encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = InputSet::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
        }
    }

    #[test]
    fn keys_are_equal_if_their_parts_are(left in key_parts(), right in key_parts()) {
        prop_assert_eq!(key_of(&left) == key_of(&right), left == right);
    }
}

/// Written by hand from the field numbers of REAPI's `Directory`.
#[test]
fn a_directory_is_encoded_as_in_reapi() {
    let digest = Digest {
        hash: [0xab; 32],
        size_bytes: 300,
    };
    let hex = "ab".repeat(32);
    let mut wire_digest = vec![0x0a, 64];
    wire_digest.extend_from_slice(hex.as_bytes());
    wire_digest.extend_from_slice(&[0x10, 0xac, 0x02]);

    let mut expected = vec![0x0a, 3 + 2 + 69 + 2, 0x0a, 1, b'f', 0x12, 69];
    expected.extend_from_slice(&wire_digest);
    expected.extend_from_slice(&[0x20, 1]);
    expected.extend_from_slice(&[0x12, 3 + 2 + 69, 0x0a, 1, b'd', 0x12, 69]);
    expected.extend_from_slice(&wire_digest);
    expected.extend_from_slice(&[0x1a, 6, 0x0a, 1, b's', 0x12, 1, b't']);

    let directory = Directory {
        files: vec![file("f", digest, true)],
        directories: vec![DirectoryNode {
            name: "d".into(),
            digest,
        }],
        symlinks: vec![SymlinkNode {
            name: "s".into(),
            target: "t".into(),
        }],
    };
    assert_eq!(directory.encode(), expected);
}

#[test]
fn the_empty_directory_is_the_empty_blob() {
    assert_eq!(Directory::default().encode(), b"");
    assert_eq!(Directory::decode(b""), Ok(Directory::default()));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["", ".", "..", "/", "a/b", "../a", "a\0"] {
        let directory = Directory {
            files: vec![file(name, Digest::of(b""), false)],
            ..Directory::default()
        };
        assert_eq!(
            Directory::decode(&directory.encode()),
            Err(DirectoryError::Name(name.into()))
        );
    }
}

#[test]
fn names_of_two_entries_are_refused() {
    let twice = Directory {
        files: vec![file("a", Digest::of(b"1"), false), file("a", Digest::of(b"2"), false)],
        ..Directory::default()
    };
    assert_eq!(
        Directory::decode(&twice.encode()),
        Err(DirectoryError::Twice("a".into()))
    );

    let of_two_kinds = Directory {
        files: vec![file("a", Digest::of(b"1"), false)],
        symlinks: vec![SymlinkNode {
            name: "a".into(),
            target: "b".into(),
        }],
        ..Directory::default()
    };
    assert_eq!(
        Directory::decode(&of_two_kinds.encode()),
        Err(DirectoryError::Twice("a".into()))
    );
}

#[test]
fn nodes_out_of_order_are_refused() {
    let one = |name| {
        let directory = Directory {
            files: vec![file(name, Digest::of(b""), false)],
            ..Directory::default()
        };
        directory.encode()
    };
    let bytes = [one("b"), one("a")].concat();
    assert_eq!(Directory::decode(&bytes), Err(DirectoryError::Order("a".into())));
}

#[test]
fn unknown_fields_are_refused() {
    let mut bytes = Directory::default().encode();
    bytes.extend_from_slice(&[0x2a, 0]); // REAPI's `node_properties`, empty.
    assert_eq!(
        Directory::decode(&bytes),
        Err(DirectoryError::Format(WireFormatError::NotCanonical))
    );
}

#[test]
fn links_to_nowhere_are_refused() {
    for target in ["", "a\0b"] {
        let directory = Directory {
            symlinks: vec![SymlinkNode {
                name: "s".into(),
                target: target.into(),
            }],
            ..Directory::default()
        };
        assert_eq!(
            Directory::decode(&directory.encode()),
            Err(DirectoryError::Target("s".into()))
        );
    }
}

#[test]
fn results_of_other_writers_are_refused() {
    assert_eq!(ActionResult::decode(b""), Err(ActionResultError::Version));
    let mut newer = ActionResult::default().encode();
    newer.extend_from_slice(&[0x7a, 0]); // Field 15 is unknown.
    assert_eq!(
        ActionResult::decode(&newer),
        Err(ActionResultError::Format(WireFormatError::NotCanonical))
    );
}

#[test]
fn input_sets_of_other_versions_are_refused() {
    let mut bytes = InputSet::default().encode();
    bytes[0] += 1;
    assert_eq!(
        InputSet::decode(&bytes),
        Err(InputSetError::Version(vx_model::formats::INPUT_SET + 1))
    );
}

fn file(name: &str, digest: Digest, is_executable: bool) -> FileNode {
    FileNode {
        name: name.into(),
        digest,
        is_executable,
    }
}
