//! All intended differences between cargo and vx, each with its reason. Any other difference is a failure.

/// How lines of a normalized process are treated before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Both sides have the line, with values of their own.
    OwnValue,
    /// Either side may have it and the other not.
    Absent,
}

/// A difference that is meant.
#[derive(Debug)]
pub(super) struct Intended {
    /// What the line begins with: an option and its name, or a variable with `=`.
    pub(super) prefix: &'static str,
    /// What happens to it.
    pub(super) treatment: Treatment,
    /// Why.
    #[expect(dead_code, reason = "for people who read this list")]
    pub(super) reason: &'static str,
}

use Treatment::{Absent, OwnValue};

/// The list.
pub(super) const INTENDED: &[Intended] = &[
    because("-C metadata=", OwnValue, "an identity of vx's own, without paths"),
    because("-C extra-filename=", OwnValue, "the same identity"),
    because("-C incremental=", OwnValue, "lies in the user's `.vx`"),
    because(
        "--out-dir ",
        OwnValue,
        "outputs go to the exec root and from there to the store",
    ),
    because("--json=", OwnValue, "the form of diagnostics, not of what is compiled"),
    because(
        "--diagnostic-width=",
        Absent,
        "the width of the terminal would make each result one of its own",
    ),
    because("--remap-path-prefix=", Absent, "makes results equal in every checkout"),
    because("CARGO_MAKEFLAGS=", Absent, "each has a jobserver of its own"),
    because("MAKEFLAGS=", Absent, "the jobserver too"),
    because("MFLAGS=", Absent, "the jobserver too"),
    because(
        "NUM_JOBS=",
        OwnValue,
        "the machine's jobs whatever `--jobs` says: it must not decide a result",
    ),
    because(
        "LD_LIBRARY_PATH=",
        Absent,
        "only given to what needs a library of the build, and with directories of its own",
    ),
    because("CARGO_TARGET_DIR=", Absent, "set by this task, for cargo alone"),
    because("RUSTC_WRAPPER=", Absent, "the recorder of this task"),
    because(
        "RUSTC=",
        OwnValue,
        "vx names the compiler by its absolute path, never by a name to be searched",
    ),
    because("RUSTDOC=", OwnValue, "the same"),
    because("XTASK_RECORD=", Absent, "the recorder of this task"),
    because("SOURCE_DATE_EPOCH=", Absent, "set by this task, for both"),
    because("VX_HOME=", Absent, "set by this task, for vx alone"),
    because("VX_DOWNLOAD_CACHE_DIR=", Absent, "set by this task, for vx alone"),
    because("PWD=", Absent, "left by the shell that starts the recorder"),
    because("OLDPWD=", Absent, "left by the shell that starts the recorder"),
    because("SHLVL=", Absent, "left by the shell that starts the recorder"),
    because("_=", Absent, "left by the shell that starts the recorder"),
];

const fn because(prefix: &'static str, treatment: Treatment, reason: &'static str) -> Intended {
    Intended {
        prefix,
        treatment,
        reason,
    }
}

/// The line as it is compared; `None` if it does not count.
pub(super) fn treated(line: String) -> Option<String> {
    match INTENDED.iter().find(|intended| line.starts_with(intended.prefix)) {
        None => Some(line),
        Some(Intended { treatment: Absent, .. }) => None,
        Some(Intended { prefix, .. }) => Some(format!("{prefix}…")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_in_the_list_counts() {
        assert_eq!(treated("-C lto=thin".to_owned()).as_deref(), Some("-C lto=thin"));
        assert_eq!(treated("-C metadata=1".to_owned()), treated("-C metadata=2".to_owned()));
        assert_eq!(treated("--remap-path-prefix=a=b".to_owned()), None);
    }
}
