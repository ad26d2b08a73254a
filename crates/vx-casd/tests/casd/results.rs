//! The action cache and the records.

use vx_model::{ActionResult, InputSet};
use vx_proto::RecordKey;

use crate::fixture::{Fixture, inputs, key, result_of};

fn put(fixture: &Fixture, weak: &str, set: &InputSet, strong: &str) -> ActionResult {
    let result = result_of(fixture.store().put_blob(strong.as_bytes()).unwrap());
    fixture
        .store()
        .put_result(&key(weak), set, &key(strong), &result)
        .unwrap();
    result
}

#[test]
fn a_result_is_found_also_by_the_next_process() {
    let mut fixture = Fixture::new();
    let result = put(&fixture, "w", &inputs("A"), "s");
    for _ in 0..2 {
        assert_eq!(fixture.store().input_sets(&key("w")), [inputs("A")]);
        assert_eq!(fixture.store().get_result(&key("s")), Some(result.clone()));
        assert_eq!(fixture.store().status().results, 1);
        fixture.reopen();
    }
    assert_eq!(fixture.store().input_sets(&key("other")), []);
    assert_eq!(fixture.store().get_result(&key("other")), None);
}

#[test]
fn a_later_result_replaces_an_earlier_one() {
    let fixture = Fixture::new();
    put(&fixture, "w", &inputs("A"), "s");
    let later = ActionResult {
        duration_ms: 7,
        ..ActionResult::default()
    };
    fixture
        .store()
        .put_result(&key("w"), &inputs("A"), &key("s"), &later)
        .unwrap();
    assert_eq!(fixture.store().get_result(&key("s")), Some(later));
    assert_eq!(fixture.store().input_sets(&key("w")).len(), 1);
}

#[test]
fn the_set_used_last_comes_first() {
    let mut fixture = Fixture::new();
    for name in ["A", "B", "C"] {
        put(&fixture, "w", &inputs(name), name);
    }
    assert_eq!(fixture.store().input_sets(&key("w")), ["C", "B", "A"].map(inputs));
    fixture.store().get_result(&key("A")).unwrap();
    assert_eq!(fixture.store().input_sets(&key("w")), ["A", "C", "B"].map(inputs));
    put(&fixture, "w", &inputs("B"), "B2");
    assert_eq!(fixture.store().input_sets(&key("w")), ["B", "A", "C"].map(inputs));
    fixture.reopen();
    assert_eq!(fixture.store().input_sets(&key("w")), ["B", "A", "C"].map(inputs));
}

#[test]
fn the_sets_of_a_key_are_limited_and_the_oldest_go() {
    let fixture = Fixture::new();
    put(&fixture, "other", &inputs("kept"), "other");
    for number in 0..32 {
        put(&fixture, "w", &inputs(&number.to_string()), &number.to_string());
    }
    // The first is used again, so the second is the oldest.
    fixture.store().get_result(&key("0")).unwrap();
    put(&fixture, "w", &inputs("32"), "32");
    let sets = fixture.store().input_sets(&key("w"));
    assert_eq!(sets.len(), 32);
    assert_eq!(sets[..2], [inputs("32"), inputs("0")]);
    assert!(!sets.contains(&inputs("1")));
    assert_eq!(fixture.store().input_sets(&key("other")), [inputs("kept")]);
}

#[test]
fn records_are_kept_by_table_and_key() {
    let mut fixture = Fixture::new();
    let record = |table: &str, key: &str| RecordKey {
        table: table.into(),
        key: key.into(),
    };
    assert_eq!(fixture.store().get_record(&record("plan", "a")), None);
    fixture.store().put_record(&record("plan", "a"), b"1").unwrap();
    fixture.store().put_record(&record("plan", "a"), b"2").unwrap();
    fixture.store().put_record(&record("pla", "na"), b"3").unwrap();
    fixture.store().put_record(&record("", ""), b"").unwrap();
    for _ in 0..2 {
        assert_eq!(fixture.store().get_record(&record("plan", "a")), Some(b"2".to_vec()));
        assert_eq!(fixture.store().get_record(&record("pla", "na")), Some(b"3".to_vec()));
        assert_eq!(fixture.store().get_record(&record("", "")), Some(vec![]));
        fixture.reopen();
    }
}

#[test]
fn many_threads_record_and_look_up() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let fixture = &fixture;
            scope.spawn(move || {
                for number in 0..20 {
                    let name = format!("{thread}-{number}");
                    let result = put(fixture, "shared", &inputs(&name), &name);
                    assert_eq!(fixture.store().get_result(&key(&name)), Some(result));
                    assert!(fixture.store().input_sets(&key("shared")).len() <= 32);
                }
            });
        }
    });
    assert_eq!(fixture.store().status().results, 160);
}
