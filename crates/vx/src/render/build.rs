//! One build on the screen: each event of the daemon becomes the lines that Cargo would print.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use vx_proto::{BuildEvent, BuildSummary, Outcome, Process, UnitLabel};

use super::progress::Progress;
use super::{Screen, Transfers, Verbosity, seconds};

/// Shows a build.
pub(crate) struct BuildView<'a> {
    screen: &'a mut Screen,
    transfers: Transfers,
    progress: Progress,
    shown: HashSet<String>,
    started: Instant,
}

impl<'a> BuildView<'a> {
    /// The view of a build that began at `started`.
    pub(crate) fn new(screen: &'a mut Screen, started: Instant) -> Self {
        let visible = screen.verbosity() > Verbosity::Quiet && screen.is_terminal();
        Self {
            transfers: Transfers::new(visible, screen.has_colors()),
            progress: Progress::new(visible, screen.has_colors()),
            shown: HashSet::new(),
            screen,
            started,
        }
    }

    /// Shows what happened; [`BuildView::finished`] shows how a build ended.
    pub(crate) fn event(&mut self, event: &BuildEvent) {
        match event {
            BuildEvent::Status { verb, text } => self.status(verb, text),
            BuildEvent::Transferred { file, done, total } => self.transfers.transferred(file, *done, *total),
            BuildEvent::Planned { units } => {
                self.end_of_transfers();
                self.progress.planned(*units);
            }
            BuildEvent::UnitStarted {
                unit,
                label,
                verb,
                process,
            } => {
                self.once_per_package(verb, label);
                if self.screen.verbosity() == Verbosity::Verbose {
                    self.status("Running", &format!("`{}`", shell_line(process)));
                }
                self.progress.started(*unit, &label.target);
            }
            BuildEvent::UnitFinished { unit, label, outcome } => {
                self.progress.finished(*unit);
                self.list_if_not_run(label, *outcome);
            }
            BuildEvent::UnitFailed(error) => self.above(|screen| screen.error(error)),
            BuildEvent::Warning(text) => self.above(|screen| screen.warning(text)),
            BuildEvent::Diagnostic { rendered } => self.above(|screen| screen.diagnostic(rendered)),
            BuildEvent::Json(line) => self.above(|screen| screen.answer(line)),
            BuildEvent::Finished(_) | BuildEvent::Failed(_) => {}
        }
    }

    /// The last line of a successful build.
    pub(crate) fn finished(self, summary: &BuildSummary) {
        let text = last_line(summary, self.started.elapsed());
        let Self { screen, progress, .. } = self;
        drop(progress);
        screen.status("Finished", text);
    }

    /// The last line of a successful fetch.
    pub(crate) fn fetched(mut self) {
        self.end_of_transfers();
        let text = format!("everything that a build needs in {}", seconds(self.started.elapsed()));
        let Self { screen, progress, .. } = self;
        drop(progress);
        screen.status("Fetched", text);
    }

    fn list_if_not_run(&mut self, label: &UnitLabel, outcome: Outcome) {
        if self.screen.verbosity() == Verbosity::Verbose {
            match outcome {
                Outcome::Ran => {}
                Outcome::Cached => self.once_per_package("Cached", label),
                Outcome::Fresh => self.once_per_package("Fresh", label),
            }
        }
    }

    fn once_per_package(&mut self, verb: &str, label: &UnitLabel) {
        let text = package(label);
        if self.shown.insert(format!("{verb} {text}")) {
            self.status(verb, &text);
        }
    }

    fn status(&mut self, verb: &str, text: &str) {
        self.above(|screen| screen.status(verb, text));
    }

    fn end_of_transfers(&mut self) {
        if let Some(text) = self.transfers.finish() {
            self.status("Downloaded", &text);
        }
    }

    /// Hides the bars while `print` writes lines above them.
    fn above(&mut self, print: impl FnOnce(&mut Screen)) {
        let Self {
            transfers,
            progress,
            screen,
            ..
        } = self;
        transfers.above(|| progress.above(|| print(screen)));
    }
}

/// `serde v1.0.228`, `app v0.1.0 (/home/ada/app)`.
pub(crate) fn package(label: &UnitLabel) -> String {
    let UnitLabel {
        package,
        version,
        directory,
        ..
    } = label;
    match directory {
        Some(directory) => format!("{package} v{version} ({directory})"),
        None => format!("{package} v{version}"),
    }
}

/// The command as a person would type it.
fn shell_line(process: &Process) -> String {
    let quoted = process.arguments.iter().map(|argument| shell_words::quote(argument));
    quoted.collect::<Vec<_>>().join(" ")
}

fn last_line(summary: &BuildSummary, elapsed: Duration) -> String {
    let BuildSummary {
        profile,
        ran,
        again,
        cached,
        fresh,
        ..
    } = summary;
    let again = match again {
        0 => String::new(),
        again => format!(", {again} again"),
    };
    format!(
        "{profile} target(s) in {} ({ran} ran{again}, {cached} cached, {fresh} fresh)",
        seconds(elapsed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_cargos_with_the_count() {
        let summary = |again| BuildSummary {
            profile: "`dev` profile [unoptimized + debuginfo]".to_owned(),
            duration_ms: 400,
            ran: 3,
            again,
            cached: 51,
            fresh: 0,
            artifacts: Vec::new(),
            tests: Vec::new(),
        };
        let line = |again| last_line(&summary(again), Duration::from_millis(425));
        let profile = "`dev` profile [unoptimized + debuginfo]";
        assert_eq!(
            line(0),
            format!("{profile} target(s) in 0.42s (3 ran, 51 cached, 0 fresh)")
        );
        assert_eq!(
            line(1),
            format!("{profile} target(s) in 0.42s (3 ran, 1 again, 51 cached, 0 fresh)")
        );
    }

    #[test]
    fn long_builds_are_told_in_minutes() {
        assert_eq!(seconds(Duration::from_millis(59_999)), "59.99s");
        assert_eq!(seconds(Duration::from_secs(65)), "1m 05s");
    }

    #[test]
    fn path_packages_are_shown_with_their_directory() {
        let mut label = UnitLabel {
            package: "app".to_owned(),
            version: "0.1.0".to_owned(),
            directory: None,
            target: "app(bin)".to_owned(),
        };
        assert_eq!(package(&label), "app v0.1.0");
        label.directory = Some("/home/ada/app".to_owned());
        assert_eq!(package(&label), "app v0.1.0 (/home/ada/app)");
    }
}
