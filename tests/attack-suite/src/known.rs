//! The attacks that are known to succeed: `tests/attacks/known.txt`, a name and a reason per line.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;

use crate::fixture::Attack;

/// Attacks that are known to succeed, with reasons.
#[derive(Debug, Default)]
pub struct Known {
    reasons: BTreeMap<String, String>,
}

impl Known {
    /// Reads the list; whatever it names has to be one of `attacks`.
    pub fn read(file: &Utf8Path, attacks: &[Attack]) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let known = Self::parse(&text).with_context(|| format!("cannot use {file}"))?;
        match known
            .reasons
            .keys()
            .find(|name| attacks.iter().all(|attack| attack.name != **name))
        {
            Some(unknown) => bail!("{file} names `{unknown}`, which is not an attack"),
            None => Ok(known),
        }
    }

    /// Why the attack is known to succeed, if it is.
    pub fn reason(&self, attack: &str) -> Option<&str> {
        self.reasons.get(attack).map(String::as_str)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut reasons = BTreeMap::new();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (name, reason) = line
                .split_once(char::is_whitespace)
                .with_context(|| format!("no reason: {line}"))?;
            if reasons.insert(name.to_owned(), reason.trim().to_owned()).is_some() {
                bail!("`{name}` is listed twice");
            }
        }
        Ok(Self { reasons })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_reason() {
        let known = Known::parse("# comment\n\na/b  not seen\n").unwrap();
        assert_eq!(known.reason("a/b"), Some("not seen"));
        assert_eq!(known.reason("a/c"), None);
        assert!(Known::parse("a/b").is_err());
        assert!(Known::parse("a/b x\na/b y").is_err());
    }
}
