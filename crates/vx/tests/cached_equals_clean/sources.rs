//! How the facts are laid down: files, arguments, variables.
//!
//! In the texts of sources, `$NAME` stands for what follows from a fact.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;

use super::{DebugInfo, Level, Own, Part, Project, Tuning};
use crate::harness::files::write;

/// What the build script writes into its package.
const WRITTEN: &str = "app/written.txt";

const WORDS: &str = "\
pub const WORDS: u32 = $WORDS;
pub const ASSERTS: bool = cfg!(debug_assertions);

pub fn generic<T: From<u8> + std::ops::Add<Output = T>>(number: T) -> T {
    number + T::from($GENERIC)
}
";

const MIDDLE: &str = r#"#![allow(unexpected_cfgs)]

pub mod part;

pub fn value() -> u32 {
$WARNING    $BELOW * 100 + $MIDDLE
}

pub fn is_loud() -> bool {
    cfg!(feature = "loud")
}

pub fn words_assert() -> Option<bool> {
    $ASSERTS
}

pub fn tint() -> Option<usize> {
    let tints = [
        cfg!(tint = "10"),
        cfg!(tint = "11"),
        cfg!(tint = "12"),
        cfg!(tint = "13"),
        cfg!(tint = "14"),
        cfg!(tint = "15"),
        cfg!(tint = "16"),
        cfg!(tint = "17"),
        cfg!(tint = "18"),
        cfg!(tint = "19"),
    ];
    tints.iter().position(|is_set| *is_set).map(|at| at + 10)
}
"#;

const STAMPS: &str = r##"use proc_macro::TokenStream;

fn number(text: Option<String>) -> String {
    format!("{:?}", text.map(|text| text.parse::<u8>().unwrap()))
}

#[proc_macro]
pub fn stamp(_: TokenStream) -> TokenStream {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let file = std::fs::read_to_string(format!("{package}/macro.txt")).unwrap();
    let late = number(std::fs::read_to_string(format!("{package}/late-macro.txt")).ok());
    let listed = std::fs::read_dir(format!("{package}/parts")).unwrap().count();
    let tone = number(std::env::var("TONE").ok());
    let asserts = cfg!(debug_assertions);
    let composed = number(std::env::var(["COM", "POSED"].concat()).ok());
    let link = std::fs::read_link(format!("{package}/link.txt")).unwrap();
    let link = link.file_stem().unwrap().to_str().unwrap();
    let text = format!("{composed}/{link}/$STAMP/{file}/{late}/{listed}/{tone}/{asserts}/");
    format!("concat!({text:?}, include_str!({:?}))", format!("{package}/quoted.txt")).parse().unwrap()
}
"##;

const SCRIPT: &str = r##"fn number(text: Option<String>) -> String {
    format!("{:?}", text.map(|text| text.parse::<u8>().unwrap()))
}

fn main() {
$BROKEN$DECLARATIONS$WARNING    let file = std::fs::read_to_string("script.txt").unwrap();
    let late = number(std::fs::read_to_string("late.txt").ok());
    let [colour, shape, tint] = ["COLOUR", "SHAPE", "CARGO_CFG_TINT"].map(|name| number(std::env::var(name).ok()));
    let [level, debug, out] = ["OPT_LEVEL", "DEBUG", "OUT_DIR"].map(|name| std::env::var(name).unwrap());
    let asserts = cfg!(debug_assertions);
    let made = format!("$SCRIPT/{file}/{late}/{colour}/{shape}/{level}/{debug}/{asserts}/{tint}");
    std::fs::write(format!("{out}/made.rs"), format!("pub const MADE: &str = {made:?};")).unwrap();
    std::fs::write(format!("{out}/../../../made.txt"), made).unwrap();
    let composed = number(std::env::var(["COM", "POSED"].concat()).ok());
    let ran = |program: &str, arguments: [&str; 2]| std::process::Command::new(program).args(arguments).output().unwrap();
    let child = String::from_utf8(ran("sh", ["-c", "printf %s \"$CHILD\""]).stdout).unwrap();
    let executable = ran("test", ["-x", "tool.sh"]).status.success();
    let [linked, behind] = ["link.txt", "linked/deep/../behind.txt"].map(|path| std::fs::read_to_string(path).unwrap());
    println!("cargo::rustc-env=FOUND={composed}/{child}/{linked}/{executable}/{behind}");
    println!("cargo::rustc-env=SILENT={}", std::fs::read_to_string("silent.txt").unwrap());
$WRITES}
"##;

const DECLARATIONS: &str = r#"    println!("cargo::rerun-if-changed=script.txt");
    println!("cargo::rerun-if-changed=late.txt");
    println!("cargo::rerun-if-env-changed=COLOUR");
