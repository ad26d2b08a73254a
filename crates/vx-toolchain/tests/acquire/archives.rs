//! Archives that are not what they should be: refused, and nothing of them is seen.

use vx_dist_server::{Archive, Channel, Format, Misbehaviour, OddEntry};
use vx_toolchain::AcquireError;

use crate::world::{HOST, World, archive, describe, official, release, shelf, spec};

/// A release of which the compiler is this archive.
fn release_with(rustc: &Archive) -> Channel {
    let channel = Channel::new("1.1.1", &official());
    let channel = channel.with("rustc", HOST, Format::Gz, rustc.pack(Format::Gz));
    ["cargo", "rust-std"].into_iter().fold(channel, |channel, package| {
        let plain = archive(package, package).with(&format!("share/{package}"), b"content", false);
        channel.with(package, HOST, Format::Xz, plain.pack(Format::Xz))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_archives_are_refused_and_leave_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("stolen").to_str().unwrap().to_owned();
    for odd in [
        OddEntry::Path("../../../escaped".to_owned()),
        OddEntry::Path("rustc-1.1.1-x86_64-unknown-linux-gnu/rustc/../../escaped".to_owned()),
        OddEntry::Path(target.clone()),
        OddEntry::Link("bin/link".to_owned(), target.clone()),
        OddEntry::Link("bin/link".to_owned(), "../../escaped".to_owned()),
        OddEntry::Size(1 << 50),
    ] {
        let rustc = archive("rustc", "rustc")
            .with("bin/rustc", b"program", true)
            .with_odd(odd.clone());
        let world = World::with_shelf(shelf(&release_with(&rustc)));
        let error = world.acquire(&spec("stable")).await.unwrap_err();
        assert!(matches!(error, AcquireError::Unpack { .. }), "{odd:?}: {error:?}");
        assert!(
            describe(&error).contains(&format!("rustc-{HOST}")),
            "{}",
            describe(&error)
        );
        assert_eq!(world.toolchains(), [""; 0], "{odd:?}");
        let escaped = walkdir::WalkDir::new(world.path("")).into_iter().flatten();
        assert_eq!(
            escaped.filter(|entry| entry.file_name() == "escaped").count(),
            0,
            "{odd:?}"
        );
        assert_eq!(outside.path().read_dir().unwrap().count(), 0, "{odd:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_components_with_one_file_are_refused() {
    let rustc = archive("rustc", "rustc").with("share/cargo", b"mine", false);
    let world = World::with_shelf(shelf(&release_with(&rustc)));
    let error = world.acquire(&spec("stable")).await.unwrap_err();
    assert!(describe(&error).contains("already exists"), "{}", describe(&error));
    assert_eq!(world.toolchains(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_archive_is_refused_with_both_checksums() {
    let world = World::new();
    world.server.misbehave("rustc-", Misbehaviour::WrongContent);
    let error = world.acquire(&spec("stable")).await.unwrap_err();
    assert!(matches!(error, AcquireError::Download { .. }), "{error:?}");
    let text = describe(&error);
    let hashes = text
        .split_whitespace()
        .filter(|word| word.trim_end_matches(',').len() == 64);
    assert_eq!(hashes.count(), 2, "{text}");
    assert_eq!(world.toolchains(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_archive_does_not_spoil_the_next_try() {
    let world = World::with_shelf(shelf(&release()));
    world.server.misbehave("rustc-", Misbehaviour::WrongContent);
    world.acquire(&spec("stable")).await.unwrap_err();
    let again = World::new();
    let world = world.with_server(again.server);
    world.acquire(&spec("stable")).await.unwrap();
}
