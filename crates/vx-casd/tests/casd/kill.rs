//! A process that writes to a store and is killed: the store opens, and what it says is right.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;
use vx_casd::Store;
use vx_model::{ActionResult, Digest};

use crate::fixture::{Fixture, inputs, key, result_of};

/// Set for the process that is to be killed: the directory of its store.
const VICTIM: &str = "CASD_TEST_VICTIM";

fn content(number: usize) -> Vec<u8> {
    format!("{number} ").into_bytes().repeat(number % 700 + 1)
}

fn result(number: usize) -> ActionResult {
    result_of(Digest::of(&content(number)))
}

/// Not a test by itself: what [`a_killed_writer_leaves_a_store_that_opens`] starts and kills.
#[test]
fn victim() {
    let Ok(root) = env::var(VICTIM) else { return };
    let store = Store::open(&Utf8PathBuf::from(root)).unwrap();
    let mut told = std::io::stdout().lock();
    for number in 0.. {
        store.put_blob(&content(number)).unwrap();
        let name = number.to_string();
        store
            .put_result(&key("weak"), &inputs(&name), &key(&name), &result(number))
            .unwrap();
        if number % 10 == 9 {
            store.flush().unwrap();
            writeln!(told, "\nflushed {number}").unwrap();
        }
    }
}

/// Lets a writer go on until it has told of `flushes` flushes, and kills it; answers the last result it told of.
fn write_and_kill(fixture: &Fixture, flushes: usize) -> usize {
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["kill::victim", "--exact", "--nocapture"])
        .env(VICTIM, fixture.path("cas"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(victim.stdout.take().unwrap()).lines();
    let last = told
        .filter_map(|line| line.unwrap().strip_prefix("flushed ")?.parse().ok())
        .nth(flushes - 1);
    victim.kill().unwrap();
    victim.wait().unwrap();
    last.unwrap()
}

#[test]
fn a_killed_writer_leaves_a_store_that_opens() {
    let mut fixture = Fixture::new();
    for flushes in [1, 2, 5, 3] {
        fixture.close();
        let last = write_and_kill(&fixture, flushes);
        fixture.reopen();
        assert!(!fixture.path("cas/index.redb.damaged").exists());
        for number in 0..=last {
            let name = number.to_string();
            assert_eq!(
                fixture.store().get_result(&key(&name)),
                Some(result(number)),
                "it was flushed"
            );
            let digest = Digest::of(&content(number));
            assert_eq!(fixture.store().get_blob(&digest), Some(content(number)));
        }
        for number in last + 1..last + 100 {
            let found = fixture.store().get_result(&key(&number.to_string()));
            assert!(found.is_none_or(|found| found == result(number)));
        }
        assert_eq!(fixture.path("cas/tmp").read_dir().unwrap().count(), 0);
    }
}
