//! Whether vx did for an entry what cargo did, as a row of the table.

use std::fmt::Write as _;

use super::builders::Built;
use super::compare::Difference;

/// Everything that is known about an entry.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) name: String,
    pub(super) cargo: Built,
    pub(super) vx: Built,
    pub(super) second: Built,
    /// Processes that cargo started.
    pub(super) units: usize,
    /// The packages of the processes that vx started in the second checkout, one each.
    pub(super) started_in_second: Vec<String>,
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
            self.started_in_second.len()
        )
    }

    /// Whether there is no complaint.
    pub(super) fn conforms(&self) -> bool {
        self.complaints().is_empty() && self.differences.is_empty()
    }

    /// What is wrong, except processes that differ.
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
        expect(second.success, "vx fails in the second checkout".to_owned());
        for (suffix, built) in [("", vx), (" in the second checkout", second)] {
            let (theirs, ours) = (&cargo.artifacts, &built.artifacts);
            expect(
                theirs == ours,
                format!("artifacts: cargo has {theirs:?}, vx{suffix} {ours:?}"),
            );
            let (theirs, ours) = (&cargo.smoke, &built.smoke);
            expect(
                theirs == ours,
                format!("smoke command: cargo's prints {theirs:?}, that of vx{suffix} {ours:?}"),
            );
        }
        let unbound: Vec<_> = self
            .started_in_second
            .iter()
            .filter(|package| !cargo.bound.contains(package))
            .collect();
        expect(
            unbound.is_empty(),
            format!(
                "vx starts {} processes in the second checkout, of {unbound:?}",
                unbound.len()
            ),
        );
        complaints
    }

    /// Why something ran in the second checkout, where something had to.
    pub(super) fn note(&self) -> Option<String> {
        let bound = self.cargo.bound.join(", ");
        (!self.started_in_second.is_empty() && !bound.is_empty())
            .then(|| format!("cargo's output of the build script of {bound} contains the path of the checkout"))
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
            bound: Vec::new(),
        };
        Verdict {
            name: "a".to_owned(),
            cargo: built.clone(),
            vx: built.clone(),
            second: built,
            units: 1,
            started_in_second: Vec::new(),
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
        differs.started_in_second = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(differs.complaints().len(), 3, "{:?}", differs.complaints());
        differs.vx.success = false;
        assert!(differs.details("").contains("vx fails"));
    }

    #[test]
    fn only_what_leaks_its_path_may_run_in_a_second_checkout() {
        let mut bound = verdict();
        bound.started_in_second = vec!["a".to_owned()];
        assert!(!bound.conforms() && bound.note().is_none());
        bound.cargo.bound = vec!["a".to_owned()];
        assert!(bound.conforms() && bound.note().is_some());
        bound.started_in_second.push("b".to_owned());
        assert!(!bound.conforms());
    }

    #[test]
    fn the_row_is_as_wide_as_the_head() {
        let row = verdict().row();
        assert_eq!(row.rfind("conforms"), HEAD.rfind("verdict"), "{row}");
    }
}
