//! Servers that break off, refuse and stall; processes that come together, and that die half-way.

use std::fs;
use std::sync::Arc;

use vx_dist_server::Misbehaviour;

use crate::world::{World, files, spec};

#[tokio::test(flavor = "multi_thread")]
async fn passing_troubles_pass() {
    let refuse = |status| Misbehaviour::Refuse { status, times: 2 };
    for troubles in [
        vec![Misbehaviour::Cut { after: 100, times: 3 }],
        // What was cut cannot be continued.
        vec![Misbehaviour::Cut { after: 100, times: 1 }, Misbehaviour::NoRanges],
        vec![Misbehaviour::Trickle],
        vec![refuse(429)],
        vec![refuse(500), refuse(503)],
        vec![Misbehaviour::Redirect],
    ] {
        let world = World::new();
        for trouble in &troubles {
            world.server.misbehave("rustc-1.1.1", trouble.clone());
        }
        let acquired = world.acquire(&spec("stable")).await;
        let acquired = acquired.unwrap_or_else(|error| panic!("{troubles:?}: {error:?}"));
        assert!(acquired.directory.join("bin/rustc").is_file());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_at_once_ask_for_each_file_once() {
    let world = World::new();
    let spec = spec("stable");
    // A store of its own each, as in processes of their own.
    let acquiring = (0..16).map(|_| world.acquire(&spec));
    let acquired = futures::future::try_join_all(acquiring).await.unwrap();
    assert!(acquired.iter().all(|one| *one == acquired[0]));
    let requests = world.server.requests();
    assert!(requests.values().all(|count| *count == 1), "{requests:?}");
    assert_eq!(requests.len(), 5, "the checksum, the manifest and three components");
    assert_eq!(world.toolchains().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_given_up_is_continued() {
    let world = Arc::new(World::new());
    world
        .server
        .misbehave("rustc-1.1.1", Misbehaviour::Stall { after: 100 });
    let stalled = {
        let world = world.clone();
        tokio::task::spawn_blocking(move || world.server.wait_for_stall())
    };
    let spec = spec("stable");
    let given_up = tokio::select! {
        acquired = world.acquire(&spec) => Some(acquired),
        _ = stalled => None,
    };
    assert!(given_up.is_none());
    assert_eq!(world.toolchains(), [""; 0]);
    world.acquire(&spec).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_had_unpacked_is_replaced() {
    let world = World::new();
    let acquired = world.acquire(&spec("stable")).await.unwrap();
    let whole = files(&acquired.directory);
    // As if the process had died before the last rename.
    let name = acquired.directory.file_name().unwrap();
    let partial = acquired.directory.with_file_name(format!(".{name}.partial"));
    fs::rename(&acquired.directory, &partial).unwrap();
    fs::write(partial.join("junk"), "junk").unwrap();
    fs::remove_file(partial.join("bin/rustc")).unwrap();

    assert_eq!(world.acquire(&spec("stable")).await.unwrap(), acquired);
    assert_eq!(files(&acquired.directory), whole);
    assert!(!partial.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_is_fetched_again() {
    let world = World::new();
    let acquired = world.acquire(&spec("stable")).await.unwrap();
    fs::remove_dir_all(&acquired.directory).unwrap();
    let downloads = world.downloads().join("sha256");
    for path in files(&downloads).keys() {
        fs::write(downloads.join(path), "damaged").unwrap();
    }
    world.acquire(&spec("stable")).await.unwrap();
    let requests = world.server.requests();
    let archives = requests.iter().filter(|(path, _)| path.contains(".tar."));
    assert!(archives.into_iter().all(|(_, count)| *count == 2), "{requests:?}");
}
