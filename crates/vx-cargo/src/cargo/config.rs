//! The part of Cargo's configuration that decides command lines.
//!
//! Cargo merges the files (`cargo config get`) and reports the origin of each value. Environment variables that
//! override single values are applied here, as Cargo does on lookup.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use toml::{Table, Value};

use super::tools::{self, Tools};
use crate::{PlanContext, PlanError};

/// Names that the `[env]` table must not set, in Cargo's words.
const REFUSED_VARIABLES: [&str; 3] = ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

/// The merged configuration.
#[derive(Debug, Default)]
pub(crate) struct Config {
    values: Table,
    /// The origin of single values, by key: a file, `--config cli option`.
    origins: BTreeMap<Vec<String>, String>,
    environment: BTreeMap<String, String>,
    directory: Utf8PathBuf,
}

/// An entry of the `[env]` table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigVariable {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether it overrides the user's environment.
    pub(crate) force: bool,
}

impl Config {
    /// Asks Cargo.
    pub(crate) async fn ask(tools: Tools<'_>, context: &PlanContext) -> Result<Self, PlanError> {
        let command = tools::permit_unstable(tools.cargo(["config", "get", "--show-origin"]));
        let shown = tools::shown(&command);
        let output = tools::run(command).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        Self::parse(&text, context.environment.clone(), context.directory.clone()).map_err(|error| PlanError::Answer {
            command: shown,
            reason: error.to_string(),
        })
    }

    pub(crate) fn parse(
        text: &str,
        environment: BTreeMap<String, String>,
        directory: Utf8PathBuf,
    ) -> Result<Self, toml::de::Error> {
        let values = toml::from_str(text)?;
        let origins = text.lines().filter_map(origin_of).collect();
        Ok(Self {
            values,
            origins,
            environment,
            directory,
        })
    }

    /// Files that gave at least one value.
    pub(crate) fn files(&self) -> BTreeSet<&Utf8Path> {
        self.origins
            .values()
            .map(Utf8Path::new)
            .filter(|path| path.is_absolute())
            .collect()
    }

    /// A text, or the variable of the environment that overrides it.
    pub(crate) fn text(&self, key: &[&str]) -> Option<String> {
        self.text_and_origin(key).map(|(text, _)| text)
    }

    /// The value of a program: a bare name, or a path made absolute.
    pub(crate) fn program(&self, key: &[&str]) -> Option<String> {
        let (program, origin) = self.text_and_origin(key)?;
        match program.contains('/') {
            true => Some(self.base(origin).join(program).into_string()),
            false => Some(program),
        }
    }

    /// Flags: a list of texts, or one text to be split at spaces, followed by those of the environment.
    pub(crate) fn flags(&self, key: &[&str]) -> Option<Vec<String>> {
        let configured = self.value(key).and_then(flags);
        let added = self.environment.get(&environment_key(key)).map(|text| split(text));
        match (configured, added) {
            (None, None) => None,
            (configured, added) => {
                let mut flags = configured.unwrap_or_default();
                flags.extend(added.unwrap_or_default());
                Some(flags)
            }
        }
    }

    /// A program with its arguments: a list, or one text to be split at spaces.
    pub(crate) fn command(&self, key: &[&str]) -> Option<Vec<String>> {
        let of_environment = self.environment.get(&environment_key(key));
        let (mut command, origin) = match of_environment {
            Some(text) => (split(text), None),
            None => (flags(self.value(key)?)?, self.origin(key)),
        };
        let program = command.first_mut()?;
        if program.contains('/') {
            *program = self.base(origin).join(&program).into_string();
        }
        Some(command)
    }

