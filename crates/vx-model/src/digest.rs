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

/// The text is not `HEX/SIZE`.
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
pub(crate) fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// Decodes 64 lower-case hexadecimal digits; `None` for any other text, so that a hash has one spelling.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    (hex(&hash) == text).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let text = Digest::of(b"x").hex();
        assert_eq!(unhex(&text).map(|hash| hex(&hash)), Some(text.clone()));
        for other in [
            text.to_uppercase(),
            text[1..].to_owned(),
            format!("{text}0"),
            text.replace('0', "g"),
        ] {
            assert_eq!(unhex(&other), None, "{other}");
        }
    }
}
