//! What must hold for any input from a server, an archive or a project: readers accept or reject it, and nothing is
//! written outside the directory for an archive. Fuzzers and property tests call these functions; they are not part of
//! the interface.

use std::io;

use camino::Utf8Path;
use vx_download::archive::{Limits, Unpacker};
use vx_download::fuzzing::in_directory;

use crate::choose::toolchain_file;
use crate::dist::component::{Contents, RULES};
use crate::dist::manifest;

/// The limits of an archive here.
const LIMITS: Limits = Limits {
    bytes: 64 * 1024,
    entries: 100,
};

/// The tar file of a toolchain's component, decompressed.
pub fn component_archive(bytes: &[u8]) -> io::Result<()> {
    in_directory(|directory| {
        // Refused or not, it stays in its directory.
        let mut unpacker = Unpacker::new(directory, RULES, &|| false);
        let mut contents = Contents::default();
        if unpacker.unpack_tar(bytes, LIMITS, &mut contents).is_ok() {
            let _ = contents.check(&unpacker);
        }
    })
}

/// The manifest of a channel.
pub fn channel_manifest(bytes: &[u8]) {
    let _ = manifest::Manifest::parse(bytes);
}

/// A `rust-toolchain` or `rust-toolchain.toml`.
pub fn toolchain_file(text: &str) {
    for may_be_bare in [false, true] {
        let _ = toolchain_file::parse(text, Utf8Path::new("/project"), may_be_bare);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tar::EntryType;
    use vx_download::fuzzing::entry;

    fn kinds() -> impl Strategy<Value = EntryType> {
        let kinds = [
            EntryType::Regular,
            EntryType::Directory,
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Fifo,
            EntryType::GNULongName,
        ];
        prop::sample::select(kinds.to_vec())
    }

    prop_compose! {
        fn entries()(name in "(/|\\.\\./)?(p-1.0.0|top)/(part/)?(\\.\\./){0,3}[ab./]{0,6}", kind in kinds(),
            link in "(/|(\\.\\./){0,3})[ab./]{0,5}", content in prop::collection::vec(any::<u8>(), 0..20)) -> Vec<u8> {
            entry(&name, kind, &link, &content)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn archives_of_strangers(entries in prop::collection::vec(entries(), 0..6), at: prop::sample::Index, byte: u8, damaged: bool) {
            let mut bytes = entries.concat();
            if damaged && !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            super::component_archive(&bytes).unwrap();
        }

        #[test]
        fn texts(text in "(?s).{0,300}|(manifest-version|channel|toolchain|\\[pkg\\]|\\[toolchain\\]|=|\"|\n| ){0,40}") {
            super::channel_manifest(text.as_bytes());
            super::toolchain_file(&text);
        }

        #[test]
        fn noise(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            super::component_archive(&bytes).unwrap();
            super::channel_manifest(&bytes);
        }
    }
}
