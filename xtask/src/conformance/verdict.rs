//! Whether vx did for an entry what cargo did, and the row that tells it.

use std::fmt::Write as _;

use super::builders::Built;
use super::compare::Difference;
use super::intended;

/// Everything that is known about an entry.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) name: String,
    pub(super) cargo: Built,
    pub(super) vx: Built,
    pub(super) second: Built,
    /// Processes that cargo started.
    pub(super) units: usize,
    /// Processes that vx started in the second place.
    pub(super) started_in_second: usize,
    /// Processes that differ.
    pub(super) differences: Vec<Difference>,
}

/// The heads of the columns.
pub(super) const HEAD: &str =
    "entry            units  different  cargo (s)   vx (s)  second (s)  started there  verdict";

impl Verdict {
    /// A row of the table.
    pub(super) fn row(&self) -> String {
        let verdict = if self.conforms() { "conforms" } else { "differs" };
        format!(
            "{:<16} {:>5}  {:>9}  {:>9.1}  {:>7.1}  {:>10.1}  {:>13}  {verdict}",
            self.name,
            self.units,
            self.differences.len(),
            self.cargo.seconds,
            self.vx.seconds,
            self.second.seconds,
            self.started_in_second
        )
    }

    /// Whether nothing is to be complained of.
    pub(super) fn conforms(&self) -> bool {
        self.complaints().is_empty() && self.differences.is_empty()
    }

    /// What is wrong, but for processes that differ.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut expect = |holds: bool, complaint: String| {
            if !holds {
                complaints.push(complaint);
            }
        };
        let Self { cargo, vx, second, .. } = self;
        expect(cargo.success, "cargo fails".to_owned());
        expect(vx.success, "vx fails".to_owned());
        expect(second.success, "vx fails in the second place".to_owned());
        for (place, built) in [("", vx), (" in the second place", second)] {
            let (theirs, ours) = (&cargo.artifacts, &built.artifacts);
            expect(
                theirs == ours,
                format!("artifacts: cargo has {theirs:?}, vx{place} {ours:?}"),
            );
            let (theirs, ours) = (&cargo.smoke, &built.smoke);
            expect(
                theirs == ours,
                format!("smoke command: cargo's prints {theirs:?}, that of vx{place} {ours:?}"),
            );
        }
        expect(
            self.started_in_second == 0 || intended::is_bound_to_its_place(&self.name),
            format!("vx starts {} processes in the second place", self.started_in_second),
        );
        complaints
    }

    /// Everything that is wrong, processes whose title holds `unit` only.
    pub(super) fn details(&self, unit: &str) -> String {
        let mut text = String::new();
        for complaint in self.complaints() {
            let _ = writeln!(text, "{complaint}");
        }
        for Difference { title, lines } in &self.differences {
            if title.contains(unit) {
                let _ = writeln!(text, "{title}");
                for line in lines {
                    let _ = writeln!(text, "    {line}");
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict() -> Verdict {
        let built = Built {
            success: true,
            seconds: 1.0,
            artifacts: vec!["a".to_owned()],
            smoke: "a 1.0".to_owned(),
            checkout: "/w".into(),
            outputs: "/o".into(),
        };
        Verdict {
            name: "a".to_owned(),
            cargo: built.clone(),
            vx: built.clone(),
            second: built,
            units: 1,
            started_in_second: 0,
            differences: Vec::new(),
        }
    }

    #[test]
    fn equal_builds_conform() {
        assert!(verdict().conforms());
    }

    #[test]
    fn each_thing_that_differs_is_told() {
        let mut differs = verdict();
        differs.vx.artifacts.clear();
        differs.second.smoke = "b".to_owned();
        differs.started_in_second = 2;
        assert_eq!(differs.complaints().len(), 3, "{:?}", differs.complaints());
        differs.vx.success = false;
        assert!(differs.details("").contains("vx fails"));
    }

    #[test]
    fn the_row_is_as_wide_as_the_head() {
        let row = verdict().row();
        assert_eq!(row.rfind("conforms"), HEAD.rfind("verdict"), "{row}");
    }
}
