//! Archives made by hand: `tar::Builder` refuses to write what is tested here.

use std::io::{Read, Write as _};
use std::time::SystemTime;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use tar::EntryType;

use super::paths::{plain_components, stays_inside};
use super::*;
use crate::fuzzing::{archive, header};

const LIMITS: Limits = Limits {
    bytes: 64 * 1024,
    entries: 20,
};

/// Everything may be there, once.
const RULES: Rules = Rules {
    has_links: true,
    replaces: false,
    keeps_times: true,
    replaces_invalid_utf8: false,
};

/// An entry: path, kind, content; for a link, where it leads.
type Made<'a> = (&'a str, EntryType, &'a [u8]);

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;

/// What lies in `t/c` is unpacked, what lies beside it is not.
struct Part;

impl Layout for Part {
    fn destination(&mut self, path: &[&str], _: bool, _: &mut dyn Read) -> Result<Destination, ArchiveError> {
        Ok(match path {
            ["t", "c", path @ ..] => Destination::Path(path.iter().collect()),
            ["t", ..] => Destination::Nowhere,
            _ => Destination::Outside,
        })
    }
}

/// An archive with something beside the part, and more entries.
fn component<'a>(entries: &[Made<'a>]) -> Vec<u8> {
    let mut all: Vec<Made<'a>> = vec![("t/components", FILE, b"c\n"), ("t/other", FILE, b"")];
    all.extend_from_slice(entries);
    archive(&all)
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        let directory = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(directory.to()).unwrap();
        directory
    }

    fn to(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.0.path()).unwrap().join("to")
    }

    fn unpack(&self, archive: &[u8]) -> Result<(), ArchiveError> {
        Unpacker::new(&self.to(), RULES, &|| false).unpack_tar(archive, LIMITS, &mut Part)
    }
}

/// Unpacks into a directory of its own, beside which nothing may appear.
fn try_unpack(archive: &[u8]) -> Result<Directory, ArchiveError> {
    let directory = Directory::new();
    let unpacked = directory.unpack(archive);
    assert_eq!(
        std::fs::read_dir(directory.0.path()).unwrap().count(),
        1,
        "nothing leaves the directory"
    );
    unpacked.map(|_| directory)
}

#[test]
fn files_are_unpacked_as_they_were() {
    let directory = Directory::new();
    let archive = archive(&[
        ("t/c/", EntryType::Directory, b""),
        ("t/other", FILE, b"other"),
        ("t/c/bin/rustc", FILE, b"program"),
        ("t/c/lib/libx.so", FILE, b"library"),
        ("t/c/bin/up", LINK, b"../lib/libx.so"),
    ]);
    directory.unpack(&archive).unwrap();
    let to = directory.to();
    assert_eq!(std::fs::read(to.join("bin/rustc")).unwrap(), b"program");
    assert_eq!(std::fs::read(to.join("bin/up")).unwrap(), b"library");
    assert!(!to.join("other").exists());
    let metadata = std::fs::metadata(to.join("bin/rustc")).unwrap();
    assert!(metadata.permissions().readonly());
    let modified = metadata.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH);
    assert_eq!(modified.unwrap().as_secs(), 1_000_000_000);
}

#[test]
fn an_added_file_replaces_a_link() {
    let directory = Directory::new();
    let to = directory.to();
    let mut unpacker = Unpacker::new(&to, RULES, &|| false);
    let entries = [("t/c/a", FILE, &b"theirs"[..]), ("t/c/l", LINK, b"a")];
    unpacker.unpack_tar(&archive(&entries)[..], LIMITS, &mut Part).unwrap();
    unpacker.add("l".into(), b"ours").unwrap();
    assert_eq!(std::fs::read(to.join("a")).unwrap(), b"theirs");
    assert_eq!(std::fs::read(to.join("l")).unwrap(), b"ours");
    assert!(unpacker.has("l") && !unpacker.has("../to/l"));
}

/// An xz archive whose header asks for a dictionary of this many bytes (a power of two), whatever the content needs: a packer
/// would take many times as much memory.
fn xz_with_dictionary(content: &[u8], bytes: u64) -> Vec<u8> {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(content).unwrap();
    let mut archive = xz.finish().unwrap();
    // After the header of the stream, that of the block: its length, flags, the id of LZMA2, the length of its properties,
    // the dictionary; its checksum at the end.
    let block = &mut archive[12..];
    let length = (usize::from(block[0]) + 1) * 4;
    assert_eq!(block[1..4], [0, 0x21, 1]);
    block[4] = u8::try_from((bytes.trailing_zeros() - 12) * 2).unwrap();
    let mut checksum = flate2::Crc::new();
    checksum.update(&block[..length - 4]);
    block[length - 4..length].copy_from_slice(&checksum.sum().to_le_bytes());
    archive
}

