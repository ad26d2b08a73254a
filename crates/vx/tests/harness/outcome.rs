//! What a run of `vx` left: its exit, what it printed, and the counts that it tells.

use std::fmt::{self, Display, Formatter};
use std::process::{ExitStatus, Output};

/// How the units of a build came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// A process ran.
    pub(crate) ran: u32,
    /// Its process ran once more, because it needs what it did not have.
    pub(crate) again: u32,
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

    /// Processes in all.
    pub(crate) fn processes(self) -> u64 {
        u64::from(self.ran) + u64::from(self.again)
    }

    /// Reads `… (3 ran, 1 again, 51 cached, 0 fresh)`, in which the second part may be missing.
    fn parse(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_suffix(')')?.rsplit_once('(')?;
        let number = |word: &str| {
            let mut parts = counts.split(", ").filter_map(|part| part.split_once(' '));
            parts.find(|(_, told)| *told == word)?.0.parse().ok()
        };
        Some(Self {
            ran: number("ran")?,
            again: number("again").unwrap_or(0),
            cached: number("cached")?,
            fresh: number("fresh")?,
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
