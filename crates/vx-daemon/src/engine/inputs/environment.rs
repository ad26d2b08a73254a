//! Which environment variables reach a process, and which of them are in its key.
//!
//! Every process gets the user's environment without [`NOT_PASSED`]. rustc reports what `env!` read. What build scripts
//! read is unknown, so the whole environment counts for them; likewise for proc macros that can read it (see
//! `environment_readers`) and for programs that rustc starts, unless they are linkers of the system. Of the compilers
//! and linkers themselves it is documented which variables they read.

use std::collections::BTreeMap;

use vx_cargo::matches_any;
use vx_model::{Digest, Root, RootedPath, Roots, Template};

/// An environment by name. Texts are escaped: see `vx_model::os_text`.
pub(crate) type Environment = BTreeMap<String, String>;

/// Variables that no process gets, although Cargo would pass them on: they differ from one terminal to the next, and
/// nothing that is built should. `docs/not-yet.md` lists them for users. `*` ends a family.
const NOT_PASSED: &[&str] = &[
    // What a shell keeps for itself. `PWD` is replaced.
    "_",
    "SHLVL",
    "OLDPWD",
    "PWD",
    // Which terminal it is, what it can do and how large it is: the output of a build step does not go there.
    "TERM",
    "TERM_*",
    "TERMINFO",
    "COLORTERM",
    "COLUMNS",
    "LINES",
    "WINDOWID",
    "VTE_VERSION",
    "ALACRITTY_*",
    "GHOSTTY_*",
    "GNOME_TERMINAL_*",
    "ITERM_*",
    "KITTY_*",
    "KONSOLE_*",
    "VSCODE_*",
    "WEZTERM_*",
    "WT_*",
    // Which window of a terminal multiplexer it is.
    "STY",
    "TMUX",
    "TMUX_PANE",
    "WINDOW",
    "ZELLIJ*",
    // Which login it is, and the sockets of its agents and displays.
    "SSH_AGENT_PID",
    "SSH_AUTH_SOCK",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "GPG_*",
    "DBUS_SESSION_BUS_*",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_ACTIVATION_TOKEN",
    "XDG_SEAT*",
    "XDG_SESSION_*",
    "XDG_VTNR",
    "DESKTOP_STARTUP_ID",
    "SESSION_MANAGER",
    // Which run of a service it is.
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "SYSTEMD_EXEC_PID",
];

/// Variables that rustc, or libraries in it, read without reporting it. `*` ends a family.
const READ_BY_RUSTC: &[&str] = &[
    "RUSTC_*",
    "RUST_TARGET_PATH",
    "RUST_MIN_STACK",
    // The dynamic linker.
    "LD_*",
    "DYLD_*",
    "GLIBC_TUNABLES",
    "SDKROOT",
    "MACOSX_DEPLOYMENT_TARGET",
    "SOURCE_DATE_EPOCH",
];

/// Variables that the linkers of [`is_linker_of_system`] read, according to their manuals. rustc sets `LC_ALL` for them.
const READ_BY_LINKERS: &[&str] = &[
    // gcc(1), section "Environment"; the second page of it is about its own children.
    "COMPILER_PATH",
    "LIBRARY_PATH",
    "LPATH",
    "GCC_*",
    "COLLECT_*",
    "DEPENDENCIES_OUTPUT",
    "SUNPRO_DEPENDENCIES",
    // What the preprocessor reads: a driver may be given sources.
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    // ld(1).
    "GNUTARGET",
    "LDEMULATION",
    "ZERO_AR_DATE",
    // clang(1), and what its driver is documented to read elsewhere.
    "CCC_*",
    "CLANG_*",
    "DEVELOPER_DIR",
    "*_DEPLOYMENT_TARGET",
    // LLD and mold.
    "LLD_*",
    "MOLD_*",
];

/// Programs that a system's compilers consist of, without target and version.
const LINKERS: &[&str] = &[
    "cc",
    "c++",
    "gcc",
    "g++",
    "clang",
    "clang++",
    "collect2",
    "lto-wrapper",
    "lto1",
    "as",
    "ld",
    "ld.bfd",
    "ld.gold",
    "ld.lld",
    "ld.mold",
    "ld64.lld",
    "gold",
    "lld",
    "mold",
    "rust-lld",
    "ar",
    "ranlib",
    "rustc",
    "rustdoc",
    "clippy-driver",
];

cfg_if::cfg_if! {
    if #[cfg(target_os = "macos")] {
        pub(crate) const LIBRARY_PATH: &str = "DYLD_FALLBACK_LIBRARY_PATH";
    } else {
        pub(crate) const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
    }
}

