//! `Key`: the name of a result, made of labelled parts that can be shown to a person.
//!
//! The encoding is canonical: a format version, then every part as length-prefixed label and value, in the order in
//! which the builder was given them; sets are sorted before they are added.

use facet::Facet;

use crate::Digest;
use crate::digest::hex;

/// Changes whenever the meaning of any key changes; old results are then never found again.
const FORMAT: &str = "vx-key-1";

/// The SHA-256 of an encoded list of parts.
#[derive(Facet, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// SHA-256.
    pub hash: [u8; 32],
}

impl Key {
    /// 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        hex(&self.hash)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.hex())
    }
}

/// One labelled part of a key, in words that a person understands: `("env RUSTFLAGS", "-g")`.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPart {
    /// What it is.
    pub label: String,
    /// Its value; a digest where the value is large.
    pub value: String,
}

/// Collects the parts of a key.
#[derive(Debug, Clone)]
pub struct KeyBuilder {
    parts: Vec<KeyPart>,
}

impl KeyBuilder {
    /// A key of the given kind (`rustc`, `build script`, …): keys of different kinds never meet.
    pub fn new(kind: &str) -> Self {
        Self { parts: Vec::new() }.part("kind", kind)
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.push(KeyPart {
            label: label.into(),
            value: value.into(),
        });
        self
    }

    /// The key.
    pub fn key(&self) -> Key {
        let mut encoded = Vec::new();
        let mut field = |text: &str| {
            encoded.extend_from_slice(&(text.len() as u64).to_le_bytes());
            encoded.extend_from_slice(text.as_bytes());
        };
        field(FORMAT);
        for part in &self.parts {
            field(&part.label);
            field(&part.value);
        }
        Key {
            hash: Digest::of(&encoded).hash,
        }
    }

    /// The parts, to be kept for explanations.
    pub fn parts(&self) -> &[KeyPart] {
        &self.parts
    }
}
