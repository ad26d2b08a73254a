//! The table at the end of a run: one line per class, and those that are known to succeed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vx_attack_suite::{Attack, Outcome, Verdict};

/// How the attacks of a class ended.
#[derive(Debug, Default)]
struct Row {
    attacks: usize,
    hold: usize,
    known: Vec<String>,
    wrong: Vec<String>,
}

/// The whole table.
pub(super) fn table(verdicts: &[(Attack, Verdict)]) -> String {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for (attack, verdict) in verdicts {
        let row = rows.entry(attack.class()).or_default();
        let name = attack.name[attack.class().len()..].trim_start_matches('/').to_owned();
        row.attacks += 1;
        match verdict.outcome {
            Outcome::Holds => row.hold += 1,
            Outcome::Known(_) => row.known.push(name),
            Outcome::Succeeds | Outcome::NoLongerSucceeds | Outcome::Broken => row.wrong.push(name),
        }
    }
    let mut text = format!(
        "{:<22} {:>7} {:>5} {:>5} {:>5}  known, wrong\n",
        "class", "attacks", "hold", "known", "wrong"
    );
    let mut line = |class: &str, attacks: usize, hold: usize, known: usize, wrong: usize, names: &str| {
        let line = format!("{class:<22} {attacks:>7} {hold:>5} {known:>5} {wrong:>5}  {names}");
        writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
    };
    for (class, row) in &rows {
        let wrong = row.wrong.iter().map(|name| format!("{name}!"));
        let names: Vec<String> = row.known.iter().cloned().chain(wrong).collect();
        line(
            class,
            row.attacks,
            row.hold,
            row.known.len(),
            row.wrong.len(),
            &names.join(", "),
        );
    }
    let sum = |count: fn(&Row) -> usize| rows.values().map(count).sum::<usize>();
    line(
        "all",
        sum(|row| row.attacks),
        sum(|row| row.hold),
        sum(|row| row.known.len()),
        sum(|row| row.wrong.len()),
        "",
    );
    text
}
