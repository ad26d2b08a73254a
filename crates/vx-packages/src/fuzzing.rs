//! What must hold for any archive or lock file: readers accept or reject it, and nothing is written outside the
//! directory for an archive. Fuzzers and property tests call these functions; they are not part of the interface.

use std::io;

use vx_download::archive::Unpacker;
use vx_download::fuzzing::{LIMITS, in_directory};

use crate::Lockfile;
use crate::unpack::{Below, RULES};

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
    use vx_download::fuzzing::{KINDS, LINKS, NAMES, hostile_archive};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn archives_of_strangers(
            entries in prop::collection::vec(
                (NAMES, prop::sample::select(KINDS), LINKS, prop::collection::vec(any::<u8>(), 0..20)),
                0..6,
            ),
            damage: Option<(usize, u8)>,
        ) {
            super::package_archive(&hostile_archive(&entries, damage)).unwrap();
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
