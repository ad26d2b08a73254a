//! The engine's own records besides results: typed values in the store's table of records. All of them can be lost.
//!
//! Every record has its format and the time of writing, so that one of another version is not read, and old ones can be
//! recognized.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vx_model::{KeyPart, formats};
use vx_proto::{ErrorKind, Explanation, Outcome, RecordKey, UnitLabel, WireError};

use super::actions::Grants;
use super::doors::{Doors, RecordStore};

/// A kind of record.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The table of these records.
    const TABLE: &'static str;
}

/// What the last build of a workspace did; by the workspace's path.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LastBuild(pub(crate) Vec<UnitOfBuild>);

/// The parts of a unit's key when it was last built or found; by [`unit_key`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnitParts(pub(crate) Vec<(String, String)>);

/// How long units took, in milliseconds, by identity; by the workspace's path.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Durations(pub(crate) HashMap<String, u64>);

/// The strong key of the documentation in a workspace, hexadecimal; by the path of its first page.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Documented(pub(crate) String);

/// The strong key of the script run that last wrote into a package, hexadecimal; `None` if it is unknown what a later
/// run wrote. By the paths of workspace and package.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastScript(pub(crate) Option<String>);

/// Whether a proc macro can read the environment; by the digest of its library.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadsEnvironment(pub(crate) bool);

/// What a unit's action was granted because it needed it; by the identity of the unit.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Granted {
    /// The weak key, hexadecimal, of the action without any grants. Another one may not need the same.
    pub(crate) action: String,
    /// What it was granted. That it finds everything where it is holds for all actions of the unit: with each change it
    /// would run twice.
    pub(crate) grants: Grants,
}

impl Record for Granted {
    const TABLE: &'static str = "granted";
}

impl Record for LastBuild {
    const TABLE: &'static str = "last-build";
}

impl Record for UnitParts {
    const TABLE: &'static str = "unit-parts";
}

impl Record for Durations {
    const TABLE: &'static str = "durations";
}

impl Record for Documented {
    const TABLE: &'static str = "documentation";
}

impl Record for LastScript {
    const TABLE: &'static str = "last-script";
}

impl Record for ReadsEnvironment {
    const TABLE: &'static str = "reads-environment";
}

/// The key of [`UnitParts`].
pub(crate) fn unit_key(workspace: &str, unit: &str) -> String {
    format!("{workspace}\n{unit}")
}

impl UnitParts {
    /// For the records.
    pub(crate) fn of(parts: Vec<KeyPart>) -> Self {
        Self(parts.into_iter().map(|part| (part.label, part.value)).collect())
    }

    /// The original parts.
    pub(crate) fn into_parts(self) -> Vec<KeyPart> {
        let part = |(label, value)| KeyPart { label, value };
        self.0.into_iter().map(part).collect()
    }
}

/// A unit of [`LastBuild`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UnitOfBuild {
    /// Its name in [`unit_key`].
    pub(crate) unit: String,
    package: String,
    version: String,
    directory: Option<String>,
    target: String,
    outcome: UnitOutcome,
    reasons: Vec<String>,
}

/// [`Outcome`] as it is stored.
#[derive(Debug, Serialize, Deserialize)]
enum UnitOutcome {
    Ran,
    Cached,
    Fresh,
}

impl UnitOfBuild {
    /// For the records.
    pub(crate) fn new(unit: &str, label: &UnitLabel, outcome: Outcome, reasons: &[String]) -> Self {
        Self {
            unit: unit.to_owned(),
            package: label.package.clone(),
            version: label.version.clone(),
            directory: label.directory.clone(),
            target: label.target.clone(),
            outcome: match outcome {
                Outcome::Ran => UnitOutcome::Ran,
                Outcome::Cached => UnitOutcome::Cached,
                Outcome::Fresh => UnitOutcome::Fresh,
            },
            reasons: reasons.to_vec(),
        }
    }

    /// As it is shown to people.
    pub(crate) fn label(&self) -> UnitLabel {
        UnitLabel {
            package: self.package.clone(),
            version: self.version.clone(),
            directory: self.directory.clone(),
            target: self.target.clone(),
        }
    }

    /// As it is explained.
    pub(crate) fn explanation(self) -> Explanation {
        Explanation {
            label: self.label(),
            outcome: match self.outcome {
                UnitOutcome::Ran => Outcome::Ran,
                UnitOutcome::Cached => Outcome::Cached,
                UnitOutcome::Fresh => Outcome::Fresh,
            },
            reasons: self.reasons,
        }
    }
}

/// A record as it is stored.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    format: u32,
    /// Seconds since the Unix epoch.
    written: u64,
    record: T,
}

/// The part that decides whether the rest can be read.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Reads and writes records.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    store: Arc<dyn RecordStore>,
}

impl Records {
    /// Records stored behind `doors`.
    pub(crate) fn new(doors: &Doors) -> Self {
        Self {
            store: doors.records.clone(),
        }
    }

    /// A record; `None` if there is none that can be read.
    pub(crate) async fn get<R: Record>(&self, key: &str) -> Result<Option<R>, WireError> {
        let found = self.store.get_record(record_key::<R>(key)).await?;
        Ok(found.and_then(|bytes| open(&bytes)))
    }

    /// Writes a record.
    pub(crate) async fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), WireError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let envelope = Envelope {
            format: formats::RECORDS,
            written: now.as_secs(),
            record,
        };
        let bytes =
            serde_json::to_vec(&envelope).map_err(|error| WireError::from_error(ErrorKind::Internal, &error))?;
        self.store.put_record(record_key::<R>(key), bytes).await
    }
}

fn open<R: Record>(bytes: &[u8]) -> Option<R> {
    let Format { format } = serde_json::from_slice(bytes).ok()?;
    if format != formats::RECORDS {
        return None;
    }
    let envelope: Envelope<R> = serde_json::from_slice(bytes).ok()?;
    Some(envelope.record)
}

fn record_key<R: Record>(key: &str) -> RecordKey {
    RecordKey {
        table: R::TABLE.to_owned(),
        key: key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_other_formats_are_not_read() {
        let envelope = |format| Envelope {
            format,
            written: 1,
            record: Documented("0".to_owned()),
        };
        let bytes = |format| serde_json::to_vec(&envelope(format)).unwrap();
        assert_eq!(open(&bytes(formats::RECORDS)), Some(Documented("0".to_owned())));
        assert_eq!(open::<Documented>(&bytes(formats::RECORDS + 1)), None);
        assert_eq!(open::<Documented>(b"\"0\""), None);
    }
}