#[test]
fn the_dictionaries_of_published_archives_are_held_and_larger_ones_refused() {
    let tar = component(&[("t/c/a", FILE, b"content")]);
    let unpack = |bytes| {
        let directory = Directory::new();
        let archive = xz_with_dictionary(&tar, bytes);
        Unpacker::new(&directory.to(), RULES, &|| false).unpack(archive.as_slice(), Format::Xz, LIMITS, &mut Part)
    };
    // As rustc and rust-std of Rust 1.94.
    unpack(128 << 20).unwrap();
    assert!(unpack(256 << 20).is_err());
}

#[test]
fn every_compression_is_understood() {
    let tar = component(&[("t/c/a", FILE, b"content")]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&tar).unwrap();
    for (format, packed) in [
        (Format::Gz, gz.finish().unwrap()),
        (Format::Xz, xz.finish().unwrap()),
        (Format::Zst, zstd::stream::encode_all(&tar[..], 1).unwrap()),
    ] {
        let directory = Directory::new();
        let unpack = |packed: &[u8], directory: &Directory| {
            Unpacker::new(&directory.to(), RULES, &|| false).unpack(packed, format, LIMITS, &mut Part)
        };
        unpack(&packed, &directory).unwrap();
        assert_eq!(
            std::fs::read(directory.to().join("a")).unwrap(),
            b"content",
            "{format:?}"
        );
        let cut = unpack(&packed[..packed.len() / 2], &Directory::new());
        assert!(cut.is_err(), "half of a {format:?} archive is no archive");
        assert!(matches!(unpack(b"<html>", &Directory::new()), Err(ArchiveError::Io(_))));
    }
}

#[test]
fn paths_that_lead_outside_are_refused() {
    for name in [
        "../x",
        "/x",
        "t/c/../../x",
        "t/c/../x",
        "u/c/x",
        "t/c/a\\b",
        "t/../c/x",
        "..",
        "t/c/..",
    ] {
        let refused = try_unpack(&component(&[(name, FILE, b"")]));
        assert!(matches!(refused, Err(ArchiveError::Escape { .. })), "{name}");
    }
}

#[test]
fn links_that_lead_outside_are_refused() {
    for (name, target) in [
        ("t/c/x", "/etc/passwd"),
        ("t/c/x", ".."),
        ("t/c/x", "../y"),
        ("t/c/d/x", "../../y"),
        ("t/c/d/x", "y/../../../z"),
        ("t/c/d/x", "y/.."),
        ("t/c/x", ""),
    ] {
        let refused = try_unpack(&component(&[(name, LINK, target.as_bytes())]));
        assert!(matches!(refused, Err(ArchiveError::Link { .. })), "{name} -> {target}");
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let through = [("t/c/d/e/up", LINK, &b"../.."[..]), ("t/c/d/e/up/x", FILE, b"")];
    assert!(matches!(
        try_unpack(&component(&through)),
        Err(ArchiveError::Escape { .. })
    ));
    let deeper = [("t/c/d/up", LINK, &b".."[..]), ("t/c/d/up/x", LINK, b"..")];
    assert!(matches!(
        try_unpack(&component(&deeper)),
        Err(ArchiveError::Escape { .. })
    ));
    let replaced = [("t/c/a", FILE, &b"1"[..]), ("t/c/l", LINK, b"a"), ("t/c/l", FILE, b"2")];
    assert!(try_unpack(&component(&replaced)).is_err());
}

#[test]
fn links_of_one_component_bind_the_next() {
    let directory = Directory::new();
    let to = directory.to();
    let mut unpacker = Unpacker::new(&to, RULES, &|| false);
    let first = component(&[("t/c/d/up", LINK, b"..")]);
    unpacker.unpack_tar(&first[..], LIMITS, &mut Part).unwrap();
    let second = component(&[("t/c/d/up/x", FILE, b"")]);
    let refused = unpacker.unpack_tar(&second[..], LIMITS, &mut Part);
    assert!(matches!(refused, Err(ArchiveError::Escape { .. })));
}

#[test]
fn long_names_are_understood_and_bounded() {
    let long = format!("t/c/{}/file", "d".repeat(150));
    let gnu = [
        ("././@LongLink", EntryType::GNULongName, long.as_bytes()),
        ("t/c/short", FILE, b"content"),
    ];
    let pax_record = format!(" path={long}\n");
    let pax_record = format!("{}{pax_record}", pax_record.len() + 3);
    let pax = [
        ("pax", EntryType::XHeader, pax_record.as_bytes()),
        ("t/c/short", FILE, &b"content"[..]),
    ];
    for entries in [gnu, pax] {
        let directory = try_unpack(&component(&entries)).unwrap();
        let file = directory.to().join(long.strip_prefix("t/c/").unwrap());
        assert_eq!(std::fs::read(file).unwrap(), b"content");
        assert!(!directory.to().join("short").exists());
    }
    let outside = [
        ("././@LongLink", EntryType::GNULongName, &b"t/c/../../x"[..]),
        ("t/c/short", FILE, b""),
    ];
    let refused = try_unpack(&component(&outside));
    assert!(matches!(refused, Err(ArchiveError::Escape { .. })));
}

#[test]
fn a_name_that_is_a_bomb_is_refused_before_it_is_held() {
    let name = vec![b'a'; 80 * 1024];
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let bomb = component(&[("name", kind, &name)]);
        let limits = Limits {
            bytes: 1 << 30,
            entries: 20,
        };
        let directory = Directory::new();
        let refused = Unpacker::new(&directory.to(), RULES, &|| false).unpack_tar(&bomb[..], limits, &mut Part);
        assert!(matches!(refused, Err(ArchiveError::Layout { .. })), "{kind:?}");
    }
}

