//! A process as lines that are equal for cargo and for vx when it does the same: roots by name, hashes left out, options that do
//! not influence each other in one order.

use anyhow::Result;
use camino::Utf8Path;
use regex::Regex;

use super::intended::treated;
use super::process::Process;
use crate::program;

/// Names for the directories of one builder.
#[derive(Debug)]
pub(super) struct Roots {
    /// Longest first, so that a root inside of another has its own name.
    known: Vec<(String, &'static str)>,
    patterns: Vec<(Regex, &'static str)>,
}

impl Roots {
    /// `checkout` is where the sources are, `outputs` cargo's target directory or vx's home, `sysroot` the toolchain.
    pub(super) fn new(checkout: &Utf8Path, outputs: &Utf8Path, sysroot: &Utf8Path) -> Result<Self> {
        let mut known = vec![
            (checkout.to_string(), "{workspace}"),
            (outputs.to_string(), "{outputs}"),
            (sysroot.to_string(), "{toolchain}"),
        ];
        known.sort_by_key(|(root, _)| std::cmp::Reverse(root.len()));
        let patterns = [
            (
                r"\{outputs\}(/out/[^/\s]+/target)?(/[^/\s]+){1,2}/build/[^/\s]+-[0-9a-f]{16}/out\b",
                "{out}",
            ),
            (r"\{outputs\}(/[^/\s]+){1,2}/deps\b", "{deps}"),
            (r"\{deps\}/([^/\s]+)-[0-9a-f]{16}\b", "{deps}/$1"),
            (r"\{outputs\}/packages/([^/\s]+)-[0-9a-f]{64}\b", "{packages}/$1"),
            (r"/[^\s=:]*/registry/src/[^/\s]+", "{packages}"),
        ];
        let patterns = patterns.map(|(pattern, name)| Regex::new(pattern).map(|pattern| (pattern, name)));
        Ok(Self {
            known,
            patterns: patterns.into_iter().collect::<Result<_, _>>()?,
        })
    }

    fn named(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (root, name) in &self.known {
            text = text.replace(root.as_str(), name);
        }
        for (pattern, name) in &self.patterns {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        text.replace('\n', "\\n")
    }
}

/// What a process is of: equal for both builders, and for few processes of a build.
pub(super) fn title(process: &Process) -> String {
    let package = format!(
        "{} {}",
        process.variable("CARGO_PKG_NAME"),
        process.variable("CARGO_PKG_VERSION")
    );
    if !process.is_compilation() {
        return format!("{package}: run of the build script");
    }
    let krate = process.option("--crate-name");
    let kind = process.option("--crate-type");
    format!("{package}: {krate} ({kind})")
}

/// The process as lines: where, options, variables.
pub(super) fn lines(process: &Process, roots: &Roots) -> Vec<String> {
    let mut lines = vec![format!("in {}", roots.named(&process.directory))];
    let options = options(process.arguments.get(1..).unwrap_or_default());
    let mut options: Vec<String> = options.iter().map(|option| roots.named(option)).collect();
    // Cargo has one directory of dependencies for the host and one for the target; vx has one.
    options.dedup_by(|later, earlier| later == earlier && later == "-L dependency={deps}");
    options.sort_by_key(|option| family(option).to_owned());
    lines.extend(options);
    let environment = process.environment.iter();
    let counts = environment.filter(|(name, _)| !program::ESSENTIAL.contains(&name.as_str()));
    lines.extend(counts.map(|(name, value)| format!("{name}={}", roots.named(value))));
    lines.into_iter().filter_map(treated).collect()
}

/// Options with their values: `-C opt-level=3`, `--cfg unix`, `--edition=2024`, `src/lib.rs`.
fn options(arguments: &[String]) -> Vec<String> {
    let mut options = Vec::new();
    let mut arguments = arguments.iter().peekable();
    while let Some(argument) = arguments.next() {
        let takes_value = argument.starts_with('-') && !argument.contains('=');
        let value = arguments.next_if(|next| takes_value && !next.starts_with('-'));
        options.push(value.map_or_else(|| argument.clone(), |value| format!("{argument} {value}")));
    }
    options
}

/// Options of one family keep their order, because a later one may override an earlier one, or is searched later; of two
/// families neither knows of the other. Lints are one family.
fn family(option: &str) -> &str {
    const LINTS: &[&str] = &["--allow", "--deny", "--force-warn", "--forbid", "--warn", "--cap-lints"];
    let is_short_lint = ["-A", "-D", "-F", "-W"].iter().any(|short| option.starts_with(short));
    let name = option.split(['=', ' ']).next().unwrap_or(option);
    match name {
        "-C" => option.split('=').next().unwrap_or(option),
        "--cfg" | "--check-cfg" | "--extern" => option,
        name if is_short_lint || LINTS.contains(&name) => "lint",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(outputs: &str) -> Roots {
        Roots::new("/w".into(), outputs.into(), "/toolchain".into()).unwrap()
    }

    fn process(arguments: &[&str]) -> Process {
        let arguments = ["rustc"].iter().chain(arguments);
        Process {
            directory: "/w".to_owned(),
            arguments: arguments.map(ToString::to_string).collect(),
            environment: [("PATH".to_owned(), "/bin".to_owned())].into(),
        }
    }

    #[test]
    fn the_same_in_other_places_is_the_same() {
        let hash = "0123456789abcdef";
        let checksum = hash.repeat(4);
        let cargo = process(&[
            "/home/ada/.cargo/registry/src/index-1/a-1.0.0/src/lib.rs",
            "--extern",
            &format!("b=/t/debug/deps/libb-{hash}.rmeta"),
            "-L",
            &format!("native=/t/debug/build/b-{hash}/out"),
        ]);
        let vx = process(&[
            &format!("/h/packages/a-1.0.0-{checksum}/src/lib.rs"),
            "-L",
            &format!("native=/h/out/run-1/target/debug/build/b-{hash}/out"),
            "--extern",
            "b=/h/exec/12-3/deps/libb-fedcba9876543210.rmeta",
        ]);
        let normal = lines(&vx, &roots("/h"));
        assert_eq!(lines(&cargo, &roots("/t")), normal);
        assert!(
            normal.contains(&"--extern b={deps}/libb.rmeta".to_owned()),
            "{normal:?}"
        );
    }

    #[test]
    fn the_order_of_lints_and_of_search_paths_counts() {
        let normal = |arguments: &[&str]| lines(&process(arguments), &roots("/t"));
        assert_ne!(
            normal(&["-Wunused", "-Adead_code"]),
            normal(&["-Adead_code", "-Wunused"])
        );
        assert_ne!(normal(&["-L", "/a", "-L", "/b"]), normal(&["-L", "/b", "-L", "/a"]));
        assert_eq!(
            normal(&["--cfg", "a", "--cfg", "b"]),
            normal(&["--cfg", "b", "--cfg", "a"])
        );
        assert_ne!(normal(&["-C", "lto=thin"]), normal(&["-C", "lto=fat"]));
    }
}
