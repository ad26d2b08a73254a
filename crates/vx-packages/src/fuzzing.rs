//! What must hold for any archive or lock file: readers accept or reject it, and nothing is written outside the
//! directory for an archive. Fuzzers and property tests call these functions; they are not part of the interface.

use std::io;

use vx_download::archive::{Limits, Unpacker};
use vx_download::fuzzing::in_directory;

use crate::Lockfile;
use crate::unpack::{Below, RULES};

/// The limits of an archive here.
const LIMITS: Limits = Limits {
    bytes: 64 * 1024,
    entries: 100,
};

/// The tar file of a package, decompressed.
pub fn package_archive(bytes: &[u8]) -> io::Result<()> {
    in_directory(|directory| {
        // Refused or not, it stays in its directory.
        let mut layout = Below("p-1.0.0".to_owned());
        let _ = Unpacker::new(directory, RULES, &|| false).unpack_tar(bytes, LIMITS, &mut layout);
    })
}

/// A lock file.
pub fn lockfile(text: &str) {
    let _ = Lockfile::parse(text);
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
            super::package_archive(&bytes).unwrap();
        }

        #[test]
        fn texts(text in "(?s).{0,300}|(name|source|\\[package\\]|\\[\\[package\\]\\]|=|\"|\n| ){0,40}") {
            super::lockfile(&text);
        }

        #[test]
        fn noise(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            super::package_archive(&bytes).unwrap();
        }
    }
}