#[test]
fn special_entries_are_refused() {
    for kind in [
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::GNUSparse,
    ] {
        let refused = try_unpack(&component(&[("t/c/x", kind, b"")]));
        assert!(refused.is_err(), "{kind:?}");
    }
}

#[test]
fn too_much_is_refused_before_it_is_written() {
    let mut huge = component(&[]);
    huge.truncate(huge.len() - 1024);
    huge.extend_from_slice(header("t/c/x", FILE, 1 << 40).as_bytes());
    assert!(matches!(try_unpack(&huge), Err(ArchiveError::TooLarge { .. })));

    let content = vec![0; 40 * 1024];
    let two = [("t/c/x", FILE, &content[..]), ("t/c/y", FILE, &content)];
    assert!(matches!(
        try_unpack(&component(&two)),
        Err(ArchiveError::TooLarge { .. })
    ));

    let names: Vec<String> = (0..20).map(|number| format!("t/c/{number}")).collect();
    let many: Vec<Made<'_>> = names.iter().map(|name| (name.as_str(), FILE, &b""[..])).collect();
    assert!(matches!(
        try_unpack(&component(&many)),
        Err(ArchiveError::TooLarge { .. })
    ));
}

#[test]
fn a_bomb_is_refused_when_its_bound_is_reached() {
    let zeros = vec![0; 10 * 1024 * 1024];
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&component(&[("t/c/x", FILE, &zeros)])).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 64 * 1024);
    let directory = Directory::new();
    let refused = Unpacker::new(&directory.to(), RULES, &|| false).unpack(&bomb[..], Format::Gz, LIMITS, &mut Part);
    assert!(matches!(refused, Err(ArchiveError::TooLarge { .. })));
}

#[test]
fn a_file_that_is_there_already_is_refused() {
    let twice = [("t/c/x", FILE, &b"1"[..]), ("t/c/x", FILE, b"2")];
    assert!(matches!(
        try_unpack(&component(&twice)),
        Err(ArchiveError::Twice { .. })
    ));
}

#[test]
fn it_stops_when_nobody_waits() {
    let directory = Directory::new();
    let refused = Unpacker::new(&directory.to(), RULES, &|| true).unpack_tar(&component(&[])[..], LIMITS, &mut Part);
    assert!(matches!(refused, Err(ArchiveError::Cancelled)));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, format in 0..3_usize) {
        let directory = Directory::new();
        let format = [Format::Gz, Format::Xz, Format::Zst][format];
        let _ = Unpacker::new(&directory.to(), RULES, &|| false).unpack(&bytes[..], format, LIMITS, &mut Part);
        let _ = directory.unpack(&bytes);
    }

    #[test]
    fn no_path_leads_outside(name in "(a-1\\.0\\.0|\\.\\.|\\.|x|/){1,3}(/(\\.\\.|\\.|x|y)){0,4}") {
        if let Some(components) = plain_components(&name) {
            let path: Utf8PathBuf = components.iter().collect();
            let plain = path.components().all(|component| matches!(component, Utf8Component::Normal(_)));
            proptest::prop_assert!(plain, "{}", path);
        }
    }

    #[test]
    fn no_link_leads_outside(
        path in "[ab](/[ab]){0,3}",
        target in "(\\.\\.|\\.|a|b|/)(/(\\.\\.|\\.|a|b)){0,4}",
    ) {
        let path = Utf8Path::new(&path);
        if stays_inside(path, &target) {
            // Followed step by step, it never goes above the top.
            let mut depth = path.components().count() as i32 - 1;
            for step in Utf8Path::new(&target).components() {
                depth += match step {
                    Utf8Component::ParentDir => -1,
                    Utf8Component::Normal(_) => 1,
                    other => return Err(proptest::test_runner::TestCaseError::fail(format!("{other:?}"))),
                };
                proptest::prop_assert!(depth >= 0, "{} -> {}", path, target);
            }
        }
    }

    #[test]
    fn damaged_archives_stay_inside(position in 0..4096_usize, byte: u8) {
        let mut archive = component(&[("t/c/d/a", FILE, b"content"), ("t/c/d/l", LINK, b"a")]);
        let position = position % archive.len();
        archive[position] = byte;
        let _ = try_unpack(&archive);
    }
}
