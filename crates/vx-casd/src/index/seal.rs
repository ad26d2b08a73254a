//! Sealed values: a value with a checksum that binds it to its table and key.
//!
//! This does not protect against attackers, who can write to the whole store, but against flipped bits: a damaged value
//! is not found.

use vx_model::DigestHasher;

/// Bytes of the checksum, in front of the value.
const SEAL: usize = 8;

/// `value` under `key` of `table`, sealed.
pub(super) fn seal(table: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    [&checksum(table, key, value)[..], value].concat()
}

/// The value that was sealed; `None` if anything about it is different.
pub(super) fn open<'v>(table: &str, key: &[u8], sealed: &'v [u8]) -> Option<&'v [u8]> {
    let (seal, value) = sealed.split_at_checked(SEAL)?;
    (seal == checksum(table, key, value)).then_some(value)
}

fn checksum(table: &str, key: &[u8], value: &[u8]) -> [u8; SEAL] {
    let mut hasher = DigestHasher::default();
    for part in [table.as_bytes(), key] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(value);
    let mut seal = [0; SEAL];
    seal.copy_from_slice(&hasher.finish().hash[..SEAL]);
    seal
}

#[cfg(test)]
mod tests {
    use super::{open, seal};

    #[test]
    fn a_sealed_value_opens_only_where_it_was_put() {
        let sealed = seal("t", b"k", b"value");
        assert_eq!(open("t", b"k", &sealed), Some(&b"value"[..]));
        assert_eq!(open("t", b"other", &sealed), None);
        assert_eq!(open("u", b"k", &sealed), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(open("t", b"k", &damaged), None);
            assert_eq!(open("t", b"k", &sealed[..at]), None);
        }
    }
}
