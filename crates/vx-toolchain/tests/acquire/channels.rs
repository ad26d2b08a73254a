//! Channels: what is looked up, how often, and what is said where it fails.

use std::fs;

use vx_dist_server::{Archive, Channel, DistServer, Format, Misbehaviour, Shelf};
use vx_toolchain::{AcquireError, ToolchainSpec};

use crate::world::{HOST, World, describe, files, official, release, shelf, spec};

#[tokio::test(flavor = "multi_thread")]
async fn a_toolchain_is_what_its_components_hold() {
    let world = World::new();
    let acquired = world.acquire(&spec("1.1.1")).await.unwrap();
    assert_eq!(acquired.name, format!("1.1.1-{HOST}"));
    let files = files(&acquired.directory);
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let rustlib = |name: &str| format!("lib/rustlib/{name}");
    let expected = [
        "bin/cargo".to_owned(),
        "bin/rustc".to_owned(),
        rustlib("components"),
        rustlib(&format!("manifest-cargo-{HOST}")),
        rustlib(&format!("manifest-rust-std-{HOST}")),
        rustlib(&format!("manifest-rustc-{HOST}")),
        rustlib("rust-installer-version"),
        rustlib(&format!("{HOST}/lib/libstd.rlib")),
        "release".to_owned(),
    ];
    assert_eq!(names, expected);
    let components = format!("cargo-{HOST}\nrust-std-{HOST}\nrustc-{HOST}\n");
    assert_eq!(files["lib/rustlib/components"], components.as_bytes());
    assert_eq!(
        world.told(),
        [
            format!("Downloading cargo-{HOST} (1.1.1)"),
            format!("Downloading rust-std-{HOST} (1.1.1)"),
            format!("Downloading rustc-{HOST} (1.1.1)"),
            format!("Installing 1.1.1-{HOST} (1.1.1)"),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_asked_for_again() {
    let world = World::new();
    let first = world.acquire(&spec("1.1.1")).await.unwrap();
    let (requests, told) = (world.requests(), world.told().len());
    assert_eq!(world.acquire(&spec("1.1.1")).await.unwrap(), first);
    assert_eq!((world.requests(), world.told().len()), (requests, told));
    assert!(world.server.requests().values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_name_for_the_same_release_is_the_same_toolchain() {
    let world = World::new();
    let one = world.acquire(&spec("1.1.1")).await.unwrap();
    let other = world.acquire(&spec("stable")).await.unwrap();
    assert_eq!(one.directory, other.directory);
    let asked = world.server.requests();
    let components = asked.iter().filter(|(path, _)| path.contains("tar"));
    assert!(components.into_iter().all(|(_, count)| *count == 1), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_more_component_costs_one_more_download() {
    let world = World::new();
    let plain = world.acquire(&spec("1.1.1")).await.unwrap();
    let requests = world.requests();
    let more = ToolchainSpec {
        components: vec!["rust-src".to_owned()],
        ..spec("1.1.1")
    };
    let more = world.acquire(&more).await.unwrap();
    assert_ne!(plain.directory, more.directory);
    assert!(more.directory.join("lib/rustlib/src/rust/library/lib.rs").is_file());
    assert_eq!(world.requests(), requests + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moving_channel_is_believed_for_a_day() {
    let world = World::new();
    world.acquire(&spec("stable")).await.unwrap();
    world.acquire(&spec("stable")).await.unwrap();
    assert_eq!(looked_up(&world), 1);

    set_age_of_memos(&world, 25 * 60 * 60);
    world.acquire(&spec("stable")).await.unwrap();
    assert_eq!(looked_up(&world), 2);

    let forced = world.store().with_forced_lookup();
    world.acquire_from(&forced, &spec("stable")).await.unwrap();
    assert_eq!(looked_up(&world), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_believed_for_ever() {
    let world = World::new();
    world.acquire(&spec("1.1.1")).await.unwrap();
    let requests = world.requests();
    set_age_of_memos(&world, 10_000 * 60 * 60);
    world.acquire(&spec("1.1.1")).await.unwrap();
    assert_eq!(world.requests(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_moved_is_followed() {
    let old = World::new();
    let before = old.acquire(&spec("stable")).await.unwrap();
    let rustc = Archive::new("rustc-1.1.2", "rustc").with("bin/rustc", b"newer", true);
    let newer = Channel::new("1.1.2", &official());
    let newer = ["cargo", "rust-std"].into_iter().fold(newer, |channel, package| {
        let archive = Archive::new(&format!("{package}-1.1.2"), package);
        channel.with(package, HOST, Format::Gz, archive.pack(Format::Gz))
    });
    let newer = newer.with("rustc", HOST, Format::Gz, rustc.pack(Format::Gz));
    // A mirror elsewhere: its address is another, so it is asked at once.
    let moved = old.with_server(DistServer::start(shelf(&newer)));
    let after = moved.acquire(&spec("stable")).await.unwrap();
    assert_ne!(before, after);
    assert_eq!(fs::read(after.directory.join("bin/rustc")).unwrap(), b"newer");
    assert_eq!(moved.toolchains().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_reached_leaves_the_channel_where_it_was() {
    let world = World::new();
    let before = world.acquire(&spec("stable")).await.unwrap();
    set_age_of_memos(&world, 25 * 60 * 60);
    let refuse = Misbehaviour::Refuse {
        status: 503,
        times: 100,
    };
    world.server.misbehave("", refuse);
    assert_eq!(world.acquire(&spec("stable")).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_uses_what_is_there_and_names_what_is_not() {
    let world = World::new();
    let error = world
        .acquire_from(&world.offline_store(), &spec("stable"))
        .await
        .unwrap_err();
    assert!(describe(&error).contains("offline"), "{}", describe(&error));
    assert!(error.help().unwrap().contains("--offline"));
    assert_eq!(world.requests(), 0);

    let acquired = world.acquire(&spec("stable")).await.unwrap();
    set_age_of_memos(&world, 1000 * 60 * 60);
    let requests = world.requests();
    let offline = world.acquire_from(&world.offline_store(), &spec("stable")).await;
    assert_eq!(offline.unwrap(), acquired);
    assert_eq!(world.requests(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_downloaded_is_unpacked_offline_again() {
    let world = World::new();
    let acquired = world.acquire(&spec("stable")).await.unwrap();
    fs::remove_dir_all(&acquired.directory).unwrap();
    let again = world.acquire_from(&world.offline_store(), &spec("stable")).await;
    assert_eq!(again.unwrap(), acquired);
    assert!(acquired.directory.join("bin/rustc").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_are_none_are_refused_by_name() {
    let world = World::new();
    let refused = |name: &'static str| {
        let world = &world;
        async move { describe(&world.acquire(&spec(name)).await.unwrap_err()) }
    };
    let unknown = refused("1.2.3").await;
    assert!(
        unknown.contains("`1.2.3`") && unknown.contains(&world.server.url()),
        "{unknown}"
    );
    let linked = refused("stage1").await;
    assert!(linked.contains("not a release channel"), "{linked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_not_toml_is_refused() {
    let mut shelf = Shelf::default();
    shelf.put_manifest("stable", b"<html>Sign in to the network</html>");
    shelf.put_manifest("beta", b"manifest-version = \"3\"\n");
    shelf.put("dist/channel-rust-nightly.toml.sha256", "<html>".to_owned().into());
    let world = World::with_shelf(shelf);
    let error = world.acquire(&spec("stable")).await.unwrap_err();
    assert!(matches!(error, AcquireError::Manifest { .. }), "{error:?}");
    let error = world.acquire(&spec("beta")).await.unwrap_err();
    assert!(describe(&error).contains("version `3`"), "{}", describe(&error));
    let error = world.acquire(&spec("nightly")).await.unwrap_err();
    assert!(matches!(error, AcquireError::PublishedChecksum { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_with_another_checksum_than_the_published_is_refused() {
    let mut shelf = shelf(&release());
    shelf.put(
        "dist/channel-rust-stable.toml",
        "manifest-version = \"2\"\n".to_owned().into(),
    );
    let world = World::with_shelf(shelf);
    let error = describe(&world.acquire(&spec("stable")).await.unwrap_err());
    let found = vx_dist_server::sha256(b"manifest-version = \"2\"\n");
    assert!(error.contains(&found) && error.contains("expected"), "{error}");
}

/// How often the moving channel was asked for.
fn looked_up(world: &World) -> u32 {
    world.server.requests()["dist/channel-rust-stable.toml.sha256"]
}

/// Makes every memory of a channel this many seconds old.
fn set_age_of_memos(world: &World, seconds: u64) {
    for (path, content) in files(&world.downloads().join("channels")) {
        let mut memo: serde_json::Value = serde_json::from_slice(&content).unwrap();
        let looked_up = memo["looked_up"].as_u64().unwrap();
        memo["looked_up"] = (looked_up - seconds).into();
        fs::write(world.downloads().join("channels").join(path), memo.to_string()).unwrap();
    }
}
