//! `Digest`: the SHA-256 and length that name a blob, as REAPI's `Digest`.

use std::fmt;
use std::str::FromStr;

use facet::Facet;
use sha2::{Digest as _, Sha256};

/// Names a blob by its SHA-256 and its length in bytes. Displayed as `HEX/SIZE`.
#[derive(Facet, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// SHA-256 of the content.
    pub hash: [u8; 32],
    /// Length of the content in bytes.
    pub size_bytes: u64,
}

impl Digest {
    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = DigestHasher::default();
        hasher.update(content);
        hasher.finish()
    }

    /// The hash as 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.hash)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hex(), self.size_bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text is not `HEX/SIZE`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a digest (64 hexadecimal digits, a slash, a size in bytes)")]
pub struct ParseDigestError(String);

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (hash, size) = text.split_once('/')?;
            Some(Self {
                hash: unhex(hash)?,
                size_bytes: size.parse().ok()?,
            })
        };
        // The number parser takes a sign and leading zeros; a digest has one spelling.
        parse()
            .filter(|digest: &Self| digest.to_string() == text)
            .ok_or_else(|| ParseDigestError(text.to_owned()))
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Default, Clone)]
pub struct DigestHasher {
    sha256: Sha256,
    size_bytes: u64,
}

impl DigestHasher {
    /// Adds the next piece of the content.
    pub fn update(&mut self, piece: &[u8]) {
        self.sha256.update(piece);
        self.size_bytes += piece.len() as u64;
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest {
            hash: self.sha256.finalize().into(),
            size_bytes: self.size_bytes,
        }
    }
}

/// `bytes` as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The 32 bytes that 64 lower-case hexadecimal digits stand for; none for any other text.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let nibble = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(hash)
}
