//! The list of programs to build: `tests/corpus.tsv`, or another file of its kind.

use std::fs;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;

use crate::published::Release;

/// A program of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The package on crates.io.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Options for both builders.
    pub(super) flags: Vec<String>,
    /// A program that is built, and its arguments.
    pub(super) smoke: Vec<String>,
}

impl Entry {
    /// The published sources.
    pub(super) fn release(&self) -> Release {
        Release::new(&self.name, &self.version)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split('\t');
        let mut words = || {
            let words = columns.next()?.split_whitespace().map(str::to_owned);
            Some(words.collect::<Vec<_>>())
        };
        let ([name], [version], mut flags, smoke) = (&words()?[..], &words()?[..], words()?, words()?) else {
            return None;
        };
        if flags == ["-"] {
            flags.clear();
        }
        (!smoke.is_empty()).then(|| Self {
            name: name.clone(),
            version: version.clone(),
            flags,
            smoke,
        })
    }
}

/// The entries of `file` that are named, in the order of the file; all of them where none is named.
pub(super) fn read(file: &Utf8Path, names: &[String]) -> Result<Vec<Entry>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read the corpus {file}"))?;
    let mut entries = parse(&text).with_context(|| format!("cannot parse the corpus {file}"))?;
    let known: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!("`{unknown}` is not in {file}, which has {}", known.join(", "));
    }
    entries.retain(|entry| names.is_empty() || names.contains(&entry.name));
    Ok(entries)
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
        .map(|(number, line)| {
            Entry::parse(line)
                .with_context(|| format!("line {}: expected name, version, flags and smoke command", number + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_name_version_flags_and_smoke_command() {
        let entries = parse("# comment\na\t1.0.0\t-\ta --version\twhat\nb\t2.0.0\t--features x\tb\t\n").unwrap();
        assert_eq!(entries[0].flags, Vec::<String>::new());
        assert_eq!(entries[0].smoke, ["a", "--version"]);
        assert_eq!(entries[1].flags, ["--features", "x"]);
    }

    #[test]
    fn a_line_without_smoke_command_is_told() {
        let error = parse("\na\t1.0.0\t-\n").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn the_corpus_of_the_repository_can_be_read() {
        let all = read(&crate::workspace::root().join("tests/corpus.tsv"), &[]).unwrap();
        assert!(all.len() > 20);
    }
}
