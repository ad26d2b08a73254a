//! Texts of the operating system, which need not be UTF-8, as `String`s and back.
//!
//! Environment variables are the only ones that vx carries. A byte that is not part of valid UTF-8 becomes a null
//! character and the character of the same number. No variable holds a null byte, so nothing else looks like that.
//! Who takes variables from the operating system escapes them, who gives them to a process unescapes them, and
//! everybody between compares, stores and sends texts.

use std::ffi::{OsStr, OsString};

/// Stands before a byte.
const MARK: char = '\0';

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

        /// `text`, reversibly.
        pub fn escape(text: &OsStr) -> String {
            let mut escaped = String::with_capacity(text.len());
            for chunk in text.as_bytes().utf8_chunks() {
                escaped.push_str(chunk.valid());
                escaped.extend(chunk.invalid().iter().flat_map(|byte| [MARK, char::from(*byte)]));
            }
            escaped
        }

        /// What [`escape`] made `text` of.
        pub fn unescape(text: &str) -> OsString {
            if !text.contains(MARK) {
                return text.into();
            }
            let mut bytes = Vec::with_capacity(text.len());
            let mut rest = text.chars();
            while let Some(character) = rest.next() {
                let byte = (character == MARK).then(|| rest.clone().next().and_then(|byte| u8::try_from(byte).ok()));
                match byte.flatten() {
                    Some(byte) => {
                        rest.next();
                        bytes.push(byte);
                    }
                    None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            OsString::from_vec(bytes)
        }
    } else {
        /// `text`, as far as it is Unicode.
        pub fn escape(text: &OsStr) -> String {
            text.to_string_lossy().into_owned()
        }

        /// What [`escape`] made `text` of.
        pub fn unescape(text: &str) -> OsString {
            text.into()
        }
    }
}

/// A variable as the operating system takes it.
pub fn variable(name: &str, value: &str) -> (OsString, OsString) {
    (unescape(name), unescape(value))
}

#[cfg(all(test, unix))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_without_a_null_byte_comes_back(bytes in prop::collection::vec(1u8..=255, 0..24)) {
            let text = OsStr::from_bytes(&bytes);
            prop_assert_eq!(unescape(&escape(text)), text);
        }

        #[test]
        fn what_is_utf_8_stays(text in "[^\0]*") {
            prop_assert_eq!(escape(OsStr::new(&text)), text.clone());
        }
    }

    #[test]
    fn an_escaped_byte_is_no_character() {
        let [byte, character] = [&b"\xe9"[..], "\u{e9}".as_bytes()].map(|bytes| escape(OsStr::from_bytes(bytes)));
        assert_ne!(byte, character);
        assert_eq!(byte, "\0\u{e9}");
    }
}
