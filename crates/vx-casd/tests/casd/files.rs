//! Files in and out of the store.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use camino::Utf8Path;
use vx_casd::StoreError;
use vx_model::Digest;
use vx_proto::{IngestRequest, Ingested, MaterializeRequest, Placement};

use crate::fixture::{Fixture, file, program};

fn mode(path: &Utf8Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn make_executable(path: &Utf8Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a program of the user's gets: the most that the umask of this process leaves.
fn users_mode(fixture: &Fixture, executable: bool) -> u32 {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = fixture.path("umask-probe");
    let wanted = if executable { 0o777 } else { 0o666 };
    fs::File::options()
        .write(true)
        .create_new(true)
        .mode(wanted)
        .open(&path)
        .unwrap();
    let mode = mode(&path);
    fs::remove_file(&path).unwrap();
    mode
}

#[test]
fn a_blob_is_read_back() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"content").unwrap();
    assert_eq!(digest, Digest::of(b"content"));
    assert_eq!(fixture.store().get_blob(&digest), Some(b"content".to_vec()));
    assert_eq!(fixture.store().get_blob(&Digest::of(b"other")), None);
    assert_eq!(mode(&fixture.blob(&digest, false)), 0o444);
}

#[test]
fn a_digest_with_another_size_is_another_blob() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"content").unwrap();
    let wrong = Digest {
        size_bytes: 8,
        ..digest
    };
    assert_eq!(fixture.store().get_blob(&wrong), None);
    assert_eq!(fixture.lay(&fixture.path("out"), file(wrong), Placement::Link), [wrong]);
    assert!(!fixture.path("out").exists());
}

#[test]
fn a_file_is_copied_in_and_left_alone() {
    let fixture = Fixture::new();
    let source = fixture.write("source", b"text");
    let ingested = fixture.ingest(&source, false).unwrap();
    assert_eq!(
        ingested,
        Ingested::File {
            digest: Digest::of(b"text"),
            is_executable: false
        }
    );
    assert_eq!(fs::read(&source).unwrap(), b"text");
    assert_ne!(
        fs::metadata(&source).unwrap().ino(),
        fs::metadata(fixture.blob(&Digest::of(b"text"), false)).unwrap().ino()
    );
}

#[test]
fn a_consumed_file_is_moved_in() {
    let fixture = Fixture::new();
    let source = fixture.write("source", b"program");
    make_executable(&source);
    let inode = fs::metadata(&source).unwrap().ino();
    let ingested = fixture.ingest(&source, true).unwrap();
    let digest = Digest::of(b"program");
    assert_eq!(
        ingested,
        Ingested::File {
            digest,
            is_executable: true
        }
    );
    assert!(!source.exists());
    let blob = fixture.blob(&digest, true);
    assert_eq!((fs::metadata(&blob).unwrap().ino(), mode(&blob)), (inode, 0o555));
}

#[test]
fn a_file_with_other_names_is_not_moved_in() {
    let fixture = Fixture::new();
    let source = fixture.write("source", b"shared");
    let other_name = fixture.path("other-name");
    fs::hard_link(&source, &other_name).unwrap();
    fixture.ingest(&source, true).unwrap();
    assert!(!source.exists());
    fs::write(&other_name, b"changed").unwrap();
    assert_eq!(
        fixture.store().get_blob(&Digest::of(b"shared")),
        Some(b"shared".to_vec())
    );
}

#[test]
fn what_a_consumed_link_leads_to_stays() {
    let fixture = Fixture::new();
    let target = fixture.write("target", b"precious");
    let link = fixture.path("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let ingested = fixture.ingest(&link, true).unwrap();
    assert!(matches!(ingested, Ingested::File { digest, .. } if digest == Digest::of(b"precious")));
    assert!(target.exists());
}

#[test]
fn nothing_is_absent_and_odd_things_are_named() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.ingest(&fixture.path("nothing"), false).unwrap(),
        Ingested::Absent
    );
    let relative = fixture.ingest(Utf8Path::new("relative"), false);
    assert!(matches!(relative, Err(StoreError::NotAbsolute { .. })), "{relative:?}");
    let socket = fixture.path("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let refused = fixture.ingest(&socket, false).unwrap_err();
    assert!(
        matches!(&refused, StoreError::SpecialFile { path, kind: "socket" } if *path == socket),
        "{refused:?}"
    );
}

#[test]
fn a_link_is_the_blob_itself() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"x").unwrap();
    let out = fixture.path("deep/er/out");
    assert_eq!(fixture.lay(&out, file(digest), Placement::Link), []);
    let blob = fixture.blob(&digest, false);
    assert_eq!(fs::metadata(&out).unwrap().ino(), fs::metadata(&blob).unwrap().ino());
    // Once more, over itself, and over something else.
    assert_eq!(fixture.lay(&out, file(digest), Placement::Link), []);
    let other = fixture.write("deep/er/other", b"old");
    assert_eq!(fixture.lay(&other, file(digest), Placement::Link), []);
    assert_eq!(fs::read(&other).unwrap(), b"x");
    assert_eq!(
        fs::read_dir(fixture.path("deep/er")).unwrap().count(),
        2,
        "nothing unfinished is left"
    );
}

#[test]
fn a_copy_is_the_users_own() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"x").unwrap();
    let out = fixture.write("out", b"old");
    assert_eq!(fixture.lay(&out, file(digest), Placement::Copy), []);
    assert_eq!(mode(&out), users_mode(&fixture, false));
    fs::write(&out, b"changed by the user").unwrap();
    assert_eq!(fixture.store().get_blob(&digest), Some(b"x".to_vec()));

    let tool = fixture.path("tool");
    assert_eq!(fixture.lay(&tool, program(digest), Placement::Copy), []);
    assert_eq!(mode(&tool), users_mode(&fixture, true));
    assert_eq!(fixture.blob_files().len(), 1, "a copy needs no second blob");
}

