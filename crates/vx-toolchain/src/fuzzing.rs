//! What must hold for any input from a server, an archive or a project: readers accept or reject it, and nothing is
//! written outside the directory for an archive. Fuzzers and property tests call these functions; they are not part of
//! the interface.

use std::io;

use camino::Utf8Path;
use vx_download::archive::Unpacker;
use vx_download::fuzzing::{LIMITS, in_directory};

use crate::choose::toolchain_file;
use crate::dist::component::{Contents, RULES};
use crate::dist::manifest;

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
            super::component_archive(&hostile_archive(&entries, damage)).unwrap();
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
