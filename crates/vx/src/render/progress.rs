//! The bar at the bottom of a terminal: `Building [===>      ] 12/54: serde, regex`.
//!
//! It appears once something runs: a build with nothing to do draws nothing.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Cargo's color for the verb of a bar.
const BAR: Style = AnsiColor::BrightCyan.on_default().bold();

/// Cargo's bar: the verb in the left column, then what is done, then what runs.
const TEMPLATE: &str = "{prefix} [{bar:25}] {pos}/{len}: {wide_msg}";

/// The verb at the left of a bar.
pub(super) fn prefix(verb: &str, colors: bool) -> String {
    match colors {
        true => format!("{BAR}{verb:>12}{BAR:#}"),
        false => format!("{verb:>12}"),
    }
}

/// The progress of a build, and the bar that shows it.
pub(crate) struct Progress {
    bar: ProgressBar,
    done: u64,
    running: BTreeMap<u32, String>,
}

impl Progress {
    /// A bar on standard error; nothing is drawn unless `visible`.
    pub(crate) fn new(visible: bool, colors: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(TEMPLATE).expect("the template is valid");
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(prefix("Building", colors));
        if visible {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Self {
            bar,
            done: 0,
            running: BTreeMap::new(),
        }
    }

    /// The number of units is known.
    pub(crate) fn planned(&mut self, units: u32) {
        self.bar.set_length(units.into());
    }

    /// A unit runs.
    pub(crate) fn started(&mut self, unit: u32, target: &str) {
        self.running.insert(unit, target.to_owned());
        self.draw();
    }

    /// Counts a unit that is done, whether it ran or not.
    pub(crate) fn finished(&mut self, unit: u32) {
        self.done += 1;
        self.running.remove(&unit);
        self.draw();
    }

    /// Hides the bar while `print` writes lines above it.
    pub(crate) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    fn draw(&self) {
        if !self.running.is_empty() {
            self.bar.set_message(self.names());
            self.bar.set_position(self.done);
        }
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.running.values().map(String::as_str).collect();
        names.join(", ")
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_run_in_the_order_of_their_units() {
        let mut progress = Progress::new(false, false);
        progress.planned(3);
        progress.started(1, "regex");
        progress.started(0, "serde");
        assert_eq!(progress.names(), "serde, regex");
        progress.finished(0);
        assert_eq!((progress.names().as_str(), progress.done), ("regex", 1));
    }
}