"#;

const APP: &str = r#"mod made {
    include!(concat!(env!("OUT_DIR"), "/made.rs"));
}

fn number(text: Option<&str>) -> Option<u8> {
    text.map(|text| text.parse().unwrap())
}

fn main() {
    println!(
        "middle {} {} {} {:?} {:?}",
        middle::value(),
        middle::part::PART,
        middle::is_loud(),
        middle::words_assert(),
        middle::tint(),
    );
    println!("macro {}", stamps::stamp!());
    println!("script {} {} {:?}", made::MADE, env!("SILENT"), number($WRITTEN));
    println!("found {} {}", env!("FOUND"), beside::BESIDE);
    println!("variables {:?} {:?}", number(option_env!("WORD")), number(option_env!("CONFIGURED")));
    println!(
        "app {} {} {} {} {}",
        include_str!("../data.txt"),
        cfg!(feature = "extra"),
        cfg!(debug_assertions),
        cfg!(panic = "abort"),
        env!("CARGO_PKG_VERSION"),
    );
    println!("sum {}", std::hint::black_box(250_u8) + std::hint::black_box(10));
}
"#;

const SECOND: &str = r#"fn main() {
    println!("second {}", middle::value());
}
"#;

/// How it is built.
impl Project {
    pub(crate) fn arguments(&self) -> Vec<&'static str> {
        let mut arguments = Vec::new();
        if self.asks_extra {
            arguments.push("--features=app/extra");
        }
        if self.release {
            arguments.push("--release");
        }
        arguments
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let tint = |tint| format!("--cfg=tint=\"{tint}\"");
        let silence = self.flags.silences.then(|| "-Aunused_variables".to_owned());
        let flags: Vec<String> = self.flags.by_user.map(tint).into_iter().chain(silence).collect();
        let number = |number: Option<u8>| number.map(|number| number.to_string());
        let variables = [
            ("COLOUR", number(self.script.colour)),
            ("SHAPE", number(self.script.shape)),
            ("TONE", number(self.macros.tone)),
            ("COMPOSED", number(self.found.composed)),
            ("CHILD", number(self.found.by_child)),
            ("WORD", number(self.variables.word)),
            ("CONFIGURED", number(self.variables.by_user)),
            ("RUSTFLAGS", self.has_flags_of_user().then(|| flags.join(" "))),
            (
                "CARGO_ENCODED_RUSTFLAGS",
                self.flags.encoded.map(|number| format!("--cfg\x1ftint=\"{number}\"")),
            ),
        ];
        variables
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    pub(crate) fn output_directory(&self) -> &'static str {
        if self.release { "release" } else { "debug" }
    }

    pub(crate) fn programs(&self) -> Vec<&'static str> {
        if self.second {
            vec!["app", "second"]
        } else {
            vec!["app"]
        }
    }

    /// What a build leaves for its user, in the output directory.
    pub(crate) fn artifacts(&self) -> Vec<&'static str> {
        let others = ["libmiddle.rlib", "libstamps.so", "libwords.rlib", "made.txt"];
        self.programs().into_iter().chain(others).collect()
    }
}

/// Its files.
impl Project {
    /// Writes and removes what differs from `before`, which lies in `directory`; into an empty one, everything.
    pub(crate) fn write_to(&self, directory: &Utf8Path, before: Option<&Self>) {
        let files = self.files();
        let before = before.map(Self::files).unwrap_or_default();
        for path in before.keys().filter(|path| !files.contains_key(*path)) {
            std::fs::remove_file(directory.join(path)).unwrap();
        }
        for (path, text) in files.iter().filter(|(path, text)| before.get(*path) != Some(*text)) {
            write(&directory.join(path), text);
        }
        if before.is_empty() {
            // What leads to it has another name for what is above it.
            point(&directory.join("app/linked/deep"), "../kept/below/deep");
        }
        self.mark_in(directory);
        if !self.script.writes {
            Self::remove_written_in(directory);
        }
    }

