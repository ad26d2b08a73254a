//! One line edited, and the edit undone.

use std::fs;

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;

/// A source file with a `fn main`.
pub(super) struct Source {
    path: Utf8PathBuf,
    text: String,
}

impl Source {
    /// Remembers the file as it is.
    pub(super) fn read(path: Utf8PathBuf) -> Result<Self> {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        Ok(Self { path, text })
    }

    /// Lets `main` do something else in its first line, different for each `number`.
    pub(super) fn edit(&self, number: usize) -> Result<()> {
        let text = edited(&self.text, number).with_context(|| format!("{} does not contain `fn main`", self.path))?;
        fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path))
    }

    /// Writes the file as it was.
    pub(super) fn undo(&self) -> Result<()> {
        fs::write(&self.path, &self.text).with_context(|| format!("cannot write {}", self.path))
    }
}

fn edited(text: &str, number: usize) -> Option<String> {
    let main = text.find("\nfn main(")?;
    let body = main + text[main..].find('{')? + 1;
    Some(format!(
        "{} std::hint::black_box({number}u64);{}",
        &text[..body],
        &text[body..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_keeps_the_number_of_lines() {
        let text = "//! A program.\nfn main() -> ExitCode {\n    run()\n}\n";
        let edited = edited(text, 7).unwrap();
        assert_eq!(
            edited,
            "//! A program.\nfn main() -> ExitCode { std::hint::black_box(7u64);\n    run()\n}\n"
        );
    }
}
