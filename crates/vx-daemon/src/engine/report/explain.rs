//! Why a unit ran: compares the parts of its key with those of its last run, in the user's words.

use std::collections::{BTreeMap, BTreeSet};

use vx_model::KeyPart;

use crate::engine::inputs::{HASHED, WHOLE_ENVIRONMENT};

/// Label of the digest of all parts that are known before an action runs.
pub(crate) const WEAK_KEY: &str = "weak key";
/// Label of the digest of all parts.
pub(crate) const STRONG_KEY: &str = "strong key";

/// The longest value that is shown in full.
const SHOWN: usize = 80;

/// The differences, one line each, in the order of `now`. Empty if there are none.
pub(crate) fn differences(before: &[KeyPart], now: &[KeyPart]) -> Vec<String> {
    let old = by_label(before);
    let new = by_label(now);
    let mut labels: Vec<&str> = now.iter().chain(before).map(|part| part.label.as_str()).collect();
    let mut seen = BTreeSet::new();
    labels.retain(|label| ![WEAK_KEY, STRONG_KEY].contains(label) && seen.insert(*label));
    // If it counts in one of the two alone, that is one difference and not one for each variable.
    if old.contains_key(WHOLE_ENVIRONMENT) != new.contains_key(WHOLE_ENVIRONMENT) {
        let is_of_whole = |values: Option<&Values<'_>>| values.is_some_and(|values| values.iter().any(is_hashed));
        labels.retain(|label| !is_of_whole(old.get(label)) && !is_of_whole(new.get(label)));
    }
    labels
        .iter()
        .filter_map(|label| difference(label, old.get(label), new.get(label)))
        .collect()
}

type Values<'a> = BTreeSet<&'a str>;

fn by_label(parts: &[KeyPart]) -> BTreeMap<&str, Values<'_>> {
    let mut map: BTreeMap<&str, Values<'_>> = BTreeMap::new();
    for part in parts {
        map.entry(&part.label).or_default().insert(&part.value);
    }
    map
}

fn difference(label: &str, old: Option<&Values<'_>>, new: Option<&Values<'_>>) -> Option<String> {
    let is_of_whole = |values: &Values<'_>| values.iter().all(is_hashed);
    match (old, new) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => {
            let gone = single(old.difference(new));
            let come = single(new.difference(old));
            Some(match (gone, come) {
                (Some(gone), Some(come)) => format!("{label} changed from `{gone}` to `{come}`"),
                _ if new.is_subset(old) => format!("{label} removed: {}", list(old.difference(new))),
                _ if old.is_subset(new) => format!("{label} added: {}", list(new.difference(old))),
                _ => format!("{label} changed"),
            })
        }
        (None, Some(new)) if is_of_whole(new) => Some(format!("{label} is set now")),
        (Some(old), None) if is_of_whole(old) => Some(format!("{label} is no longer set")),
        (None, Some(_)) => Some(format!("{label} is new")),
        (Some(_), None) => Some(format!("{label} no longer counts")),
        (None, None) => None,
    }
}

/// Whether a value of the environment was replaced by its digest.
fn is_hashed(value: &&str) -> bool {
    value.starts_with(HASHED)
}

/// The only value, if there is one that is meaningful to a person.
fn single<'a>(mut values: impl Iterator<Item = &'a &'a str>) -> Option<&'a str> {
    let value = values.next()?;
    (values.next().is_none() && !is_hashed(value) && value.len() <= SHOWN && value.parse::<vx_model::Digest>().is_err())
        .then_some(value)
}

fn list<'a>(values: impl Iterator<Item = &'a &'a str>) -> String {
    values.map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use vx_model::Digest;

    use super::*;

    fn parts(parts: &[(&str, &str)]) -> Vec<KeyPart> {
        let part = |(label, value): &(&str, &str)| KeyPart {
            label: (*label).to_owned(),
            value: (*value).to_owned(),
        };
        parts.iter().map(part).collect()
    }

    #[test]
    fn differences_are_explained_in_words() {
        let (one, two) = (Digest::of(b"1").to_string(), Digest::of(b"2").to_string());
        let before = parts(&[
            ("argument", "-g"),
            ("file src/main.rs", &one),
            ("environment variable A", "=1"),
        ]);
        let now = parts(&[
            ("argument", "-g"),
            ("argument", "--cfg=x"),
            ("file src/main.rs", &two),
            ("environment variable A", "=2"),
            ("file src/new.rs", &one),
        ]);
        let expected = [
            "argument added: `--cfg=x`",
            "file src/main.rs changed",
            "environment variable A changed from `=1` to `=2`",
            "file src/new.rs is new",
        ];
        assert_eq!(differences(&before, &now), expected);
        assert!(differences(&now, &now).is_empty());
    }

    #[test]
    fn the_variable_that_differs_is_named() {
        let before = parts(&[
            (WHOLE_ENVIRONMENT, "counts"),
            ("environment variable A", "sha256:1"),
            ("environment variable B", "sha256:1"),
            ("environment variable D", "sha256:1"),
        ]);
        let now = parts(&[
            (WHOLE_ENVIRONMENT, "counts"),
            ("environment variable A", "sha256:1"),
            ("environment variable B", "sha256:2"),
            ("environment variable C", "sha256:1"),
        ]);
        let expected = [
            "environment variable B changed",
            "environment variable C is set now",
            "environment variable D is no longer set",
        ];
        assert_eq!(differences(&before, &now), expected);
        let expected = ["whole environment no longer counts"];
        assert_eq!(differences(&before, &[]), expected);
    }
}
