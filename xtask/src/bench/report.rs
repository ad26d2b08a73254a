//! The results, as a table for people and as JSON for programs.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::idle::Idle;
use super::samples::Pair;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) project: String,
    pub(super) profile: &'static str,
    pub(super) cases: Vec<Case>,
    pub(super) idle: Vec<Idle>,
}

/// Both builders in the same case; seconds.
#[derive(Debug, Serialize)]
pub(super) struct Case {
    name: &'static str,
    cargo: f64,
    vx: f64,
    ratio: f64,
    goal: Goal,
    reached: bool,
}

/// What vx is to reach.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Goal {
    rule: &'static str,
    seconds: f64,
}

impl Goal {
    /// At most `seconds`, by this rule.
    pub(super) fn new(rule: &'static str, seconds: f64) -> Self {
        Self { rule, seconds }
    }
}

impl Case {
    /// Compares the medians.
    pub(super) fn new(name: &'static str, times: &Pair, goal: Goal) -> Self {
        let (cargo, vx) = (times.cargo.median(), times.vx.median());
        Self {
            name,
            cargo,
            vx,
            ratio: vx / cargo,
            reached: vx <= goal.seconds,
            goal,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} profile, medians in seconds\n", self.project, self.profile)?;
        writeln!(f, "{:<26}{:>9}{:>9}{:>10}  goal", "", "cargo", "vx", "vx/cargo")?;
        for case in &self.cases {
            let Case {
                name,
                cargo,
                vx,
                ratio,
                goal,
                reached,
            } = case;
            let verdict = if *reached { "reached" } else { "missed" };
            let Goal { rule, seconds } = goal;
            writeln!(
                f,
                "{name:<26}{cargo:>9.3}{vx:>9.4}{ratio:>10.4}  {verdict}: ≤ {seconds:.4} ({rule})"
            )?;
        }
        writeln!(f)?;
        for Idle {
            name,
            resident_bytes,
            cpu,
        } in &self.idle
        {
            let mebibytes = *resident_bytes as f64 / f64::from(1 << 20);
            writeln!(f, "{name}, idle: {mebibytes:.1} MiB resident, {:.1} % CPU", cpu * 100.0)?;
        }
        Ok(())
    }
}
