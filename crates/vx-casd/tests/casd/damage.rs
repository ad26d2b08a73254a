//! Blobs that vanish or change are misses, whatever they were and whoever asks; and they can be stored again.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use vx_model::{ActionResult, Digest, OutputTree, Root, RootedPath};
use vx_proto::{Content, Placement};

use crate::fixture::{Fixture, file, inputs, key, program, result_of};

/// What it is called, and how it is done to the file of a blob.
type Damage = (&'static str, fn(&Utf8Path));

/// Ways to damage a file.
const WAYS: &[Damage] = &[
    ("removed", |path| fs::remove_file(path).unwrap()),
    ("emptied", |path| drop(fs::File::create(writable(path)).unwrap())),
    ("cut", |path| {
        fs::File::options()
            .write(true)
            .open(writable(path))
            .unwrap()
            .set_len(3)
            .unwrap()
    }),
    ("lengthened", |path| {
        fs::File::options()
            .append(true)
            .open(writable(path))
            .unwrap()
            .write_all(b"x")
            .unwrap()
    }),
    ("a bit flipped", |path| {
        let mode = fs::metadata(path).unwrap().permissions();
        flip(writable(path), 2);
        fs::set_permissions(path, mode).unwrap();
    }),
    ("replaced by another file of the same size", |path| {
        let content = vec![b'?'; fs::read(path).unwrap().len()];
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    }),
    ("replaced by a copy that is as old and differs", |path| {
        let modified = fs::metadata(path).unwrap().modified().unwrap();
        let mode = fs::metadata(path).unwrap().permissions();
        let content = vec![b'?'; fs::read(path).unwrap().len()];
        let copy = path.with_extension("copy");
        fs::write(&copy, content).unwrap();
        fs::File::options()
            .write(true)
            .open(&copy)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        fs::set_permissions(&copy, mode).unwrap();
        fs::rename(&copy, path).unwrap();
    }),
    ("replaced by a directory", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("x"), b"").unwrap();
    }),
    ("replaced by a link to nowhere", |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("nowhere", path).unwrap();
    }),
    ("replaced by a pipe", |path| {
        fs::remove_file(path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path.as_std_path(),
            rustix::fs::FileType::Fifo,
            0o444.into(),
            0,
        )
        .unwrap();
    }),
];

fn writable(path: &Utf8Path) -> &Utf8Path {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

fn flip(path: &Utf8Path, at: u64) {
    let byte = fs::read(path).unwrap()[usize::try_from(at).unwrap()];
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(std::io::SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte ^ 1]).unwrap();
}

/// Stores `content`, damages its file in every way, and lets `is_miss` ask for it; in the process that stored it and in one
/// that begins with what the index says.
fn each_damage(content: &[u8], executable: bool, is_miss: impl Fn(&Fixture, &Digest) -> bool) {
    for (way, damage) in WAYS {
        for reopened in [false, true] {
            let mut fixture = Fixture::new();
            let source = fixture.write("source", content);
            let mode = if executable { 0o755 } else { 0o644 };
            fs::set_permissions(&source, fs::Permissions::from_mode(mode)).unwrap();
            let digest = fixture.ingest_file(&source);
            if reopened {
                fixture.reopen();
            }
            damage(&fixture.blob(&digest, executable));
            assert!(is_miss(&fixture, &digest), "{way}, reopened: {reopened}");
            assert!(!fixture.store().has_blob(&digest), "{way}: it stays a miss");
            assert_eq!(fixture.store().status().blobs, 0, "{way}");

            assert_eq!(fixture.ingest_file(&source), digest);
            assert_eq!(
                fixture.store().get_blob(&digest).as_deref(),
                Some(content),
                "{way}: it was stored again"
            );
        }
    }
}

#[test]
fn reading_misses() {
    each_damage(b"content", false, |fixture, digest| {
        fixture.store().get_blob(digest).is_none()
    });
}

#[test]
fn searching_misses() {
    each_damage(b"content", true, |fixture, digest| {
        fixture.store().texts_in(digest, &["content".into()], true).is_none()
    });
}

#[test]
fn linking_misses() {
    each_damage(b"content", false, |fixture, digest| {
        let out = fixture.path("out");
        fixture.lay(&out, file(*digest), Placement::Link) == [*digest] && !out.exists()
    });
}

#[test]
fn linking_with_the_other_mode_misses() {
    each_damage(b"content", false, |fixture, digest| {
        fixture.lay(&fixture.path("out"), program(*digest), Placement::Link) == [*digest]
    });
}

#[test]
fn copying_misses() {
    each_damage(b"content", true, |fixture, digest| {
        let out = fixture.write("out", b"old");
        let missing = fixture.lay(&out, program(*digest), Placement::Copy);
        missing == [*digest] && fs::read(&out).unwrap() == b"old"
    });
}

