//! rustc's artifact notices: the lines of `--json=artifacts` that announce a complete file.

use serde::Deserialize;

/// A file is complete.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Notice {
    /// Its path, as given to rustc.
    pub(crate) artifact: String,
    /// What it is: `metadata`, `link`, `dep-info`, …
    pub(crate) emit: String,
}

/// How such a line begins in newer and in older compilers. Other messages are long, and not parsed here.
const BEGINNINGS: [&[u8]; 2] = [br#"{"$message_type":"artifact","#, br#"{"artifact":"#];

impl Notice {
    /// Parses a line of standard error; `None` if it is not a notice.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        if BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) {
            serde_json::from_slice(line).ok()
        } else {
            None
        }
    }

    /// Whether dependents can start with this file.
    pub(crate) fn is_metadata(&self) -> bool {
        self.emit == "metadata"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_of_newer_and_older_compilers_are_understood() {
        let newer = br#"{"$message_type":"artifact","artifact":"/exec/out/libx.rmeta","emit":"metadata"}"#;
        let notice = Notice::parse(newer).unwrap();
        assert_eq!(notice.artifact, "/exec/out/libx.rmeta");
        assert!(notice.is_metadata());
        let older = br#"{"artifact":"/exec/out/x.d","emit":"dep-info"}"#;
        assert!(!Notice::parse(older).unwrap().is_metadata());
    }

    #[test]
    fn other_lines_are_not_notices() {
        for line in [
            &br#"{"$message_type":"diagnostic","message":"artifact"}"#[..],
            b"artifact",
            br#"{"artifact":"cut"#,
            b"",
            b"\xff",
        ] {
            assert_eq!(Notice::parse(line), None);
        }
    }
}
