//! Directories in and out of the store.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use proptest::prelude::*;
use vx_casd::StoreError;
use vx_model::{Digest, Directory, DirectoryNode};
use vx_proto::{Content, Ingested, MaterializeRequest, Placement};

use crate::fixture::Fixture;

/// What is at one name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    File(Vec<u8>, bool),
    Symlink(String),
    Directory(BTreeMap<String, Entry>),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-d]",
        1 => "[^/\\x00]{1,8}".prop_filter("`.` and `..` name no entry", |name| name != "." && name != ".."),
    ]
}

fn directory() -> impl Strategy<Value = BTreeMap<String, Entry>> {
    let leaf = prop_oneof![
        (prop::collection::vec(any::<u8>(), 0..40), any::<bool>()).prop_map(|(content, x)| Entry::File(content, x)),
        "[^\\x00]{1,12}".prop_map(Entry::Symlink),
        Just(Entry::Directory(BTreeMap::new())),
    ];
    let entry = leaf.prop_recursive(4, 24, 5, |entry| {
        prop::collection::btree_map(name(), entry, 0..5).prop_map(Entry::Directory)
    });
    prop::collection::btree_map(name(), entry, 0..6)
}

fn lay(path: &Utf8Path, entries: &BTreeMap<String, Entry>) {
    fs::create_dir_all(path).unwrap();
    for (name, entry) in entries {
        let path = path.join(name);
        match entry {
            Entry::File(content, executable) => {
                fs::write(&path, content).unwrap();
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            Entry::Symlink(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
            Entry::Directory(entries) => lay(&path, entries),
        }
    }
}

fn read(path: &Utf8Path) -> BTreeMap<String, Entry> {
    let entries = path.read_dir_utf8().unwrap().map(|entry| {
        let path = entry.unwrap().into_path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let entry = if metadata.is_dir() {
            Entry::Directory(read(&path))
        } else if metadata.is_symlink() {
            Entry::Symlink(path.read_link_utf8().unwrap().into_string())
        } else {
            Entry::File(fs::read(&path).unwrap(), metadata.permissions().mode() & 0o111 != 0)
        };
        (path.file_name().unwrap().to_owned(), entry)
    });
    entries.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_tree_comes_out_as_it_went_in(entries in directory(), consume in any::<bool>()) {
        let fixture = Fixture::new();
        let source = fixture.path("source");
        lay(&source, &entries);
        let Ingested::Tree { root } = fixture.ingest(&source, consume).unwrap() else { panic!("not a tree") };
        prop_assert_eq!(source.exists(), !consume);
        for (name, placement) in [("linked", Placement::Link), ("copied", Placement::Copy)] {
            let out = fixture.path(name);
            prop_assert_eq!(fixture.lay(&out, Content::Tree { root }, placement), []);
            prop_assert_eq!(&read(&out), &entries);
        }
        // The same content at another path has the same digest.
        prop_assert_eq!(fixture.ingest_tree(&fixture.path("copied")), root);
    }
}

fn refused(fixture: &Fixture, path: &Utf8Path, root: Digest) -> StoreError {
    let request = MaterializeRequest {
        path: path.to_string(),
        content: Content::Tree { root },
        placement: Placement::Copy,
    };
    fixture.store().materialize(&[request]).unwrap_err()
}

#[test]
fn a_tree_replaces_nothing() {
    let fixture = Fixture::new();
    fixture.write("tree/file", b"new");
    let root = fixture.ingest_tree(&fixture.path("tree"));
    fs::create_dir(fixture.path("empty")).unwrap();
    fixture.write("file", b"old");
    for name in ["tree", "empty", "file"] {
        let path = fixture.path(name);
        let error = refused(&fixture, &path, root);
        assert!(
            matches!(&error, StoreError::Exists { path: there } if *there == path),
            "{error:?}"
        );
    }
    assert_eq!(fs::read_dir(fixture.path("empty")).unwrap().count(), 0);
}

#[test]
fn many_threads_lay_one_tree_down_and_one_does() {
    let fixture = Fixture::new();
    for number in 0..50 {
        fixture.write(&format!("tree/{number}"), number.to_string().as_bytes());
    }
    let root = fixture.ingest_tree(&fixture.path("tree"));
    let out = fixture.path("parent/out");
    let request = [MaterializeRequest {
        path: out.to_string(),
        content: Content::Tree { root },
        placement: Placement::Copy,
    }];
    let laid: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| fixture.store().materialize(&request).is_ok()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(laid.iter().filter(|laid| **laid).count(), 1);
    assert_eq!(fixture.ingest_tree(&out), root);
    assert_eq!(
        fs::read_dir(fixture.path("parent")).unwrap().count(),
        1,
        "nothing unfinished is left"
    );
}

#[test]
fn a_special_file_in_a_tree_is_refused_by_name() {
    let fixture = Fixture::new();
    fixture.write("tree/sub/file", b"x");
    let socket = fixture.path("tree/sub/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let error = fixture.ingest(&fixture.path("tree"), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{socket}` is a socket, which cannot be stored")
    );
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let fixture = Fixture::new();
    let dir = fixture.path("tree");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.as_std_path().join(std::ffi::OsStr::from_bytes(b"\xff")), b"").unwrap();
    let error = fixture.ingest(&dir, false).unwrap_err();
    assert!(matches!(error, StoreError::NotUtf8 { .. }), "{error:?}");
}

#[test]
fn a_tree_that_is_too_deep_is_refused() {
    let fixture = Fixture::new();
    let mut path = fixture.path("tree");
    for _ in 0..150 {
        path.push("d");
    }
    fs::create_dir_all(&path).unwrap();
    let error = fixture.ingest(&fixture.path("tree"), false).unwrap_err();
    assert!(matches!(error, StoreError::TooDeep { .. }), "{error:?}");
}

/// Trees that only somebody else can have made.
#[test]
fn trees_that_are_none_are_missing() {
    let fixture = Fixture::new();
    let no_directory = fixture.store().put_blob(b"not a directory").unwrap();
    let out = fixture.path("out");
    assert_eq!(
        fixture.lay(&out, Content::Tree { root: no_directory }, Placement::Link),
        [no_directory]
    );

    let mut deepest = fixture.store().put_blob(b"").unwrap();
    for _ in 0..200 {
        let directory = Directory {
            directories: vec![DirectoryNode {
                name: "d".into(),
                digest: deepest,
            }],
            ..Directory::default()
        };
        deepest = fixture.store().put_blob(&directory.encode()).unwrap();
    }
    assert_eq!(
        fixture
            .lay(&out, Content::Tree { root: deepest }, Placement::Link)
            .len(),
        1
    );
    assert!(!out.exists());
}