#[test]
fn a_copy_replaces_a_link_and_not_what_it_leads_to() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"new").unwrap();
    let target = fixture.write("target", b"old");
    let out = fixture.path("out");
    std::os::unix::fs::symlink(&target, &out).unwrap();
    assert_eq!(fixture.lay(&out, file(digest), Placement::Copy), []);
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert!(!out.is_symlink());
}

#[test]
fn a_blob_is_linked_with_either_mode() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"#!/bin/true\n").unwrap();
    let (plain, tool) = (fixture.path("plain"), fixture.path("tool"));
    assert_eq!(fixture.lay(&tool, program(digest), Placement::Link), []);
    assert_eq!(fixture.lay(&plain, file(digest), Placement::Link), []);
    assert_eq!((mode(&plain), mode(&tool)), (0o444, 0o555));
    assert_eq!(fixture.store().status().blobs, 2);
}

/// Another file system, where there is one: links are refused, copies stand in.
#[test]
fn a_link_to_another_file_system_is_a_copy() {
    let fixture = Fixture::new();
    let Ok(shm) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let out = Utf8Path::from_path(shm.path()).unwrap().join("out");
    let digest = fixture.store().put_blob(b"x").unwrap();
    assert_eq!(fixture.lay(&out, file(digest), Placement::Link), []);
    assert_eq!((fs::read(&out).unwrap(), mode(&out)), (b"x".to_vec(), 0o444));
    fs::write(shm.path().join("in"), b"from there").unwrap();
    let ingested = fixture.ingest(&out.with_file_name("in"), true).unwrap();
    assert!(matches!(ingested, Ingested::File { digest, .. } if digest == Digest::of(b"from there")));
    assert!(!shm.path().join("in").exists());
}

#[test]
fn what_is_missing_does_not_stop_the_rest() {
    let fixture = Fixture::new();
    let here = fixture.store().put_blob(b"here").unwrap();
    let (gone, gone_too) = (Digest::of(b"gone"), Digest::of(b"gone too"));
    let request = |name: &str, digest| MaterializeRequest {
        path: fixture.path(name).into_string(),
        content: file(digest),
        placement: Placement::Copy,
    };
    let requests = [
        request("a", gone),
        request("b", here),
        request("c", gone_too),
        request("d", gone),
    ];
    let mut missing = vec![gone, gone_too];
    missing.sort();
    assert_eq!(fixture.store().materialize(&requests).unwrap(), missing);
    assert_eq!(fs::read(fixture.path("b")).unwrap(), b"here");
    assert!(!fixture.path("a").exists());
}

#[test]
fn an_impossible_path_is_an_error() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"x").unwrap();
    fixture.write("file", b"");
    let request = MaterializeRequest {
        path: fixture.path("file/below").into_string(),
        content: file(digest),
        placement: Placement::Copy,
    };
    let refused = fixture.store().materialize(&[request]).unwrap_err();
    assert!(matches!(refused, StoreError::Io { .. }), "{refused:?}");
}

#[test]
fn texts_are_found_in_blobs() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"reads CC and CARGO_CFG_TARGET_OS").unwrap();
    let texts = ["CXX", "CARGO_CFG_TARGET_OS", "CC"].map(String::from);
    assert_eq!(fixture.store().texts_in(&digest, &texts, true), Some(vec![0, 1, 1]));
    assert_eq!(fixture.store().texts_in(&Digest::of(b"missing"), &[], true), None);
}

#[test]
fn texts_are_found_in_trees_and_in_their_links() {
    let fixture = Fixture::new();
    fixture.write("tree/a", b"/home/ann");
    fixture.write("tree/deep/b", b"/home/ann and /home/ann");
    std::os::unix::fs::symlink("/home/ann/x", fixture.path("tree/deep/link")).unwrap();
    let request = IngestRequest {
        path: fixture.path("tree").into_string(),
        consume: false,
    };
    let Ingested::Tree { root } = fixture.store().ingest(&request).unwrap() else {
        panic!("a directory is a tree");
    };
    let texts = ["/home/ann", "/home/eve"].map(String::from);
    assert_eq!(fixture.store().texts_in_tree(&root, &texts, true), Some(vec![4, 0]));
    assert_eq!(
        fixture.store().texts_in_tree(&Digest::of(b"missing"), &texts, true),
        None
    );
}

#[test]
fn many_threads_take_in_the_same_and_different_files() {
    let fixture = Fixture::new();
    let contents: Vec<Vec<u8>> = (0..8_u8).map(|n| vec![n; 10_000]).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (fixture, contents) = (&fixture, &contents);
            scope.spawn(move || {
                for (number, content) in contents.iter().enumerate() {
                    let path = fixture.write(&format!("{thread}/{number}"), content);
                    let ingested = fixture.ingest(&path, thread % 2 == 0).unwrap();
                    assert!(matches!(ingested, Ingested::File { digest, .. } if digest == Digest::of(content)));
                    let out = fixture.path(&format!("{thread}/out-{number}"));
                    assert_eq!(fixture.lay(&out, file(Digest::of(content)), Placement::Link), []);
                    assert_eq!(fixture.store().get_blob(&Digest::of(content)).as_ref(), Some(content));
                }
            });
        }
    });
    let status = fixture.store().status();
    assert_eq!((status.blobs, status.bytes), (8, 80_000));
    assert_eq!(fs::read_dir(fixture.path("cas/tmp")).unwrap().count(), 0);
}
