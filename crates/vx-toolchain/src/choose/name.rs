//! Parses names of rustup's toolchains: `1.95`, `nightly-2026-05-20-x86_64-unknown-linux-gnu`.

use camino::Utf8Path;

/// A name of the form `CHANNEL[-DATE][-HOST]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChannelName<'a> {
    pub(crate) channel: Channel<'a>,
    pub(crate) date: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
}

/// What a toolchain is a release of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel<'a> {
    /// `stable`, `beta`, `nightly`, or a named pre-release such as `1.96.0-beta.2`.
    Named(&'a str),
    /// `1.95` (no patch) or `1.95.0`.
    Version { major: u32, minor: u32, patch: Option<u32> },
}

impl<'a> ChannelName<'a> {
    /// `None` for the user's own names (linked toolchains).
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (channel, rest) = split_channel(name)?;
        let (date, rest) = split_date(rest);
        let host = match rest {
            "" => None,
            rest => Some(rest.strip_prefix('-').filter(|host| is_triple(host))?),
        };
        Some(Self { channel, date, host })
    }

    /// How well the installed toolchain `self` matches `request`; greater is better, `None` is not at all.
    ///
    /// `1.95` is matched by a toolchain of that name, else by its newest patch release. A request without a host means
    /// the default host; another one of the same architecture (a static vx on a glibc machine) is better than none.
    pub(super) fn answers(&self, request: &Self, default_host: &str) -> Option<impl Ord + use<'a>> {
        let requested_host = request.host.unwrap_or(default_host);
        let is_host = self.host == Some(requested_host);
        let may_differ = request.host.is_none()
            && self
                .host
                .is_some_and(|host| architecture(host) == architecture(requested_host));
        let is_exact = self.channel == request.channel;
        let fits = (is_exact || self.channel.is_patch_of(request.channel)) && self.date == request.date;
        (fits && (is_host || may_differ)).then_some((is_host, is_exact, self.channel))
    }
}

impl Channel<'_> {
    fn is_patch_of(self, other: Channel<'_>) -> bool {
        match (self, other) {
            (
                Self::Version { major, minor, .. },
                Channel::Version {
                    major: other_major,
                    minor: other_minor,
                    patch: None,
                },
            ) => (major, minor) == (other_major, other_minor),
            _ => false,
        }
    }
}

fn architecture(triple: &str) -> &str {
    split_at_dash(triple).0
}

/// Whether `text` has the form of a target triple: two to four words, the first an architecture and not a number.
pub(super) fn is_triple(text: &str) -> bool {
    let words: Vec<_> = text.split('-').collect();
    (2..=4).contains(&words.len())
        && words[0].starts_with(|c: char| c.is_ascii_alphabetic())
        && words
            .iter()
            .all(|word| !word.is_empty() && !matches!(*word, "preview" | "dev" | "src"))
}

fn split_channel(name: &str) -> Option<(Channel<'_>, &str)> {
    for channel in ["stable", "beta", "nightly"] {
        if let Some(rest) = name.strip_prefix(channel).filter(|rest| is_end(rest)) {
            return Some((Channel::Named(channel), rest));
        }
    }
    let (version, rest) = split_at_dash(name);
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    let (major, minor) = (numbers.next()??, numbers.next()??);
    let patch = match numbers.next() {
        Some(patch) => Some(patch?),
        None => None,
    };
    if numbers.next().is_some() {
        return None;
    }
    if let Some((pre, rest)) = rest.strip_prefix('-').map(split_at_dash)
        && pre.starts_with("beta")
    {
        return Some((Channel::Named(&name[..version.len() + 1 + pre.len()]), rest));
    }
    Some((Channel::Version { major, minor, patch }, rest))
}

/// A leading `-YYYY-MM-DD`.
fn split_date(rest: &str) -> (Option<&str>, &str) {
    let is_date = |text: &str| {
        text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    match (rest.get(1..11), rest.get(11..)) {
        (Some(date), Some(rest)) if is_date(date) && is_end(rest) => (Some(date), rest),
        _ => (None, rest),
    }
}

fn split_at_dash(text: &str) -> (&str, &str) {
    text.split_at(text.find('-').unwrap_or(text.len()))
}

fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('-')
}