#[test]
fn results_miss() {
    each_damage(b"content", false, |fixture, digest| {
        let store = fixture.store();
        store
            .put_result(&key("weak"), &inputs("A"), &key("strong"), &result_of(*digest))
            .unwrap();
        store.get_result(&key("strong")).is_none() && store.status().results == 0
    });
}

/// A tree of three levels; each of its blobs is damaged in turn.
#[test]
fn trees_miss_whichever_blob_is_damaged() {
    let count = {
        let fixture = Fixture::new();
        store_tree(&fixture);
        fixture.blob_files().len()
    };
    assert_eq!(count, 3 + 3, "three directories, three files");
    for number in 0..count {
        for (way, damage) in WAYS {
            let fixture = Fixture::new();
            let root = store_tree(&fixture);
            let result = ActionResult {
                trees: vec![OutputTree {
                    path: RootedPath::new(Root::Exec, "out"),
                    root,
                }],
                ..ActionResult::default()
            };
            fixture
                .store()
                .put_result(&key("weak"), &inputs("A"), &key("strong"), &result)
                .unwrap();
            assert_eq!(fixture.store().get_result(&key("strong")), Some(result));

            let blob = &fixture.blob_files()[number];
            damage(blob);
            let parent = fixture.path("parent");
            for placement in [Placement::Link, Placement::Copy] {
                let missing = fixture.lay(&parent.join("tree"), Content::Tree { root }, placement);
                let name = [blob.parent().unwrap().file_name().unwrap(), blob.file_stem().unwrap()].concat();
                assert_eq!(missing.iter().map(Digest::hex).collect::<Vec<_>>(), [name], "{way}");
                assert!(
                    !parent.exists() || parent.read_dir().unwrap().count() == 0,
                    "nothing is half laid"
                );
            }
            assert_eq!(fixture.store().get_result(&key("strong")), None, "{way}");
        }
    }
}

fn store_tree(fixture: &Fixture) -> Digest {
    fixture.write("tree/a", b"file a");
    fixture.write("tree/sub/b", b"file b");
    fixture.write("tree/sub/sub/c", b"file c");
    fixture.ingest_tree(&fixture.path("tree"))
}

#[test]
fn diagnostics_that_are_gone_make_a_result_miss() {
    let fixture = Fixture::new();
    for (stream, content) in ["stdout", "stderr"].into_iter().zip([b"1", b"2"]) {
        let digest = fixture.store().put_blob(content).unwrap();
        let mut result = ActionResult::default();
        match stream {
            "stdout" => result.stdout = Some(digest),
            _ => result.stderr = Some(digest),
        }
        fixture
            .store()
            .put_result(&key("weak"), &inputs("A"), &key(stream), &result)
            .unwrap();
        assert_eq!(fixture.store().get_result(&key(stream)), Some(result));
        fs::remove_file(fixture.blob(&digest, false)).unwrap();
        assert_eq!(fixture.store().get_result(&key(stream)), None);
    }
}

/// Whoever writes through a link in an exec root damages the blob; that shows, and the blob goes.
#[test]
fn writing_through_a_link_is_found_out() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"content").unwrap();
    let link = fixture.path("exec/lib.rlib");
    fixture.lay(&link, file(digest), Placement::Link);
    flip(writable(&link), 0);
    assert_eq!(
        fixture.lay(&fixture.path("out"), file(digest), Placement::Copy),
        [digest]
    );
}

#[test]
fn a_blob_that_only_looks_touched_is_kept_and_mended() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"content").unwrap();
    let blob = fixture.blob(&digest, false);
    let file = fs::File::options().append(true).open(writable(&blob)).unwrap();
    file.set_modified(std::time::SystemTime::now()).unwrap();
    assert!(fixture.store().has_blob(&digest));
    assert_eq!(fs::metadata(&blob).unwrap().permissions().mode() & 0o777, 0o444);
}

#[test]
fn directories_of_the_store_that_vanish_are_made_again() {
    let fixture = Fixture::new();
    let digest = fixture.store().put_blob(b"content").unwrap();
    fs::remove_dir_all(fixture.path("cas/blobs")).unwrap();
    fs::remove_dir_all(fixture.path("cas/tmp")).unwrap();
    assert_eq!(fixture.store().get_blob(&digest), None);
    assert_eq!(fixture.store().put_blob(b"content").unwrap(), digest);
    fs::remove_dir_all(fixture.path("cas/tmp")).unwrap();
    let source = fixture.write("source", b"other");
    assert!(fixture.ingest(&source, true).is_ok());
    assert_eq!(fixture.store().get_blob(&digest), Some(b"content".to_vec()));
}