    /// Flags of `variable` (`RUSTFLAGS`, `RUSTDOCFLAGS`), for which Cargo prefers the environment to the configuration.
    pub(crate) fn environment_flags(&self, variable: &str) -> Option<Vec<String>> {
        if let Some(encoded) = self.environment.get(&format!("CARGO_ENCODED_{variable}")) {
            let flags = encoded.split('\x1f').filter(|_| !encoded.is_empty());
            return Some(flags.map(str::to_owned).collect());
        }
        let text = self.environment.get(variable)?;
        Some(
            text.split(' ')
                .map(str::trim)
                .filter(|flag| !flag.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Whether the user's environment has the variable.
    pub(crate) fn is_in_environment(&self, name: &str) -> bool {
        self.environment.contains_key(name)
    }

    /// The expressions of `target.'cfg(…)'` tables, sorted.
    pub(crate) fn target_expressions(&self) -> Vec<&str> {
        let targets = self.values.get("target").and_then(Value::as_table);
        let mut keys: Vec<&str> = targets.into_iter().flat_map(Table::keys).map(String::as_str).collect();
        keys.retain(|key| key.starts_with("cfg("));
        keys.sort_unstable();
        keys
    }

    /// `build.target`: `None` if everything is for the host.
    pub(crate) fn build_targets(&self) -> Vec<String> {
        if let Some(target) = self
            .environment
            .get("CARGO_BUILD_TARGET")
            .filter(|target| !target.is_empty())
        {
            return vec![target.clone()];
        }
        match self.value(&["build", "target"]) {
            Some(Value::String(target)) => vec![target.clone()],
            Some(Value::Array(targets)) => targets.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// The keys of the table `key`, sorted.
    pub(crate) fn keys(&self, key: &[&str]) -> Vec<&str> {
        let table = self.value(key).and_then(Value::as_table);
        let mut keys: Vec<&str> = table.into_iter().flat_map(Table::keys).map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    /// A path, made absolute.
    pub(crate) fn path(&self, key: &[&str]) -> Option<Utf8PathBuf> {
        let (path, origin) = self.text_and_origin(key)?;
        Some(crate::paths::normalize(self.base(origin), path.as_str().into()))
    }

    /// The `[env]` table, sorted by name.
    pub(crate) fn variables(&self) -> Result<Vec<ConfigVariable>, PlanError> {
        let table = self.values.get("env").and_then(Value::as_table);
        let mut variables = Vec::new();
        for (name, entry) in table.into_iter().flatten() {
            if REFUSED_VARIABLES.contains(&name.as_str()) {
                let what = format!("`{name}` in the `[env]` table of Cargo's configuration");
                return Err(PlanError::unsupported(what, None));
            }
            variables.extend(self.variable(name, entry));
        }
        variables.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(variables)
    }

    fn variable(&self, name: &str, entry: &Value) -> Option<ConfigVariable> {
        let is_set = |option: &str| entry.get(option).and_then(Value::as_bool).unwrap_or(false);
        let (value, key): (_, &[&str]) = match entry {
            Value::Table(options) => (options.get("value")?, &["env", name, "value"]),
            value => (value, &["env", name]),
        };
        let text = value.as_str()?;
        let value = match is_set("relative") {
            true => self.base(self.origin(key)).join(text).into_string(),
            false => text.to_owned(),
        };
        Some(ConfigVariable {
            name: name.to_owned(),
            value,
            force: is_set("force"),
        })
    }

    fn text_and_origin(&self, key: &[&str]) -> Option<(String, Option<&str>)> {
        let origin = self.origin(key);
        // Values of the command line win over the environment, the environment wins over files.
        let overriding = self
            .environment
            .get(&environment_key(key))
            .filter(|_| !is_command_line(origin));
        match overriding {
            Some(text) => Some((text.clone(), None)),
            None => text_of(self.value(key)?).map(|text| (text, origin)),
        }
    }

    fn value(&self, key: &[&str]) -> Option<&Value> {
        let (first, rest) = key.split_first()?;
        rest.iter()
            .try_fold(self.values.get(*first)?, |value, part| value.get(part))
    }

    fn origin(&self, key: &[&str]) -> Option<&str> {
        let key: Vec<String> = key.iter().map(|part| (*part).to_owned()).collect();
        self.origins.get(&key).map(String::as_str)
    }

    /// The directory for relative paths of `origin`: the one that holds `.cargo`, or the user's.
    fn base<'a>(&'a self, origin: Option<&'a str>) -> &'a Utf8Path {
        let file = origin.map(Utf8Path::new).filter(|path| path.is_absolute());
        file.and_then(|file| file.parent()?.parent()).unwrap_or(&self.directory)
    }
}

/// A text; a number is converted to its digits.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_command_line(origin: Option<&str>) -> bool {
    origin.is_some_and(|origin| origin.starts_with("--config"))
}

/// `KEY = VALUE # ORIGIN` of a single value.
fn origin_of(line: &str) -> Option<(Vec<String>, String)> {
    let (assignment, origin) = line.rsplit_once(" # ")?;
    let table: Table = toml::from_str(assignment).ok()?;
    Some((key_of(&table)?, origin.to_owned()))
}

/// The key of the one value in nested tables.
fn key_of(table: &Table) -> Option<Vec<String>> {
    let (name, value) = table.iter().next()?;
    let mut key = vec![name.clone()];
    if let Value::Table(inner) = value {
        key.extend(key_of(inner)?);
    }
    Some(key)
}

/// `CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER` for `target.x86_64-unknown-linux-gnu.linker`.
fn environment_key(key: &[&str]) -> String {
    let upper = |part: &&str| part.to_uppercase().replace(['-', '.'], "_");
    format!("CARGO_{}", key.iter().map(upper).collect::<Vec<_>>().join("_"))
}

fn flags(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(split(text)),
        Value::Array(texts) => Some(texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    }
}

fn split(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `cargo config get --show-origin` prints it.
    const ANSWER: &str = r#"build.rustflags = [
    "--cfg", # /p/.cargo/config.toml
    'a b # " c', # /p/.cargo/config.toml
]
env.BAR = "1" # /p/.cargo/config.toml
env.FOO.force = true # /p/.cargo/config.toml
env.FOO.relative = true # /p/.cargo/config.toml
env.FOO.value = "x/y" # /p/.cargo/config.toml
env.Z = "q # r" # --config cli option
target."cfg(unix)".rustflags = "-C debuginfo=1" # /p/.cargo/config.toml
target.x86_64-unknown-linux-gnu.linker = "tools/cc.sh" # /p/.cargo/config.toml
target.wasm32-wasip1.linker = "wasm-ld" # --config cli option
# The following environment variables may affect the loaded values.
# CARGO_HOME=/h/.cargo
"#;

    fn config(environment: &[(&str, &str)]) -> Config {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(ANSWER, environment.collect(), "/p/sub".into()).unwrap()
    }

    #[test]
    fn values_and_where_they_come_from() {
        let config = config(&[]);
        assert_eq!(config.flags(&["build", "rustflags"]).unwrap(), ["--cfg", "a b # \" c"]);
        assert_eq!(
            config.flags(&["target", "cfg(unix)", "rustflags"]).unwrap(),
            ["-C", "debuginfo=1"]
        );
        let linker = config.program(&["target", "x86_64-unknown-linux-gnu", "linker"]);
        assert_eq!(linker.as_deref(), Some("/p/tools/cc.sh"));
        assert_eq!(config.target_expressions(), ["cfg(unix)"]);
        assert_eq!(
            config.files().into_iter().collect::<Vec<_>>(),
            ["/p/.cargo/config.toml"]
        );
    }

    #[test]
    fn the_env_table() {
        let variable = |name: &str, value: &str, force| ConfigVariable {
            name: name.to_owned(),
            value: value.to_owned(),
            force,
        };
        let expected = [
            variable("BAR", "1", false),
            variable("FOO", "/p/x/y", true),
            variable("Z", "q # r", false),
        ];
        assert_eq!(config(&[]).variables().unwrap(), expected);
    }

    #[test]
    fn the_environment_overrides_files_and_adds_to_lists() {
        let config = config(&[
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "clang"),
            ("CARGO_TARGET_WASM32_WASIP1_LINKER", "other"),
            ("CARGO_BUILD_RUSTFLAGS", "-C x"),
        ]);
        let linker = config.program(&["target", "x86_64-unknown-linux-gnu", "linker"]);
        assert_eq!(linker.as_deref(), Some("clang"));
        assert_eq!(
            config.program(&["target", "wasm32-wasip1", "linker"]).as_deref(),
            Some("wasm-ld")
        );
        assert_eq!(
            config.flags(&["build", "rustflags"]).unwrap(),
            ["--cfg", "a b # \" c", "-C", "x"]
        );
    }

    #[test]
    fn flags_of_the_environment() {
        assert_eq!(config(&[]).environment_flags("RUSTFLAGS"), None);
        assert_eq!(
            config(&[("RUSTFLAGS", " -C  a ")])
                .environment_flags("RUSTFLAGS")
                .unwrap(),
            ["-C", "a"]
        );
        let both = config(&[("RUSTFLAGS", "-C a"), ("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1fb c")]);
        assert_eq!(both.environment_flags("RUSTFLAGS").unwrap(), ["--cfg", "b c"]);
        assert_eq!(
            config(&[("CARGO_ENCODED_RUSTFLAGS", "")])
                .environment_flags("RUSTFLAGS")
                .unwrap(),
            [""; 0]
        );
    }
}
