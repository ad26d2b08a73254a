//! Downloads: a bar with bytes and speed on a terminal, and one line at the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::progress::prefix;
use super::seconds;

/// Like the bar of a build, but in bytes.
const TEMPLATE: &str = "{prefix} [{bar:25}] {binary_bytes}/{binary_total_bytes}, {binary_bytes_per_sec}: {wide_msg}";

/// The files in transfer and their bar, which is removed when this is dropped.
pub(crate) struct Transfers {
    bar: ProgressBar,
    files: BTreeMap<String, File>,
    /// The times of the first and the last event.
    span: Option<(Instant, Instant)>,
}

/// One of them, in bytes.
#[derive(Debug, Clone, Copy)]
struct File {
    /// What was there before.
    before: u64,
    done: u64,
    total: Option<u64>,
}

impl File {
    fn is_complete(self) -> bool {
        self.total == Some(self.done)
    }
}

impl Transfers {
    /// A bar on standard error; nothing is drawn unless `visible`.
    pub(crate) fn new(visible: bool, colors: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(TEMPLATE).expect("the template is valid");
        bar.set_style(style.progress_chars("=> "));
        bar.set_prefix(prefix("Downloading", colors));
        if visible {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Self {
            bar,
            files: BTreeMap::new(),
            span: None,
        }
    }

    /// So much of `file` is there.
    pub(crate) fn transferred(&mut self, file: &str, done: u64, total: Option<u64>) {
        let now = Instant::now();
        let known = self.files.entry(file.to_owned());
        let File { before, .. } = *known.or_insert(File {
            before: done,
            done,
            total,
        });
        // A server that begins anew resends what was received.
        let before = before.min(done);
        self.files.insert(file.to_owned(), File { before, done, total });
        self.span = Some((self.span.map_or(now, |(first, _)| first), now));
        self.draw();
    }

    /// Hides the bar while `print` writes lines above it.
    pub(crate) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Ends the bar and summarizes all downloads in the text of a line; `None` if there were none. Begins anew.
    pub(crate) fn finish(&mut self) -> Option<String> {
        self.bar.finish_and_clear();
        let (first, last) = self.span.take()?;
        let files = std::mem::take(&mut self.files);
        let bytes = files.values().map(|file| file.done - file.before).sum();
        Some(summary(files.len(), bytes, last - first))
    }

    fn draw(&self) {
        let sum = |bytes: fn(&File) -> u64| self.files.values().map(bytes).sum();
        self.bar.set_length(sum(|file| file.total.unwrap_or(file.done)));
        self.bar.set_position(sum(|file| file.done));
        let coming = self.files.iter().filter(|(_, file)| !file.is_complete());
        let names: Vec<&str> = coming.map(|(name, _)| name.as_str()).collect();
        self.bar.set_message(names.join(", "));
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `3 files, 1.20 MiB in 0.40s (3.00 MiB/s)`.
fn summary(files: usize, bytes: u64, elapsed: Duration) -> String {
    let noun = if files == 1 { "file" } else { "files" };
    let size = BinaryBytes(bytes);
    let time = seconds(elapsed);
    // There is no meaningful speed for next to no time.
    match elapsed.as_secs_f64() {
        short if short < 0.01 => format!("{files} {noun}, {size}"),
        took => format!(
            "{files} {noun}, {size} in {time} ({}/s)",
            BinaryBytes((bytes as f64 / took) as u64)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_files_bytes_time_and_speed() {
        let two_seconds = Duration::from_secs(2);
        assert_eq!(
            summary(3, 4 << 20, two_seconds),
            "3 files, 4.00 MiB in 2.00s (2.00 MiB/s)"
        );
        assert_eq!(summary(1, 12, Duration::ZERO), "1 file, 12 B");
    }

    #[test]
    fn what_an_earlier_transfer_has_left_does_not_count() {
        let mut transfers = Transfers::new(false, false);
        transfers.transferred("a", 100, Some(300));
        transfers.transferred("b", 0, None);
        assert_eq!(transfers.bar.message(), "a, b");
        transfers.transferred("a", 300, Some(300));
        transfers.transferred("b", 50, None);
        assert_eq!((transfers.bar.position(), transfers.bar.message().as_str()), (350, "b"));
        let line = transfers.finish().unwrap();
        assert!(line.starts_with("2 files, 250 B"), "{line}");
        assert_eq!(transfers.finish(), None);
    }
}
