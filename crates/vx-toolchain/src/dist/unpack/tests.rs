//! Archives made by hand: `tar::Builder` refuses to write what is tested here.

use std::io::Write as _;

use super::*;

const LIMITS: Limits = Limits {
    bytes: 64 * 1024,
    entries: 20,
};

/// An entry: path, kind, content; for a link, where it leads.
type Made<'a> = (&'a str, EntryType, &'a [u8]);

const FILE: EntryType = EntryType::Regular;
const LINK: EntryType = EntryType::Symlink;

fn header(name: &str, kind: EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o755);
    header.set_mtime(1_000_000_000);
    header.set_cksum();
    header
}

fn archive(entries: &[Made<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in entries {
        if *kind == LINK {
            let mut header = header(name, *kind, 0);
            header.set_link_name_literal(content).unwrap();
            header.set_cksum();
            bytes.extend_from_slice(header.as_bytes());
            continue;
        }
        bytes.extend_from_slice(header(name, *kind, content.len() as u64).as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// A component `c` that lists nothing, with more entries.
fn component<'a>(entries: &[Made<'a>]) -> Vec<u8> {
    let mut all: Vec<Made<'a>> = vec![("t/components", FILE, b"c\n"), ("t/c/manifest.in", FILE, b"")];
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

    fn unpack(&self, archive: &[u8]) -> Result<String, ComponentError> {
        Unpacker::new(&self.to(), &|| false).unpack_tar(archive, LIMITS)
    }
}

/// Unpacks into a directory of its own, beside which nothing may appear.
fn try_unpack(archive: &[u8]) -> Result<Directory, ComponentError> {
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
fn files_lose_what_the_archive_puts_before_them() {
    let list = b"file:bin/rustc\nfile:lib/libx.so\ndir:lib\n";
    let archive = archive(&[
        ("t/", EntryType::Directory, b""),
        ("t/components", FILE, b"c\n"),
        ("t/install.sh", FILE, b"#!/bin/sh"),
        ("t/c/bin/rustc", FILE, b"program"),
        ("t/c/lib/libx.so", FILE, b"library"),
        ("t/c/lib/libx.so.1", LINK, b"libx.so"),
        ("t/c/bin/up", LINK, b"../lib/libx.so"),
        ("t/c/manifest.in", FILE, list),
    ]);
    let directory = Directory::new();
    assert_eq!(directory.unpack(&archive).unwrap().as_bytes(), list);
    let to = directory.to();
    assert_eq!(std::fs::read(to.join("bin/rustc")).unwrap(), b"program");
    assert_eq!(std::fs::read(to.join("lib/libx.so.1")).unwrap(), b"library");
    assert_eq!(std::fs::read(to.join("bin/up")).unwrap(), b"library");
    assert!(!to.join("install.sh").exists());
    let metadata = std::fs::metadata(to.join("bin/rustc")).unwrap();
    assert!(metadata.permissions().readonly());
    let modified = metadata.modified().unwrap().duration_since(SystemTime::UNIX_EPOCH);
    assert_eq!(modified.unwrap().as_secs(), 1_000_000_000);
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
        Unpacker::new(&directory.to(), &|| false).unpack(archive.as_slice(), Format::Xz, LIMITS)
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
            Unpacker::new(&directory.to(), &|| false).unpack(packed, format, LIMITS)
        };
        unpack(&packed, &directory).unwrap();
        assert_eq!(
            std::fs::read(directory.to().join("a")).unwrap(),
            b"content",
            "{format:?}"
        );
        let cut = unpack(&packed[..packed.len() / 2], &Directory::new());
        assert!(cut.is_err(), "half of a {format:?} archive is no archive");
        assert!(matches!(
            unpack(b"<html>", &Directory::new()),
            Err(ComponentError::Io(_))
        ));
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
        assert!(matches!(refused, Err(ComponentError::Escape { .. })), "{name}");
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
        assert!(
            matches!(refused, Err(ComponentError::Link { .. })),
            "{name} -> {target}"
        );
    }
}

#[test]
fn nothing_is_written_through_a_link() {
    let through = [("t/c/d/e/up", LINK, &b"../.."[..]), ("t/c/d/e/up/x", FILE, b"")];
    assert!(matches!(
        try_unpack(&component(&through)),
        Err(ComponentError::Escape { .. })
    ));
    let deeper = [("t/c/d/up", LINK, &b".."[..]), ("t/c/d/up/x", LINK, b"..")];
    assert!(matches!(
        try_unpack(&component(&deeper)),
        Err(ComponentError::Escape { .. })
    ));
    let replaced = [("t/c/a", FILE, &b"1"[..]), ("t/c/l", LINK, b"a"), ("t/c/l", FILE, b"2")];
    assert!(try_unpack(&component(&replaced)).is_err());
}

#[test]
fn links_of_one_component_bind_the_next() {
    let directory = Directory::new();
    let to = directory.to();
    let mut unpacker = Unpacker::new(&to, &|| false);
    let first = component(&[("t/c/d/up", LINK, b"..")]);
    unpacker.unpack_tar(&first[..], LIMITS).unwrap();
    let second = component(&[("t/c/d/up/x", FILE, b"")]);
    let refused = unpacker.unpack_tar(&second[..], LIMITS);
    assert!(matches!(refused, Err(ComponentError::Escape { .. })));
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
    assert!(matches!(refused, Err(ComponentError::Escape { .. })));
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
        let refused = Unpacker::new(&directory.to(), &|| false).unpack_tar(&bomb[..], limits);
        assert!(matches!(refused, Err(ComponentError::Layout { .. })), "{kind:?}");
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
    assert!(matches!(try_unpack(&huge), Err(ComponentError::TooLarge { .. })));

    let content = vec![0; 40 * 1024];
    let two = [("t/c/x", FILE, &content[..]), ("t/c/y", FILE, &content)];
    assert!(matches!(
        try_unpack(&component(&two)),
        Err(ComponentError::TooLarge { .. })
    ));

    let names: Vec<String> = (0..20).map(|number| format!("t/c/{number}")).collect();
    let many: Vec<Made<'_>> = names.iter().map(|name| (name.as_str(), FILE, &b""[..])).collect();
    assert!(matches!(
        try_unpack(&component(&many)),
        Err(ComponentError::TooLarge { .. })
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
    let refused = Unpacker::new(&directory.to(), &|| false).unpack(&bomb[..], Format::Gz, LIMITS);
    assert!(matches!(refused, Err(ComponentError::TooLarge { .. })));
}

#[test]
fn a_file_that_is_there_already_is_refused() {
    let twice = [("t/c/x", FILE, &b"1"[..]), ("t/c/x", FILE, b"2")];
    assert!(matches!(
        try_unpack(&component(&twice)),
        Err(ComponentError::Twice { .. })
    ));
}

#[test]
fn an_archive_of_another_layout_is_refused() {
    let without_parts = archive(&[("t/c/manifest.in", FILE, b""), ("t/c/a", FILE, b"")]);
    let without_list = archive(&[("t/components", FILE, b"c\n"), ("t/c/a", FILE, b"")]);
    let missing = archive(&[("t/components", FILE, b"c\n"), ("t/c/manifest.in", FILE, b"file:a\n")]);
    let odd = archive(&[("t/components", FILE, b"c\n"), ("t/c/manifest.in", FILE, b"../x\n")]);
    for archive in [
        without_parts,
        without_list,
        missing,
        odd,
        component(&[("t/d/a", FILE, b"")]),
    ] {
        assert!(matches!(try_unpack(&archive), Err(ComponentError::Layout { .. })));
    }
}

#[test]
fn it_stops_when_nobody_waits() {
    let directory = Directory::new();
    let refused = Unpacker::new(&directory.to(), &|| true).unpack_tar(&component(&[])[..], LIMITS);
    assert!(matches!(refused, Err(ComponentError::Cancelled)));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, format in 0..3_usize) {
        let directory = Directory::new();
        let format = [Format::Gz, Format::Xz, Format::Zst][format];
        let _ = Unpacker::new(&directory.to(), &|| false).unpack(&bytes[..], format, LIMITS);
        let _ = directory.unpack(&bytes);
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
