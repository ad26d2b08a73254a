//! What must hold for any bytes that are read as an encoding: whatever is accepted is encoded again with the same
//! meaning. Fuzzers and property tests call these functions; they are not part of the interface.

use crate::{ActionResult, Directory, InputSet};

/// For [`InputSet::decode`].
pub fn input_set(bytes: &[u8]) {
    if let Ok(decoded) = InputSet::decode(bytes) {
        assert_eq!(InputSet::decode(&decoded.encode()), Ok(decoded));
    }
}

/// For [`ActionResult::decode`].
pub fn action_result(bytes: &[u8]) {
    if let Ok(decoded) = ActionResult::decode(bytes) {
        assert_eq!(ActionResult::decode(&decoded.encode()), Ok(decoded));
    }
}

/// For [`Directory::decode`].
pub fn directory(bytes: &[u8]) {
    if let Ok(decoded) = Directory::decode(bytes) {
        assert_eq!(Directory::decode(&decoded.encode()), Ok(decoded));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::{ActionResult, Digest, Directory, Input, InputSet, OutputFile, Root, RootedPath};

    /// Real encodings.
    fn encodings() -> Vec<Vec<u8>> {
        let path = RootedPath::new(Root::Workspace, "src/lib.rs");
        let set = InputSet::new(vec![
            Input::File(path.clone()),
            Input::Env("PATH".to_owned()),
            Input::Kind(path.clone()),
            Input::Stat(path),
        ]);
        let result = ActionResult {
            files: vec![OutputFile {
                path: RootedPath::new(Root::Exec, "out/lib.rlib"),
                digest: Digest::of(b"lib"),
                is_executable: false,
            }],
            duration_ms: 7,
            ..ActionResult::default()
        };
        vec![set.encode(), result.encode(), Directory::default().encode()]
    }

    fn all(bytes: &[u8]) {
        super::input_set(bytes);
        super::action_result(bytes);
        super::directory(bytes);
    }

    proptest! {
        #[test]
        fn noise(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            all(&bytes);
        }

        #[test]
        fn outputs_in_any_order(order in Just(vec![1u8, 2, 3]).prop_shuffle()) {
            // Tag and length of each output, in the order of the encoding.
            let file = |number: &u8| OutputFile {
                path: RootedPath::new(Root::Exec, format!("out/{number}")),
                digest: Digest::of(b"lib"),
                is_executable: false,
            };
            let one = |number: &u8| ActionResult { files: vec![file(number)], ..ActionResult::default() }.encode();
            let rest = ActionResult::default().encode();
            let only = |number: &u8| {
                let whole = one(number);
                whole[..whole.len() - rest.len()].to_vec()
            };
            let bytes = [order.iter().flat_map(only).collect::<Vec<u8>>(), rest.clone()].concat();
            all(&bytes);
            prop_assert_eq!(ActionResult::decode(&bytes).is_ok(), order.is_sorted());
        }

        #[test]
        fn damage(which in 0usize..3, at: prop::sample::Index, byte: u8, length: prop::sample::Index) {
            let mut bytes = encodings().swap_remove(which);
            all(&bytes);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
                all(&bytes);
                bytes.truncate(length.index(bytes.len()));
                all(&bytes);
            }
        }
    }
}