/// Whether rustc reads `name` without reporting it.
pub(crate) fn is_read_by_rustc(name: &str) -> bool {
    matches_any(name, READ_BY_RUSTC)
}

/// Whether a linker of the system reads `name`.
pub(crate) fn is_read_by_linkers(name: &str) -> bool {
    let is_of_end = |pattern: &&str| pattern.strip_prefix('*').is_some_and(|end| name.ends_with(end));
    matches_any(name, READ_BY_LINKERS) || READ_BY_LINKERS.iter().any(is_of_end)
}

/// Whether the program at `path`, without symbolic links, is a linker, or a part of one, that the system's
/// administrator has installed: one whose variables are known.
pub(crate) fn is_linker_of_system(path: &str) -> bool {
    path.starts_with("/usr/") && is_linker(path.rsplit('/').next().unwrap_or(path)) && is_of_administrator(path)
}

/// `x86_64-linux-gnu-gcc-13`, `clang-18`, `ld.lld`.
fn is_linker(name: &str) -> bool {
    let is_version = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let name = match name.rsplit_once('-') {
        Some((name, version)) if is_version(version) => name,
        _ => name,
    };
    LINKERS.iter().any(|linker| {
        let target = name.strip_suffix(linker);
        target.is_some_and(|target| target.is_empty() || target.ends_with('-'))
    })
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        fn is_of_administrator(path: &str) -> bool {
            use std::os::unix::fs::MetadataExt as _;
            const WRITABLE_BY_OTHERS: u32 = 0o022;
            std::fs::metadata(path)
                .is_ok_and(|metadata| metadata.uid() == 0 && metadata.mode() & WRITABLE_BY_OTHERS == 0)
        }
    } else {
        fn is_of_administrator(_path: &str) -> bool {
            false
        }
    }
}

/// The user's environment without variables of vx itself and without the jobserver of its parent, which is replaced.
pub(crate) fn without_private(user: Environment) -> Environment {
    let is_private =
        |name: &str| vx_home::env::ALL.contains(&name) || matches!(name, "MAKEFLAGS" | "MFLAGS" | "CARGO_MAKEFLAGS");
    user.into_iter().filter(|(name, _)| !is_private(name)).collect()
}

/// The part of the user's environment that the processes of actions get.
pub(crate) fn passed(user: &Environment) -> Environment {
    let is_passed = |(name, _): &(&String, &String)| !matches_any(name, NOT_PASSED);
    let passed = user.iter().filter(is_passed);
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What processes get: the user's environment with paths named by role, and what a shell and rustup would have added.
/// `calls_toolchain`: whether programs of rustup can be told to use the toolchain of the build.
pub(crate) fn of_processes(
    environment: &Environment,
    calls_toolchain: bool,
    roots: &Roots,
) -> BTreeMap<String, Template> {
    let template = |(name, value): (&String, &String)| (name.clone(), Template::from_text(value, roots));
    let mut variables: BTreeMap<String, Template> = environment.iter().map(template).collect();
    // Where most builds are started. The same everywhere, whatever directory this one was started in.
    variables.insert("PWD".to_owned(), RootedPath::new(Root::Workspace, "").into());
    if calls_toolchain {
        // What rustup gives to the cargo that it starts. A path is not the name that rustup would give, but it is the
        // same toolchain for rustup, and the same text for everybody.
        variables.insert(
            "RUSTUP_TOOLCHAIN".to_owned(),
            RootedPath::new(Root::Toolchain, "").into(),
        );
        if roots.knows(Root::UserHome) {
            for (name, directory) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
                let usual = || RootedPath::new(Root::UserHome, directory).into();
                variables.entry(name.to_owned()).or_insert_with(usual);
            }
        }
    }
    variables
}

/// The answer to [`vx_model::Input::Environment`]: `NAME=DIGEST` for each variable. Values may be secret, and answers
/// are recorded.
pub(crate) fn answer<'a>(variables: impl Iterator<Item = (&'a String, &'a Template)>) -> String {
    let line = |(name, value): (&String, &Template)| {
        let digest = Digest::of(value.to_string().as_bytes()).hex();
        format!("{name}={HASHED}{}\n", &digest[..32])
    };
    variables.map(line).collect()
}

/// The variables of an [`answer`], each with a text that stands for its value.
pub(crate) fn answered(answer: &str) -> impl Iterator<Item = (&str, &str)> {
    answer.lines().filter_map(|line| line.rsplit_once('='))
}

