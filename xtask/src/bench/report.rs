//! The results, as a table for people and as JSON for programs.

use std::fmt::{self, Display, Formatter};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::idle::Idle;
use super::samples::{Samples, Who};

/// All that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Name and version of the program that was built.
    pub(super) project: String,
    /// `dev` or `release`.
    pub(super) profile: String,
    /// Rounds of full builds.
    pub(super) runs: u32,
    pub(super) cases: Vec<Case>,
    pub(super) idle: Vec<Idle>,
}

/// The builders in the same case; medians in seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    cargo: f64,
    vx: f64,
    /// vx to cargo.
    pub(super) ratio: f64,
    /// The vx that this one is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Before>,
    goal: Goal,
    reached: bool,
}

/// Another vx in the same run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Before {
    seconds: f64,
    /// vx to this one.
    pub(super) ratio: f64,
}

/// What vx is to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Goal {
    rule: String,
    seconds: f64,
}

impl Goal {
    /// At most `seconds`, by this rule.
    pub(super) fn new(rule: &str, seconds: f64) -> Self {
        Self {
            rule: rule.to_owned(),
            seconds,
        }
    }
}

impl Case {
    /// Compares the medians.
    pub(super) fn new(name: &str, times: &Samples, goal: Goal) -> Result<Self> {
        let median = |who| {
            times
                .median(who)
                .with_context(|| format!("{who} was not measured: {name}"))
        };
        let (cargo, vx) = (median(Who::Cargo)?, median(Who::Vx)?);
        let before = times.median(Who::Before).map(|seconds| Before {
            seconds,
            ratio: vx / seconds,
        });
        Ok(Self {
            name: name.to_owned(),
            cargo,
            vx,
            ratio: vx / cargo,
            before,
            reached: vx <= goal.seconds,
            goal,
        })
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let has_before = self.cases.iter().any(|case| case.before.is_some());
        writeln!(f, "{}, {} profile, medians in seconds\n", self.project, self.profile)?;
        write!(f, "{:<26}{:>9}", "", "cargo")?;
        if has_before {
            write!(f, "{:>9}", "before")?;
        }
        write!(f, "{:>9}{:>10}", "vx", "vx/cargo")?;
        if has_before {
            write!(f, "{:>11}", "vx/before")?;
        }
        writeln!(f, "  goal")?;
        for case in &self.cases {
            write!(f, "{:<26}{:>9.3}", case.name, case.cargo)?;
            if let Some(before) = case.before {
                write!(f, "{:>9.4}", before.seconds)?;
            }
            write!(f, "{:>9.4}{:>10.4}", case.vx, case.ratio)?;
            if let Some(before) = case.before {
                write!(f, "{:>11.4}", before.ratio)?;
            }
            let verdict = if case.reached { "reached" } else { "missed" };
            let Goal { rule, seconds } = &case.goal;
            writeln!(f, "  {verdict}: ≤ {seconds:.4} ({rule})")?;
        }
        writeln!(f)?;
        for idle in &self.idle {
            writeln!(
                f,
                "{}, idle: {:.1} MiB resident, {:.1} % CPU",
                idle.name,
                idle.mebibytes(),
                idle.cpu * 100.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    /// A report of one case, in which vx takes `vx` milliseconds and cargo a second.
    pub(in crate::bench) fn example(vx: u64, before: Option<u64>) -> Report {
        let mut times = Samples::default();
        times.push(Who::Cargo, Duration::from_secs(1));
        times.push(Who::Vx, Duration::from_millis(vx));
        if let Some(before) = before {
            times.push(Who::Before, Duration::from_millis(before));
        }
        Report {
            project: "ripgrep 15.2.0".to_owned(),
            profile: "dev".to_owned(),
            runs: 3,
            cases: vec![Case::new("cold build, empty store", &times, Goal::new("1.03 of cargo", 1.03)).unwrap()],
            idle: vec![Idle {
                name: "daemon".to_owned(),
                resident_bytes: 12 << 20,
                cpu: 0.0,
            }],
        }
    }

    #[test]
    fn the_table_compares_with_cargo() {
        let expected = "\
ripgrep 15.2.0, dev profile, medians in seconds

                              cargo       vx  vx/cargo  goal
cold build, empty store       1.000   0.9000    0.9000  reached: ≤ 1.0300 (1.03 of cargo)

daemon, idle: 12.0 MiB resident, 0.0 % CPU
";
        assert_eq!(example(900, None).to_string(), expected);
    }

    #[test]
    fn the_table_compares_with_another_vx() {
        let expected = "\
ripgrep 15.2.0, dev profile, medians in seconds

                              cargo   before       vx  vx/cargo  vx/before  goal
cold build, empty store       1.000   0.8000   1.2000    1.2000     1.5000  missed: ≤ 1.0300 (1.03 of cargo)

daemon, idle: 12.0 MiB resident, 0.0 % CPU
";
        assert_eq!(example(1200, Some(800)).to_string(), expected);
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let error = Case::new("nothing changed", &Samples::default(), Goal::new("", 0.0)).unwrap_err();
        assert_eq!(error.to_string(), "cargo was not measured: nothing changed");
    }
}
