//! The diagnostics of one compiler: shown at once, counted, kept for builds in which nothing changes, replayed.

use std::borrow::Cow;

use vx_cargo::UnitIndex;
use vx_model::Digest;
use vx_proto::{BuildEvent, ErrorKind, ExecuteResult, WireError};

use crate::engine::actions::{Again, Stop};
use crate::engine::build::{Context, View, shows};
use crate::engine::report::Counts;

/// The diagnostics of one unit.
pub(super) struct Diagnostics<'a> {
    context: &'a Context,
    unit: UnitIndex,
    counts: Counts,
    /// Whether the number of warnings is shown.
    shows_warnings: bool,
    /// Lines that are shown when the compiler has ended.
    held: Vec<Vec<u8>>,
}

impl<'a> Diagnostics<'a> {
    pub(super) fn new(context: &'a Context, unit: UnitIndex, shows_warnings: bool) -> Self {
        Self {
            context,
            unit,
            counts: Counts::default(),
            shows_warnings,
            held: Vec::new(),
        }
    }

    /// Shows a line that a compiler has just printed.
    pub(super) fn show(&mut self, line: &[u8]) {
        if let Some(event) = self.event(line) {
            self.context.tell(event);
        }
    }

    /// Keeps a line of a compiler that may be run again.
    pub(super) fn hold(&mut self, line: Vec<u8>) {
        self.held.push(line);
    }

    /// Whether a line that is held names a directory by a path of contained processes, or says that a macro panicked.
    pub(super) fn may_blame_view(&self) -> bool {
        let says_panicked = |line: &[u8]| memchr::memmem::find(line, b"panicked").is_some();
        self.held.iter().any(|line| shows(line) || says_panicked(line))
    }

    /// The compiler has ended, and is not run again.
    pub(super) fn show_held(&mut self) {
        for line in std::mem::take(&mut self.held) {
            self.show(&line);
        }
    }

    /// Shows again what a compiler printed during its run.
    pub(super) async fn replay(&mut self, printed: Option<Digest>) -> Result<(), Stop> {
        for line in self.lines(printed).await? {
            if let Some(event) = self.event(&line) {
                self.context.tell_lasting(event);
            }
        }
        self.sum_up();
        Ok(())
    }

    /// Keeps what was shown for builds in which nothing changes, and sums up.
    pub(super) async fn keep(&mut self, printed: Option<Digest>) -> Result<(), Stop> {
        let audience = self.context.audience(self.unit);
        let mut counts = Counts::default();
        let lines = self.lines(printed).await?;
        let lines = lines.iter().map(|line| outside(&self.context.view, line));
        let events: Vec<BuildEvent> = lines.filter_map(|line| counts.show(&line, &audience)).collect();
        self.context.ledger().replay.extend(events);
        self.sum_up();
        Ok(())
    }

    /// Reports the number of warnings.
    pub(super) fn sum_up(&self) {
        let summary = self
            .counts
            .warning_summary(&self.context.plan.unit(self.unit).description());
        if let Some(summary) = summary.filter(|_| self.shows_warnings && self.context.shows_diagnostics()) {
            self.context.tell_lasting(BuildEvent::Warning(summary));
        }
    }

    /// `message`, or else the number of errors. The cause is how the compiler ended, if a signal ended it or it did not
    /// print an error.
    pub(super) fn failure(&self, message: Option<String>, result: &ExecuteResult) -> WireError {
        let counted = || {
            self.counts
                .failure_summary(&self.context.plan.unit(self.unit).description())
        };
        let error = WireError::new(ErrorKind::BuildFailed, message.unwrap_or_else(counted));
        match (result.signal, self.counts.errors) {
            (Some(signal), _) => error.with_cause(format!("rustc was terminated by signal {signal}")),
            (None, 0) => error.with_cause(format!("rustc exited with code {}", result.exit_code.unwrap_or(-1))),
            _ => error,
        }
    }

    fn event(&mut self, line: &[u8]) -> Option<BuildEvent> {
        if line.is_empty() {
            return None;
        }
        let line = outside(&self.context.view, line);
        self.counts.show(&line, &self.context.audience(self.unit))
    }

    async fn lines(&self, printed: Option<Digest>) -> Result<Vec<Vec<u8>>, Stop> {
        let Some(digest) = printed.filter(|digest| digest.size_bytes > 0) else {
            return Ok(Vec::new());
        };
        let text = self
            .context
            .engine
            .blobs
            .get_blob(digest)
            .await?
            .ok_or(Stop::Again(Again::MissingBlob))?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(<[u8]>::to_vec).collect())
    }
}

/// A line with the real paths.
fn outside<'a>(view: &View, line: &'a [u8]) -> Cow<'a, [u8]> {
    match std::str::from_utf8(line) {
        Ok(text) => match view.outside(text) {
            Cow::Borrowed(_) => Cow::Borrowed(line),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
        Err(_) => Cow::Borrowed(line),
    }
}
