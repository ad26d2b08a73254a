//! The directory and the index of a store: versions, locks, leftovers, damage.

use std::fs;

use proptest::prelude::*;
use proptest::sample::Index;
use vx_casd::{Store, StoreError};
use vx_model::Digest;
use vx_proto::RecordKey;

use crate::fixture::{Fixture, inputs, key, result_of};

fn record() -> RecordKey {
    RecordKey {
        table: "plan".into(),
        key: "k".into(),
    }
}

/// Puts one of each thing into the store.
fn fill(fixture: &Fixture) -> Digest {
    let digest = fixture.store().put_blob(b"content").unwrap();
    let store = fixture.store();
    store
        .put_result(&key("weak"), &inputs("A"), &key("strong"), &result_of(digest))
        .unwrap();
    store.put_record(&record(), b"record").unwrap();
    digest
}

/// Everything that the store says is right or a miss.
fn check(fixture: &Fixture, digest: Digest) {
    let store = fixture.store();
    let blob = store.get_blob(&digest);
    assert!(blob.is_none_or(|content| content == b"content"));
    let result = store.get_result(&key("strong"));
    assert!(result.is_none_or(|result| result == result_of(digest)));
    let sets = store.input_sets(&key("weak"));
    assert!(sets.is_empty() || sets == [inputs("A")]);
    let record = store.get_record(&record());
    assert!(record.is_none_or(|value| value == b"record"));
}

/// The store does everything that a new one does.
fn check_usable(fixture: &Fixture) {
    let digest = fill(fixture);
    let store = fixture.store();
    assert_eq!(store.get_blob(&digest), Some(b"content".to_vec()));
    assert_eq!(store.get_result(&key("strong")), Some(result_of(digest)));
    assert_eq!(store.get_record(&record()), Some(b"record".to_vec()));
}

#[test]
fn a_store_is_open_once() {
    let fixture = Fixture::new();
    let second = Store::open(&fixture.path("cas"));
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
}

#[test]
fn a_store_of_another_format_is_cleared() {
    for version in [Some("0\n"), Some("2\n"), Some(""), None] {
        let mut fixture = Fixture::new();
        let digest = fill(&fixture);
        fixture.close();
        let path = fixture.path("cas/version");
        match version {
            Some(version) => fs::write(path, version).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        fixture.reopen();
        assert_eq!(fixture.store().get_blob(&digest), None);
        assert_eq!(
            (fixture.store().status().blobs, fixture.store().status().results),
            (0, 0)
        );
        check_usable(&fixture);
        fixture.reopen();
        assert_eq!(
            fixture.store().get_blob(&digest),
            Some(b"content".to_vec()),
            "the new store stays"
        );
    }
}

#[test]
fn torn_files_are_removed() {
    let mut fixture = Fixture::new();
    fixture.close();
    fixture.write("cas/tmp/in-torn", b"half of something");
    fixture.write("cas/tmp/dir/in-torn", b"half of something");
    fixture.write("cas/thrown-away-1/old/in-torn", b"half removed");
    fixture.reopen();
    assert_eq!(fs::read_dir(fixture.path("cas/tmp")).unwrap().count(), 0);
    check_usable(&fixture);
}

#[test]
fn sums_are_right_after_opening() {
    let mut fixture = Fixture::new();
    fixture.store().put_blob(b"123").unwrap();
    fixture.store().put_blob(b"4567").unwrap();
    let before = fixture.store().status();
    assert_eq!((before.blobs, before.bytes), (2, 7));
    fixture.reopen();
    assert_eq!(fixture.store().status(), before);
}

#[test]
fn a_store_without_its_index_knows_its_blobs_by_hashing() {
    let mut fixture = Fixture::new();
    let digest = fill(&fixture);
    fixture.close();
    fs::remove_file(fixture.path("cas/index.redb")).unwrap();
    fixture.reopen();
    assert_eq!(fixture.store().status().blobs, 0);
    assert!(fixture.store().has_blob(&digest));
    assert_eq!(fixture.store().status().blobs, 1);
    assert_eq!(fixture.store().get_result(&key("strong")), None);
}

#[test]
fn an_index_that_is_none_is_begun_anew() {
    for content in [&b"not a database"[..], &[0; 8192], &[0xff; 100_000]] {
        let mut fixture = Fixture::new();
        let digest = fill(&fixture);
        fixture.close();
        fs::write(fixture.path("cas/index.redb"), content).unwrap();
        fixture.reopen();
        assert_eq!(
            fs::read(fixture.path("cas/index.redb.damaged")).unwrap(),
            content,
            "it is moved aside"
        );
        check(&fixture, digest);
        check_usable(&fixture);
    }
}

/// The content of the index changes under the open store.
#[test]
fn an_index_that_is_damaged_while_open_is_survived() {
    let mut fixture = Fixture::new();
    let digest = fill(&fixture);
    fixture.store().flush().unwrap();
    let path = fixture.path("cas/index.redb");
    let length = fs::metadata(&path).unwrap().len();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(0).unwrap();
    file.set_len(length).unwrap();
    check(&fixture, digest);
    check_usable(&fixture);
    let _ = fixture.store().flush();
    fixture.reopen();
    check(&fixture, digest);
    check_usable(&fixture);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_damaged_index_gives_misses(
        flips in prop::collection::vec((any::<Index>(), 1_u8..), 1..20),
        cut in prop::option::weighted(0.3, any::<Index>()),
    ) {
        let mut fixture = Fixture::new();
        let digest = fill(&fixture);
        fixture.close();
        let path = fixture.path("cas/index.redb");
        let mut bytes = fs::read(&path).unwrap();
        // Most of a small database is empty: aim at what is not.
        let full: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        for (at, mask) in flips {
            bytes[*at.get(&full)] ^= mask;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(&path, bytes).unwrap();
        fixture.reopen();
        check(&fixture, digest);
        check_usable(&fixture);
    }
}