    /// Points links and sets modes, where they are otherwise.
    fn mark_in(&self, directory: &Utf8Path) {
        let target = if self.found.second_link {
            "kept/two-words/two.txt"
        } else {
            "kept/one-word/one.txt"
        };
        point(&directory.join("app/link.txt"), target);
        let tool = directory.join("app/tool.sh");
        let mode = if self.found.executable { 0o755 } else { 0o644 };
        if tool.metadata().unwrap().permissions().mode() & 0o777 != mode {
            std::fs::set_permissions(tool, Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Removes every file and writes it again as it was.
    pub(crate) fn rewrite_in(&self, directory: &Utf8Path) {
        for (path, text) in self.files() {
            std::fs::remove_file(directory.join(path)).unwrap();
            write(&directory.join(path), &text);
        }
        self.mark_in(directory);
    }

    /// Removes what the build script has written into its package, if it has.
    pub(crate) fn remove_written_in(directory: &Utf8Path) {
        let path = directory.join(WRITTEN);
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }

    fn files(&self) -> BTreeMap<&'static str, String> {
        let (macros, script) = (&self.macros, &self.script);
        let part = |text: &str| format!("pub const PART: &str = \"{text}\";\n");
        let number = |number: Option<u8>| number.map(|number| number.to_string());
        let given = |is_there: bool, text: &str| is_there.then(|| text.to_owned());
        let files = [
            ("Cargo.toml", Some(self.manifest_of_workspace())),
            (".cargo/config.toml", self.configuration()),
            ("words/Cargo.toml", Some(manifest("words", 10, ""))),
            ("words/src/lib.rs", Some(self.source_of_words())),
            ("middle/Cargo.toml", Some(self.manifest_of_middle())),
            ("middle/src/lib.rs", Some(self.source_of_middle())),
            ("middle/src/part.rs", (!self.is_directory).then(|| part("file"))),
            ("middle/src/part/mod.rs", self.is_directory.then(|| part("directory"))),
            (
                "stamps/Cargo.toml",
                Some(manifest("stamps", 10, "[lib]\nproc-macro = true\n")),
            ),
            ("stamps/src/lib.rs", Some(self.source_of_stamps())),
            ("app/Cargo.toml", Some(self.manifest_of_app())),
            ("app/build.rs", Some(self.source_of_script())),
            ("app/src/main.rs", Some(self.source_of_app())),
            ("app/src/bin/second.rs", given(self.second, SECOND)),
            ("app/data.txt", Some(self.data.to_string())),
            ("app/macro.txt", Some(macros.file.to_string())),
            ("app/late-macro.txt", number(macros.late_file)),
            ("app/parts/one.txt", Some(String::new())),
            ("app/parts/two.txt", given(macros.lists_more, "")),
            ("app/quoted.txt", Some(macros.quoted.to_string())),
            ("app/script.txt", Some(script.file.to_string())),
            ("app/late.txt", number(script.late_file)),
            ("app/silent.txt", Some(script.silent_file.to_string())),
            ("app/tool.sh", Some("#!/bin/sh\n".to_owned())),
            ("app/kept/one-word/one.txt", Some("one".to_owned())),
            ("app/kept/two-words/two.txt", Some("two".to_owned())),
            ("app/kept/below/behind.txt", Some(self.found.behind.to_string())),
            ("app/kept/below/deep/x.txt", Some(String::new())),
            ("app/linked/behind.txt", Some("not this one".to_owned())),
            ("../beside/Cargo.toml", Some(manifest("beside", 10, ""))),
            (
                "../beside/src/lib.rs",
                Some(format!("pub const BESIDE: u32 = {};\n", self.found.beside)),
            ),
            ("app/unrelated.txt", given(self.unrelated, "nobody reads this")),
        ];
        files
            .into_iter()
            .filter_map(|(path, text)| Some((path, text?)))
            .collect()
    }

    fn manifest_of_workspace(&self) -> String {
        let profile = &self.profile;
        let debug = match profile.debug {
            DebugInfo::None => "false",
            DebugInfo::Lines => "\"line-tables-only\"",
            DebugInfo::Full => "true",
        };
        let tuning = profile.tuning.map_or("", |tuning| match tuning {
            Tuning::Strip => "strip = true\n",
            Tuning::OneCodegenUnit => "codegen-units = 1\n",
            Tuning::SplitDebugInfo => "split-debuginfo = \"unpacked\"\n",
        });
        let optional = |before: &str, value: Option<bool>| match value {
            Some(value) => format!("{before} = {value}\n"),
            None => String::new(),
        };
        format!(
            "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"middle\", \"stamps\", \"words\"]\n\n\
             [workspace.lints.rust]\nunused_variables = \"{}\"\n\n\
             [profile.dev]\nincremental = {}\ndebug-assertions = {}\nopt-level = {}\ndebug = {debug}\npanic = \"{}\"\n{}{tuning}{}{}",
            name(self.lints.of_workspace),
            profile.incremental,
            profile.assertions,
            u8::from(profile.optimizes),
            if profile.aborts { "abort" } else { "unwind" },
            optional("overflow-checks", profile.overflow_checks),
            optional(
                "\n[profile.dev.package.words]\ndebug-assertions",
                profile.assertions_of_words
            ),
            optional(
                "\n[profile.dev.build-override]\ndebug-assertions",
                profile.assertions_of_build
            ),
        )
    }

    fn configuration(&self) -> Option<String> {
        let (flags, variables) = (&self.flags, &self.variables);
        let tint = |table: &str, tint: Option<u8>| match tint {
            Some(tint) => format!("[{table}]\nrustflags = [\"--cfg\", \"tint=\\\"{tint}\\\"\"]\n"),
            None => String::new(),
        };
        let configured = variables.configured.map(|number| {
            format!(
                "[env]\nCONFIGURED = {{ value = \"{number}\", force = {} }}\n",
                variables.forces
            )
        });
        let text = tint("build", flags.of_build)
            + &tint("target.'cfg(unix)'", flags.of_target)
            + &configured.unwrap_or_default();
        (!text.is_empty()).then_some(text)
    }

    fn manifest_of_middle(&self) -> String {
        let words = if self.uses_words {
            "[dependencies]\nwords = { path = \"../words\" }\n"
        } else {
            ""
        };
        let lints = match self.lints.of_middle {
            Own::Nothing => String::new(),
            Own::Inherits => "[lints]\nworkspace = true\n".to_owned(),
            Own::Says(level) => format!("[lints.rust]\nunused_variables = \"{}\"\n", name(level)),
        };
        manifest("middle", 10, &format!("[features]\nloud = []\n\n{words}{lints}"))
    }

    fn manifest_of_app(&self) -> String {
        let default = if self.default_extra {
            "default = [\"extra\"]\n"
        } else {
            ""
        };
        let rest = format!(
            "[features]\n{default}extra = [\"middle/loud\"]\n\n\
             [dependencies]\nmiddle = {{ path = \"../middle\" }}\nstamps = {{ path = \"../stamps\" }}\n\
             beside = {{ path = \"../../beside\" }}\n"
        );
        manifest("app", self.version, &rest)
    }

    fn source_of_words(&self) -> String {
        let text = WORDS
            .replace("$WORDS", &self.words.to_string())
            .replace("$GENERIC", &self.generic.to_string());
        text + self.error_in(Part::Words)
    }

    fn source_of_middle(&self) -> String {
        let (below, asserts) = match self.uses_words {
            true => ("words::generic(words::WORDS)", "Some(words::ASSERTS)"),
            false => ("0", "None"),
        };
        let warning = if self.warns { "    let unused = 1;\n" } else { "" };
        let text = MIDDLE
            .replace("$WARNING", warning)
            .replace("$BELOW", below)
            .replace("$ASSERTS", asserts)
            .replace("$MIDDLE", &self.middle.to_string());
        text + self.error_in(Part::Middle)
    }

    fn source_of_stamps(&self) -> String {
        STAMPS.replace("$STAMP", &self.macros.stamp.to_string()) + self.error_in(Part::Macro)
    }

    fn source_of_script(&self) -> String {
        let script = &self.script;
        let broken = match self.broken {
            Some(Part::Script) => "    panic!(\"broken on purpose\");\n",
            _ => "",
        };
        let warning = script
            .warns
            .map(|number| format!("    println!(\"cargo::warning=mind the gap of {number}\");\n"));
        let writes = match script.writes {
            true => "    std::fs::write(\"written.txt\", file).unwrap();\n",
            false => "",
        };
        SCRIPT
            .replace("$BROKEN", broken)
            .replace("$DECLARATIONS", if script.declares { DECLARATIONS } else { "" })
            .replace("$WARNING", &warning.unwrap_or_default())
            .replace("$SCRIPT", &script.constant.to_string())
            .replace("$WRITES", writes)
    }

    fn source_of_app(&self) -> String {
        let written = match self.script.writes {
            true => "Some(include_str!(\"../written.txt\"))",
            false => "None",
        };
        APP.replace("$WRITTEN", written) + self.error_in(Part::App)
    }

    fn error_in(&self, part: Part) -> &'static str {
        if self.broken == Some(part) {
            "\ncompile_error!(\"broken on purpose\");\n"
        } else {
            ""
        }
    }
}

/// Makes `link` a symbolic link to `target`, unless it is.
fn point(link: &Utf8Path, target: &str) {
    if std::fs::read_link(link).is_ok_and(|now| now == std::path::Path::new(target)) {
        return;
    }
    let _ = std::fs::remove_file(link);
    std::os::unix::fs::symlink(target, link).unwrap();
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Allow => "allow",
        Level::Warn => "warn",
        Level::Deny => "deny",
    }
}

fn manifest(name: &str, version: u8, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.{version}\"\nedition = \"2024\"\n\n{rest}")
}
