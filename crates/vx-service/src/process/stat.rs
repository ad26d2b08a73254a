//! The few fields of `/proc/PID/stat` that vx needs.

use std::fs;
use std::io;

/// From `/proc/PID/stat`, see proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The parent's process id.
    pub(crate) parent: u32,
    /// The session's id: the process id of its leader.
    pub(crate) session: u32,
    /// Start time in clock ticks since boot.
    pub(crate) started: u64,
}

impl Stat {
    /// Reads it; `NotFound` if there is no such process.
    pub(crate) fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat")).map_err(|error| match error.raw_os_error() {
            // The process ended between opening the file and reading it.
            Some(code) if code == rustix::io::Errno::SRCH.raw_os_error() => io::ErrorKind::NotFound.into(),
            _ => error,
        })?;
        Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected /proc/PID/stat"))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The second field, the command, is in parentheses and may hold spaces, parentheses and any bytes.
        let end_of_command = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(end_of_command + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // `fields[0]` is the third field of the manual page.
        let field = |number: usize| fields.get(number - 3);
        Some(Self {
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = b"7 (a) (b \xff) S 1 2 3 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        let expected = Stat {
            parent: 1,
            session: 3,
            started: 4242,
        };
        assert_eq!(Stat::parse(text), Some(expected));
    }

    #[test]
    fn the_own_process_has_a_parent() {
        let stat = Stat::read(std::process::id()).unwrap();
        assert_eq!(stat.parent, std::os::unix::process::parent_id());
    }
}
