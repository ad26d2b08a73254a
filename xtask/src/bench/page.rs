//! The page of results over time, made from the records alone.

use std::fmt::{self, Display, Formatter};

use super::record::Record;

/// Results on one page, the newest first.
pub(super) struct Page<'a>(pub(super) &'a [Record]);

/// The cases with a column of their own: the head of the column, and the name in a report.
const COLUMNS: &[(&str, &str)] = &[
    ("cold build", "cold build, empty store"),
    ("nothing changed", "nothing changed"),
    ("new checkout", "new checkout, warm store"),
    ("one line edited", "one line edited"),
    ("edit undone", "edit undone"),
];

const INTRODUCTION: &str = "\
<!-- Written by `cargo xtask bench --save` from results.jsonl; do not edit. -->

# Results over time

Each number is the time of vx divided by that of cargo, for the same program on the same machine in the same run: less
is better. Both are medians. If a run compared two versions of vx, the second number is the time of the measured one
divided by that of the other. A plus sign after a commit means that files were changed. Compare only rows of the same
machine, program and profile.
";

impl Display for Page<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{INTRODUCTION}")?;
        if self.0.is_empty() {
            return writeln!(f, "There are no results yet.");
        }
        let heads = COLUMNS.iter().map(|(head, _)| *head);
        let heads: Vec<&str> = ["date", "commit"]
            .into_iter()
            .chain(heads)
            .chain(["daemon, idle", "program", "machine", "rustc"])
            .collect();
        writeln!(f, "| {} |", heads.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(heads.len()))?;
        self.0
            .iter()
            .rev()
            .try_for_each(|record| writeln!(f, "| {} |", cells(record).join(" | ")))
    }
}

fn cells(record: &Record) -> Vec<String> {
    let Record {
        date,
        commit,
        machine,
        rustc,
        report,
    } = record;
    let ratios = COLUMNS.iter().map(|(_, name)| {
        let case = report.cases.iter().find(|case| case.name == *name);
        match case.map(|case| (case.ratio, case.before)) {
            None => "–".to_owned(),
            Some((ratio, None)) => number(ratio),
            Some((ratio, Some(before))) => format!("{}; {}", number(ratio), number(before.ratio)),
        }
    });
    let daemon = report.idle.iter().find(|idle| idle.name == "daemon");
    let daemon = daemon.map_or_else(|| "–".to_owned(), |idle| format!("{:.1} MiB", idle.mebibytes()));
    let day = date.split('T').next().unwrap_or(date);
    [day.to_owned(), format!("`{commit}`")]
        .into_iter()
        .chain(ratios)
        .chain([
            daemon,
            format!("{}, {}", report.project, report.profile),
            format!("{}, {} cores", machine.processor.replace('|', "/"), machine.cores),
            rustc.clone(),
        ])
        .collect()
}

/// Two decimals of what is near one, and more of what is small.
fn number(ratio: f64) -> String {
    match ratio {
        small if small < 0.1 => format!("{small:.4}"),
        ratio => format!("{ratio:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::record::tests::example;
    use crate::bench::{PAGE, RECORDS};
    use crate::workspace;

    #[test]
    fn the_newest_is_first() {
        let records = [
            example("2026-01-01", "a1", None),
            example("2026-01-02", "b2+", Some(800)),
        ];
        let page = Page(&records).to_string();
        let (introduction, table) = page.split_once("\n| ").unwrap();
        assert!(introduction.contains("# Results over time"), "{introduction}");
        let expected = "\
date | commit | cold build | nothing changed | new checkout | one line edited | edit undone | daemon, idle | program | machine | rustc |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| 2026-01-02 | `b2+` | 0.90; 1.12 | – | – | – | – | 12.0 MiB | ripgrep 15.2.0, dev | Example CPU @ 3.00GHz, 2 cores | 1.95.0 |
| 2026-01-01 | `a1` | 0.90 | – | – | – | – | 12.0 MiB | ripgrep 15.2.0, dev | Example CPU @ 3.00GHz, 2 cores | 1.95.0 |
";
        assert_eq!(table, expected);
    }

    #[test]
    fn small_ratios_have_more_decimals() {
        assert_eq!([1.034, 0.5, 0.0312].map(number), ["1.03", "0.50", "0.0312"]);
    }

    #[test]
    fn the_page_in_the_repository_is_that_of_its_records() {
        let records = Record::read_all(&workspace::root().join(RECORDS)).unwrap();
        let page = std::fs::read_to_string(workspace::root().join(PAGE)).unwrap();
        assert_eq!(page, Page(&records).to_string());
    }
}
