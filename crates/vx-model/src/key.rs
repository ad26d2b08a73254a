//! `Key`: what a result is stored under. The weak key of an action is its digest; the strong key adds the answers to a
//! recorded input set. A plan, which is made without a process, has a key of labeled parts.
//!
//! Encodings are canonical: a format version, then length-prefixed fields in a fixed order.

use facet::Facet;

use crate::digest::hex;
use crate::{Digest, InputSet, formats};

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

impl Key {
    /// The strong key: `weak`, and the answers to the inputs of `set`, in its order.
    pub fn strong(weak: Self, set: &InputSet, answers: &[String]) -> Self {
        let mut fields = Fields::new(format!("vx-strong-key-{}", formats::STRONG_KEY).as_bytes());
        fields.add(&weak.hash);
        fields.add(&set.encode());
        answers.iter().for_each(|answer| fields.add(answer.as_bytes()));
        fields.key()
    }
}

/// Length-prefixed fields.
struct Fields(Vec<u8>);

impl Fields {
    fn new(format: &[u8]) -> Self {
        let mut fields = Self(Vec::new());
        fields.add(format);
        fields
    }

    fn add(&mut self, field: &[u8]) {
        self.0.extend_from_slice(&(field.len() as u64).to_le_bytes());
        self.0.extend_from_slice(field);
    }

    fn key(self) -> Key {
        Key {
            hash: Digest::of(&self.0).hash,
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.hex())
    }
}

/// One labeled part of a key, in words for people: `("env RUSTFLAGS", "-g")`.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPart {
    /// What it is.
    pub label: String,
    /// Its value; a digest if the value is large.
    pub value: String,
}

impl KeyPart {
    /// A part.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: value.into(),
        }
    }
}

/// Collects the parts of a key.
#[derive(Debug, Clone)]
pub struct KeyBuilder {
    parts: Vec<KeyPart>,
}

impl KeyBuilder {
    /// A key of the given kind: keys of different kinds never collide.
    pub fn new(kind: &str) -> Self {
        Self { parts: Vec::new() }.part("kind", kind)
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, label: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.push(KeyPart::new(label, value));
        self
    }

    /// The key.
    pub fn key(&self) -> Key {
        let mut fields = Fields::new(format!("vx-key-{}", formats::ACTION).as_bytes());
        for part in &self.parts {
            fields.add(part.label.as_bytes());
            fields.add(part.value.as_bytes());
        }
        fields.key()
    }

    /// The parts, to be kept for explanations.
    pub fn parts(&self) -> &[KeyPart] {
        &self.parts
    }
}
