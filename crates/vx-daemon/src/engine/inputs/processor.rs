//! The capabilities of this machine's processor: part of the key of units that are compiled for `native`.

use std::sync::OnceLock;

use vx_model::Digest;

/// Fields of `/proc/cpuinfo`, see proc_cpuinfo(5), that give the kind and the instructions of a processor. Others
/// change while it runs.
const FIELDS: &[&str] = &[
    "vendor_id",
    "cpu family",
    "model",
    "stepping",
    "flags",
    "Features",
    "CPU ",
];

/// The processor, as a digest.
pub(crate) fn identity() -> &'static str {
    static IDENTITY: OnceLock<String> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Digest::of(kind(&text).as_bytes()).to_string()
    })
}

/// The relevant lines of the first processor; all processors are assumed to be alike.
fn kind(text: &str) -> String {
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines = first
        .lines()
        .filter(|line| FIELDS.iter().any(|field| line.starts_with(field)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn what_changes_while_it_runs_does_not_count() {
        let processor = |number: u32, speed: &str, flags: &str| {
            format!("processor\t: {number}\nmodel\t\t: 6\nmodel name\t: A\ncpu MHz\t\t: {speed}\nflags\t\t: {flags}\n")
        };
        let machine = |speed, flags| format!("{}\n{}", processor(0, speed, flags), processor(1, speed, flags));
        assert_eq!(kind(&machine("1.0", "fpu avx")), kind(&machine("2.0", "fpu avx")));
        assert_ne!(kind(&machine("1.0", "fpu avx")), kind(&machine("1.0", "fpu")));
    }
}