cfg_if::cfg_if! {
    if #[cfg(target_os = "macos")] {
        const SYSTEM: &str = "apple-darwin";
    } else if #[cfg(windows)] {
        const SYSTEM: &str = "pc-windows-msvc";
    } else if #[cfg(target_env = "musl")] {
        const SYSTEM: &str = "unknown-linux-musl";
    } else {
        const SYSTEM: &str = "unknown-linux-gnu";
    }
}

/// The host that rustup assumes for names without one, if its settings do not name one.
pub(super) fn assumed_host() -> String {
    format!("{}-{SYSTEM}", std::env::consts::ARCH)
}

/// The host of toolchains to acquire. A static vx also runs on machines with glibc, and then uses toolchains for glibc:
/// those for musl need musl's loader.
pub(super) fn host_to_acquire() -> String {
    let assumed = assumed_host();
    match assumed.strip_suffix("-musl") {
        Some(system) if has_glibc() => format!("{system}-gnu"),
        _ => assumed,
    }
}

/// Whether the dynamic loader of glibc is installed: `/lib64/ld-linux-x86-64.so.2`, `/lib/ld-linux-aarch64.so.1`.
fn has_glibc() -> bool {
    let directories = ["/lib64", "/lib"]
        .iter()
        .filter_map(|path| Utf8Path::new(path).read_dir_utf8().ok());
    directories
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().starts_with("ld-linux-"))
}

/// Whether programs for `host` run on this machine, judging by its name.
pub(super) fn is_host_of_this_machine(host: &str) -> bool {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    architecture(host) == std::env::consts::ARCH && host.contains(system)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: &str = "x86_64-unknown-linux-gnu";

    fn version(major: u32, minor: u32, patch: Option<u32>) -> Channel<'static> {
        Channel::Version { major, minor, patch }
    }

    #[test]
    fn names_taken_apart() {
        let cases = [
            ("stable", Channel::Named("stable"), None, None),
            ("1.95", version(1, 95, None), None, None),
            ("1.95.0", version(1, 95, Some(0)), None, None),
            (
                "nightly-2026-05-20",
                Channel::Named("nightly"),
                Some("2026-05-20"),
                None,
            ),
            (
                "1.95.0-x86_64-unknown-linux-gnu",
                version(1, 95, Some(0)),
                None,
                Some(HOST),
            ),
            (
                "1.96.0-beta.2-x86_64-unknown-linux-gnu",
                Channel::Named("1.96.0-beta.2"),
                None,
                Some(HOST),
            ),
            (
                "beta-2026-01-02-x86_64-unknown-linux-gnu",
                Channel::Named("beta"),
                Some("2026-01-02"),
                Some(HOST),
            ),
        ];
        for (name, channel, date, host) in cases {
            assert_eq!(
                ChannelName::parse(name),
                Some(ChannelName { channel, date, host }),
                "{name}"
            );
        }
    }

    #[test]
    fn names_of_linked_toolchains() {
        for name in [
            "stage1",
            "stablest",
            "1",
            "1.2.3.4",
            "stable-",
            "nightly-2026",
            "stable-2026-05-20x",
        ] {
            assert_eq!(ChannelName::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics(name in "\\PC*") {
            let _ = ChannelName::parse(&name);
        }

        #[test]
        fn date_and_host_are_found_after_any_channel(
            channel in "stable|beta|nightly|1\\.[0-9]{1,2}(\\.[0-9])?",
            date in proptest::option::of("20[0-9]{2}-[01][0-9]-[0-3][0-9]"),
            host in proptest::option::of("x86_64-unknown-linux-gnu|aarch64-apple-darwin|i686-pc-windows-msvc"),
        ) {
            let mut name = channel;
            for part in [&date, &host].into_iter().flatten() {
                name = format!("{name}-{part}");
            }
            let parsed = ChannelName::parse(&name).unwrap();
            prop_assert_eq!(parsed.date, date.as_deref());
            prop_assert_eq!(parsed.host, host.as_deref());
        }
    }
}
