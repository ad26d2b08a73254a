//! Results that are kept: what was measured, when, of which commit and on which machine. One line of JSON each.

use std::fs;
use std::io::Write as _;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use serde::{Deserialize, Serialize};

use super::report::Report;
use crate::program;

/// One run of the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// When it ended, in UTC: `2026-11-26T15:35:58Z`.
    pub(super) date: String,
    /// The commit that vx was built from; a plus sign at the end if files were changed.
    pub(super) commit: String,
    pub(super) machine: Machine,
    /// Version of the compiler that both builders used.
    pub(super) rustc: String,
    pub(super) report: Report,
}

/// What the times depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    /// The processor, as it names itself.
    pub(super) processor: String,
    /// Processors that this process may use.
    pub(super) cores: usize,
}

impl Record {
    /// The record of a run that ends now, of the vx of the workspace at `root`.
    pub(super) fn now(report: Report, root: &Utf8Path) -> Result<Self> {
        Ok(Self {
            date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            commit: commit(root)?,
            machine: Machine::this()?,
            rustc: rustc(&program::output(program::isolated("rustc").arg("--version"))?),
            report,
        })
    }

    /// Adds the record to the end of `file`, which is made if it is missing.
    pub(super) fn append(&self, file: &Utf8Path) -> Result<()> {
        let append = || {
            if let Some(directory) = file.parent() {
                fs::create_dir_all(directory)?;
            }
            let mut file = fs::File::options().create(true).append(true).open(file)?;
            file.write_all(format!("{}\n", serde_json::to_string(self)?).as_bytes())
        };
        append().with_context(|| format!("cannot write {file}"))
    }

    /// All records of `file`, the oldest first; `None` if it is missing.
    pub(super) fn read_all(file: &Utf8Path) -> Result<Vec<Self>> {
        if !file.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let records = text.lines().enumerate().map(|(number, line)| {
            serde_json::from_str(line).with_context(|| format!("{file}:{} is not a record", number + 1))
        });
        records.collect()
    }
}

impl Machine {
    fn this() -> Result<Self> {
        let text = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
        Ok(Self {
            processor: processor(&text),
            cores: std::thread::available_parallelism()
                .context("cannot count processors")?
                .get(),
        })
    }
}

fn commit(root: &Utf8Path) -> Result<String> {
    let git = |arguments: &[&str]| program::output(program::isolated("git").args(arguments).current_dir(root));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let mark = if changed.trim().is_empty() { "" } else { "+" };
    Ok(format!("{}{mark}", commit.trim()))
}

/// The name in `/proc/cpuinfo`; some architectures have none.
fn processor(text: &str) -> String {
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let mut names = fields.filter(|(key, _)| key.trim() == "model name");
    let name = names.next().map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    name.to_owned()
}

/// `1.95.0` of `rustc 1.95.0 (… …)`.
fn rustc(version: &str) -> String {
    let number = version.split_whitespace().nth(1);
    number.unwrap_or_else(|| version.trim()).to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::report;

    /// A record of this day and commit.
    pub(in crate::bench) fn example(date: &str, commit: &str, before: Option<u64>) -> Record {
        Record {
            date: format!("{date}T12:00:00Z"),
            commit: commit.to_owned(),
            machine: Machine {
                processor: "Example CPU @ 3.00GHz".to_owned(),
                cores: 2,
            },
            rustc: "1.95.0".to_owned(),
            report: report::tests::example(900, before),
        }
    }

    #[test]
    fn records_are_read_as_they_were_appended() {
        let directory = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(directory.path())
            .unwrap()
            .join("bench/results.jsonl");
        assert_eq!(Record::read_all(&file).unwrap(), []);
        let records = [
            example("2026-01-01", "a1", None),
            example("2026-01-02", "b2+", Some(800)),
        ];
        for record in &records {
            record.append(&file).unwrap();
        }
        assert_eq!(Record::read_all(&file).unwrap(), records);
    }

    #[test]
    fn a_damaged_record_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = Utf8Path::from_path(directory.path()).unwrap().join("results.jsonl");
        example("2026-01-01", "a1", None).append(&file).unwrap();
        fs::write(&file, fs::read_to_string(&file).unwrap() + "{\n").unwrap();
        let error = Record::read_all(&file).unwrap_err();
        assert!(
            error.to_string().ends_with("results.jsonl:2 is not a record"),
            "{error}"
        );
    }

    #[test]
    fn machines_and_compilers_are_named_in_short() {
        let text = "processor\t: 0\nmodel\t\t: 6\nmodel name\t: Example CPU @ 3.00GHz\n";
        assert_eq!(processor(text), "Example CPU @ 3.00GHz");
        assert_eq!(processor("BogoMIPS : 50\n"), std::env::consts::ARCH);
        assert_eq!(rustc("rustc 1.95.0 (59807616e 2026-04-14)\n"), "1.95.0");
    }
}
