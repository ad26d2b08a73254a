//! What a run of `vx` left: its exit, what it printed, and the counts that it tells.

use std::fmt::{self, Display, Formatter};
use std::process::{ExitStatus, Output};

/// How the units of a build came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// A process ran.
    pub(crate) ran: u32,
    /// The result came from the store.
    pub(crate) cached: u32,
    /// Nothing had changed since the daemon last looked.
    pub(crate) fresh: u32,
}

impl Counts {
    /// Units in all.
    pub(crate) fn units(self) -> u32 {
        self.ran + self.cached + self.fresh
    }

    /// Reads `… (3 ran, 51 cached, 0 fresh)`.
    fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_suffix(')')?.rsplit_once('(')?;
        let mut numbers = counts.split(", ").zip(["ran", "cached", "fresh"]).map(|(part, word)| {
            let (number, told) = part.split_once(' ')?;
            (told == word).then(|| number.parse().ok())?
        });
        Some(Self {
            ran: numbers.next()??,
            cached: numbers.next()??,
            fresh: numbers.next()??,
        })
    }
}

/// A process that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Fails the test unless the exit code is 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    /// Fails the test unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// The counts in the line that ends a build; what is run afterwards is told below it.
    #[track_caller]
    pub(crate) fn counts(&self) -> Counts {
        let mut lines = self.stderr.lines().filter(|line| line.contains(" target(s) in "));
        let counts = lines.next_back().and_then(Counts::parse);
        counts.unwrap_or_else(|| panic!("no line with counts\n{self}"))
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self {
            status: output.status,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { status, stdout, stderr } = self;
        write!(f, "{status}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}
