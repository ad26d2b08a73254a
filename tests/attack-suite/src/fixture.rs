//! A file of `tests/attacks`: what is tried, with which project, in which steps. Its format is explained in
//! `tests/attacks/README.md`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

/// What asks for the value of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Asker {
    /// A build script.
    Script,
    /// A proc macro.
    Macro,
}

/// The content of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    about: String,
    #[serde(default)]
    quick: bool,
    value: Option<String>,
    #[serde(default, rename = "in")]
    askers: Vec<Asker>,
    #[serde(default = "yes")]
    cargo: bool,
    #[serde(default)]
    constant: bool,
    base: Option<Utf8PathBuf>,
    #[serde(default)]
    files: BTreeMap<Utf8PathBuf, String>,
    step: Vec<Step>,
}

fn yes() -> bool {
    true
}

/// One build, and what is done before it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The directory of the project, from here on.
    pub(crate) at: Option<Utf8PathBuf>,
    /// Variables that are set from here on.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    /// The same, for values that are not UTF-8.
    #[serde(default)]
    pub(crate) env_bytes: BTreeMap<String, Vec<u8>>,
    /// Variables that are not set from here on.
    #[serde(default)]
    pub(crate) unset: Vec<String>,
    /// A shell script that changes something before the build.
    pub(crate) change: Option<String>,
    /// A shell script that changes something while a process of the build holds at its gate.
    pub(crate) during: Option<String>,
    /// The command of cargo and vx.
    #[serde(default = "build")]
    pub(crate) command: String,
    /// Its arguments.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// The program that is run afterwards.
    pub(crate) run: Option<String>,
    /// A shell script whose output is compared.
    pub(crate) look: Option<String>,
    /// What the program and `look` print.
    pub(crate) expect: Option<String>,
    /// The build fails.
    #[serde(default)]
    pub(crate) fails: bool,
}

fn build() -> String {
    "build".to_owned()
}

/// What is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// What cargo gives.
    Cargo,
    /// What vx gives in an empty home.
    EmptyHome,
    /// What each step says.
    Expected,
}

/// One attack: a fixture, and what asks for its value.
#[derive(Debug, Clone)]
pub struct Attack {
    /// `CLASS/NAME`, and `/script` or `/macro` where there are both.
    pub name: String,
    /// What is tried, in one line.
    pub about: String,
    /// Whether it is among the tests.
    pub is_quick: bool,
    /// What its results are held against.
    pub(crate) right: Right,
    /// Whether all steps give the same result.
    pub(crate) is_constant: bool,
    /// The directory in which its files are.
    pub(crate) base: Utf8PathBuf,
    pub(crate) value: Option<(String, Asker)>,
    pub(crate) files: BTreeMap<Utf8PathBuf, String>,
    pub(crate) steps: Vec<Step>,
}

impl Attack {
    /// The same where nothing is contained: then paths are the real ones, and what is computed from them is as with cargo.
    #[must_use]
    pub fn uncontained(mut self) -> Self {
        if self.right == Right::EmptyHome {
            self.right = Right::Cargo;
            self.is_constant = false;
        }
        self
    }

    /// The class that it belongs to: the directory of its file.
    pub fn class(&self) -> &str {
        self.name.split_once('/').map_or("", |(class, _)| class)
    }
}

/// All attacks below `directory`, by name.
pub fn read_all(directory: &Utf8Path) -> Result<Vec<Attack>> {
    let mut attacks = Vec::new();
    let entries = |directory: &Utf8Path| -> Result<Vec<_>> {
        let entries = directory
            .read_dir_utf8()
            .with_context(|| format!("cannot list {directory}"))?;
        let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.into_path())).collect();
        Ok(paths?)
    };
    for class in entries(directory)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&class)?
            .into_iter()
            .filter(|path| path.extension() == Some("toml"))
        {
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?;
            let name = file.with_extension("");
            let name = name.strip_prefix(directory).expect("it lies below");
            attacks.extend(parse(name.as_str(), &text).with_context(|| format!("cannot use {file}"))?);
        }
    }
    attacks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(attacks)
}

fn parse(name: &str, text: &str) -> Result<Vec<Attack>> {
    let fixture: Fixture = toml::from_str(text)?;
    ensure!(!fixture.step.is_empty(), "there is no step");
    let say_what_is_expected = fixture.step.iter().filter(|step| step.expect.is_some()).count();
    let right = match (fixture.cargo, say_what_is_expected) {
        (true, _) => Right::Cargo,
        (false, 0) => Right::EmptyHome,
        (false, said) if said == fixture.step.len() => Right::Expected,
        _ => bail!("without cargo, each step has to say what is expected, or none"),
    };
    let askers: Vec<Option<Asker>> = match (&fixture.value, fixture.askers.as_slice()) {
        (None, []) => vec![None],
        (Some(_), askers @ [_, ..]) => askers.iter().copied().map(Some).collect(),
        _ => bail!("`value` and `in` go together"),
    };
    let attack = |asker: Option<Asker>| Attack {
        name: match asker {
            Some(Asker::Script) => format!("{name}/script"),
            Some(Asker::Macro) => format!("{name}/macro"),
            None => name.to_owned(),
        },
        about: fixture.about.clone(),
        // What holds for one asker mostly holds for the other, and the tests have little time.
        is_quick: fixture.quick && asker == askers[0],
        right,
        is_constant: fixture.constant,
        // Socket paths are limited to about a hundred bytes, and what TMPDIR names may be long.
        base: fixture.base.clone().unwrap_or_else(|| "/tmp".into()),
        value: fixture.value.clone().zip(asker),
        files: fixture.files.clone(),
        steps: fixture.step.clone(),
    };
    Ok(askers.iter().copied().map(attack).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_asked_for_by_each_of_its_askers() {
        let text = "about = 'a'\nquick = true\nvalue = '1'\nin = ['script', 'macro']\n[[step]]\n";
        let attacks = parse("class/name", text).unwrap();
        let names: Vec<&str> = attacks.iter().map(|attack| attack.name.as_str()).collect();
        assert_eq!(names, ["class/name/script", "class/name/macro"]);
        assert_eq!(attacks[0].class(), "class");
        assert!(attacks[0].is_quick && !attacks[1].is_quick);
    }

    #[test]
    fn a_mistake_in_a_fixture_is_said() {
        for (text, reason) in [
            ("about = 'a'\nstep = []", "no step"),
            ("about = 'a'\nvalue = '1'\n[[step]]", "go together"),
            (
                "about = 'a'\ncargo = false\n[[step]]\nexpect = ''\n[[step]]",
                "what is expected",
            ),
            ("about = 'a'\n[[step]]\nlok = ''", "unknown field"),
        ] {
            let error = format!("{:#}", parse("class/name", text).unwrap_err());
            assert!(error.contains(reason), "{error}");
        }
    }
}