/// What the part of a key is called that says that the whole environment counts.
pub(crate) const WHOLE_ENVIRONMENT: &str = "whole environment";

/// What the texts begin with that stand for values.
pub(crate) const HASHED: &str = "sha256:";

/// The library search path: `directories`, then the user's. `None` without directories.
pub(crate) fn library_path(directories: &[Template], user: Option<&Template>) -> Option<Template> {
    let user = user.filter(|user| !user.parts.is_empty());
    let mut whole = directories.first()?.clone();
    for directory in directories.iter().skip(1).chain(user) {
        whole = whole.text(":").then(directory.clone());
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        variables.iter().map(owned).collect()
    }

    #[test]
    fn families_match_by_prefix_or_end_and_names_exactly() {
        assert!(is_read_by_rustc("RUSTC_BOOTSTRAP"));
        assert!(is_read_by_rustc("LD_LIBRARY_PATH"));
        assert!(!is_read_by_rustc("RUSTFLAGS"));
        assert!(is_read_by_linkers("GCC_EXEC_PREFIX"));
        assert!(is_read_by_linkers("IPHONEOS_DEPLOYMENT_TARGET"));
        assert!(!is_read_by_linkers("PATH"));
        assert!(!is_read_by_linkers("LPATHS"));
    }

    #[test]
    fn shells_terminals_sessions_and_vx_keep_their_variables() {
        let user = environment(&[
            ("SHLVL", "2"),
            ("PWD", "/here"),
            ("TMUX_PANE", "%1"),
            ("SSH_AUTH_SOCK", "/tmp/agent"),
            ("VX_HOME", "/h"),
            ("MAKEFLAGS", "-j"),
            ("EDITOR", "vi"),
            ("TMUXINATOR", "1"),
            ("LANG", "C"),
        ]);
        let passed = passed(&without_private(user));
        assert_eq!(passed.into_keys().collect::<Vec<_>>(), ["EDITOR", "LANG", "TMUXINATOR"]);
    }

    #[test]
    fn linkers_are_known_by_name_and_owner() {
        for name in [
            "cc",
            "x86_64-linux-gnu-gcc-13",
            "clang-18",
            "ld.lld",
            "ld.gold",
            "x86_64-linux-gnu-ld.bfd",
        ] {
            assert!(is_linker(name), "{name}");
        }
        for name in [
            "sh",
            "ccache",
            "my-linker",
            "gcc-wrapper",
            "sccache",
            "python3.12",
            "build",
            "cargo",
        ] {
            assert!(!is_linker(name), "{name}");
        }
        assert!(!is_linker_of_system("/home/ada/bin/cc"));
        assert!(!is_linker_of_system("/usr/bin/a-linker-that-does-not-exist-ld"));
    }

    #[test]
    fn the_current_directory_is_that_of_the_workspace_and_the_toolchain_that_of_the_build() {
        let roots = Roots::default()
            .with(Root::Workspace, "/w")
            .with(Root::Toolchain, "/t")
            .with(Root::UserHome, "/home/ada");
        let user = environment(&[("RUSTUP_TOOLCHAIN", "stable"), ("RUSTUP_HOME", "/opt/rustup")]);
        let value = |calls_toolchain, name| {
            let variables = of_processes(&user, calls_toolchain, &roots);
            variables.get(name).map(|value: &Template| value.to_string())
        };
        assert_eq!(value(true, "PWD").as_deref(), Some("{workspace}"));
        assert_eq!(value(true, "RUSTUP_TOOLCHAIN").as_deref(), Some("{toolchain}"));
        assert_eq!(value(true, "RUSTUP_HOME").as_deref(), Some("/opt/rustup"));
        assert_eq!(value(true, "CARGO_HOME").as_deref(), Some("{home/.cargo}"));
        assert_eq!(value(false, "RUSTUP_TOOLCHAIN").as_deref(), Some("stable"));
        assert_eq!(value(false, "CARGO_HOME"), None);
    }

    #[test]
    fn an_answer_names_every_variable_and_no_value() {
        let variables = BTreeMap::from([
            ("A".to_owned(), Template::from("secret")),
            ("B=C".to_owned(), "1".into()),
        ]);
        let answer = answer(variables.iter());
        assert!(!answer.contains("secret"));
        let names: Vec<&str> = answered(&answer).map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "B=C"]);
        let other = BTreeMap::from([
            ("A".to_owned(), Template::from("secrets")),
            ("B=C".to_owned(), "1".into()),
        ]);
        assert_ne!(super::answer(other.iter()), answer);
    }
}
