//! A model of a small workspace: every fact about it is a field, its files follow from the fields, and so does what its
//! programs print.
//!
//! `app` uses `middle`, a macro and a build script; `middle` uses `words`, or not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use camino::Utf8Path;
use rand::RngExt as _;
use rand::rngs::StdRng;

/// A state of the workspace and of the command that builds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Project {
    /// A constant in `words`.
    words: u8,
    /// What a generic function of `words` adds, which is compiled into its users.
    generic: u8,
    /// A constant in `middle`.
    middle: u8,
    /// Whether `middle` depends on `words`.
    uses_words: bool,
    /// Whether a module of `middle` is `part/mod.rs` instead of `part.rs`.
    is_directory: bool,
    /// Whether `middle` has an unused variable.
    warns: bool,
    /// A constant in the macro.
    stamp: u8,
    /// What the macro reads by itself.
    macro_file: u8,
    /// What `include_str!` reads.
    data: u8,
    /// A constant in the build script.
    script: u8,
    /// Whether the script says what it depends on.
    declares: bool,
    /// A file that the script reads, and declares where it declares anything.
    script_file: u8,
    /// A file that the script looks for.
    late_file: Option<u8>,
    /// A variable that the script reads.
    colour: Option<u8>,
    /// A variable that `option_env!` reads.
    word: Option<u8>,
    /// A variable of `.cargo/config.toml`; the file is there when it is set.
    configured: Option<u8>,
    /// Whether the feature `extra` is on by default.
    default_extra: bool,
    /// Whether the command asks for the feature `extra`.
    asks_extra: bool,
    /// `[profile.dev] debug-assertions`.
    assertions: bool,
    /// `[profile.dev] opt-level`.
    optimizes: bool,
    /// Whether the command says `--release`.
    release: bool,
    /// The last number of `app`'s version.
    version: u8,
    /// Whether there is a second program.
    second: bool,
    /// Whether a file lies in `app` that nothing reads.
    unrelated: bool,
    /// The package that does not compile.
    broken: Option<Part>,
}

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Words,
    Middle,
    Macro,
    Script,
    App,
}

/// One fact that changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edit {
    Words,
    Generic,
    Middle,
    UsesWords,
    IsDirectory,
    Warns,
    Stamp,
    MacroFile,
    Data,
    Script,
    Declares,
    ScriptFile,
    LateFile,
    Colour,
    Word,
    Configured,
    DefaultExtra,
    AsksExtra,
    Assertions,
    Optimizes,
    Release,
    Version,
    Second,
    Unrelated,
    Broken,
}

impl Edit {
    const ALL: [Self; 25] = [
        Self::Words,
        Self::Generic,
        Self::Middle,
        Self::UsesWords,
        Self::IsDirectory,
        Self::Warns,
        Self::Stamp,
        Self::MacroFile,
        Self::Data,
        Self::Script,
        Self::Declares,
        Self::ScriptFile,
        Self::LateFile,
        Self::Colour,
        Self::Word,
        Self::Configured,
        Self::DefaultExtra,
        Self::AsksExtra,
        Self::Assertions,
        Self::Optimizes,
        Self::Release,
        Self::Version,
        Self::Second,
        Self::Unrelated,
        Self::Broken,
    ];

    pub(crate) fn any(random: &mut StdRng) -> Self {
        Self::ALL[random.random_range(0..Self::ALL.len())]
    }

    pub(crate) fn apply(self, project: &mut Project, random: &mut StdRng) {
        // A project that does not compile shows little: it is repaired before anything else.
        if project.broken.take().is_some() {
            return;
        }
        match self {
            Self::Words => project.words = other(project.words, random),
            Self::Generic => project.generic = other(project.generic, random),
            Self::Middle => project.middle = other(project.middle, random),
            Self::UsesWords => project.uses_words ^= true,
            Self::IsDirectory => project.is_directory ^= true,
            Self::Warns => project.warns ^= true,
            Self::Stamp => project.stamp = other(project.stamp, random),
            Self::MacroFile => project.macro_file = other(project.macro_file, random),
            Self::Data => project.data = other(project.data, random),
            Self::Script => project.script = other(project.script, random),
            Self::Declares => project.declares ^= true,
            Self::ScriptFile => project.script_file = other(project.script_file, random),
            Self::LateFile => project.late_file = some_or_none(project.late_file, random),
            Self::Colour => project.colour = some_or_none(project.colour, random),
            Self::Word => project.word = some_or_none(project.word, random),
            Self::Configured => project.configured = some_or_none(project.configured, random),
            Self::DefaultExtra => project.default_extra ^= true,
            Self::AsksExtra => project.asks_extra ^= true,
            Self::Assertions => project.assertions ^= true,
            Self::Optimizes => project.optimizes ^= true,
            Self::Release => project.release ^= true,
            Self::Version => project.version = other(project.version, random),
            Self::Second => project.second ^= true,
            Self::Unrelated => project.unrelated ^= true,
            Self::Broken => {
                let parts = [Part::Words, Part::Middle, Part::Macro, Part::Script, Part::App];
                project.broken = Some(parts[random.random_range(0..parts.len())]);
            }
        }
    }
}

/// Another number with the same number of digits, so that files keep their size: sizes must not be what tells.
fn other(number: u8, random: &mut StdRng) -> u8 {
    10 + (number - 10 + random.random_range(1..10)) % 10
}

fn some_or_none(number: Option<u8>, random: &mut StdRng) -> Option<u8> {
    match number {
        Some(_) => None,
        None => Some(random.random_range(10..20)),
    }
}

impl Default for Project {
    fn default() -> Self {
        Self {
            words: 10,
            generic: 10,
            middle: 10,
            uses_words: true,
            is_directory: false,
            warns: false,
            stamp: 10,
            macro_file: 10,
            data: 10,
            script: 10,
            declares: true,
            script_file: 10,
            late_file: None,
            colour: None,
            word: None,
            configured: None,
            default_extra: false,
            asks_extra: false,
            assertions: true,
            optimizes: false,
            release: false,
            version: 10,
            second: false,
            unrelated: false,
            broken: None,
        }
    }
}

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
        let variables = [("COLOUR", self.colour), ("WORD", self.word)];
        variables
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.to_string())))
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
}

/// What its programs print.
impl Project {
    /// One text for each program; none where the build must fail.
    pub(crate) fn expected(&self) -> Option<Vec<String>> {
        // Every package is a member and built, `words` also where `middle` does without it.
        if self.broken.is_some() {
            return None;
        }
        let mut programs = vec![self.expected_of_app()];
        if self.second {
            programs.push(format!("second {}\n", self.value_of_middle()));
        }
        Some(programs)
    }

    fn value_of_middle(&self) -> u32 {
        let below = if self.uses_words {
            u32::from(self.words) + u32::from(self.generic)
        } else {
            0
        };
        below * 100 + u32::from(self.middle)
    }

    fn expected_of_app(&self) -> String {
        let part = if self.is_directory { "directory" } else { "file" };
        let value = self.value_of_middle();
        let Self {
            stamp,
            macro_file,
            data,
            script,
            script_file,
            version,
            ..
        } = self;
        let [late, colour, word, configured] =
            [self.late_file, self.colour, self.word, self.configured].map(|value| format!("{value:?}"));
        let extra = self.default_extra || self.asks_extra;
        let assertions = self.assertions && !self.release;
        format!(
            "{value} {part} {stamp}/{macro_file} {data} {script}/{script_file}/{late}/{colour} {word} {configured} \
             {extra} {assertions} 0.1.{version}\n"
        )
    }
}

/// Its files.
impl Project {
    /// Lays the project down in an empty directory.
    pub(crate) fn write_to(&self, directory: &Utf8Path) {
        self.files()
            .iter()
            .for_each(|(path, text)| write(&directory.join(path), text));
    }

    /// Writes and removes what differs from `before`, which lies in `directory`.
    pub(crate) fn write_changes_to(&self, directory: &Utf8Path, before: &Self) {
        let (files, before) = (self.files(), before.files());
        for path in before.keys().filter(|path| !files.contains_key(*path)) {
            std::fs::remove_file(directory.join(path)).unwrap();
        }
        for (path, text) in files.iter().filter(|(path, text)| before.get(*path) != Some(*text)) {
            write(&directory.join(path), text);
        }
    }

    /// Removes every file and writes it again as it was.
    pub(crate) fn rewrite_in(&self, directory: &Utf8Path) {
        for (path, text) in self.files() {
            std::fs::remove_file(directory.join(path)).unwrap();
            write(&directory.join(path), &text);
        }
    }

    fn files(&self) -> BTreeMap<&'static str, String> {
        let mut files = BTreeMap::from([
            ("Cargo.toml", self.manifest_of_workspace()),
            ("words/Cargo.toml", manifest("words", 10, "")),
            ("words/src/lib.rs", self.words_lib()),
            ("middle/Cargo.toml", self.manifest_of_middle()),
            ("middle/src/lib.rs", self.middle_lib()),
            (
                "stamps/Cargo.toml",
                manifest("stamps", 10, "[lib]\nproc-macro = true\n"),
            ),
            ("stamps/src/lib.rs", self.stamps_lib()),
            ("app/Cargo.toml", self.manifest_of_app()),
            ("app/build.rs", self.app_script()),
            ("app/src/main.rs", self.app_main()),
            ("app/data.txt", self.data.to_string()),
            ("app/macro.txt", self.macro_file.to_string()),
            ("app/script.txt", self.script_file.to_string()),
        ]);
        if self.is_directory {
            files.insert(
                "middle/src/part/mod.rs",
                "pub const PART: &str = \"directory\";\n".to_owned(),
            );
        } else {
            files.insert("middle/src/part.rs", "pub const PART: &str = \"file\";\n".to_owned());
        }
        if let Some(number) = self.late_file {
            files.insert("app/late.txt", number.to_string());
        }
        if let Some(number) = self.configured {
            files.insert(".cargo/config.toml", format!("[env]\nCONFIGURED = \"{number}\"\n"));
        }
        if self.second {
            let main = "fn main() {\n    println!(\"second {}\", middle::value());\n}\n";
            files.insert("app/src/bin/second.rs", main.to_owned());
        }
        if self.unrelated {
            files.insert("app/unrelated.txt", "nobody reads this".to_owned());
        }
        files
    }

    fn manifest_of_workspace(&self) -> String {
        let Self {
            assertions, optimizes, ..
        } = self;
        format!(
            "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"middle\", \"stamps\", \"words\"]\n\n\
             [profile.dev]\ndebug-assertions = {assertions}\nopt-level = {}\n",
            u8::from(*optimizes)
        )
    }

    fn manifest_of_middle(&self) -> String {
        let words = if self.uses_words {
            "[dependencies]\nwords = { path = \"../words\" }\n"
        } else {
            ""
        };
        manifest("middle", 10, words)
    }

    fn manifest_of_app(&self) -> String {
        let default = if self.default_extra {
            "default = [\"extra\"]\n"
        } else {
            ""
        };
        let rest = format!(
            "[features]\n{default}extra = []\n\n\
             [dependencies]\nmiddle = {{ path = \"../middle\" }}\nstamps = {{ path = \"../stamps\" }}\n"
        );
        manifest("app", self.version, &rest)
    }

    fn words_lib(&self) -> String {
        let Self { words, generic, .. } = self;
        let broken = self.error_in(Part::Words);
        format!(
            "pub const WORDS: u32 = {words};\n\n\
             pub fn generic<T: From<u8> + std::ops::Add<Output = T>>(number: T) -> T {{\n    \
                 number + T::from({generic})\n}}\n{broken}"
        )
    }

    fn middle_lib(&self) -> String {
        let Self { middle, .. } = self;
        let below = if self.uses_words {
            "words::generic(words::WORDS)"
        } else {
            "0"
        };
        let warning = if self.warns { "    let unused = 1;\n" } else { "" };
        let broken = self.error_in(Part::Middle);
        format!("pub mod part;\n\npub fn value() -> u32 {{\n{warning}    {below} * 100 + {middle}\n}}\n{broken}")
    }

    fn stamps_lib(&self) -> String {
        let Self { stamp, .. } = self;
        let broken = self.error_in(Part::Macro);
        format!(
            "use proc_macro::TokenStream;\n\n\
             #[proc_macro]\n\
             pub fn stamp(_: TokenStream) -> TokenStream {{\n    \
                 let package = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap();\n    \
                 let text = std::fs::read_to_string(format!(\"{{package}}/macro.txt\")).unwrap();\n    \
                 format!(\"\\\"{stamp}/{{text}}\\\"\").parse().unwrap()\n}}\n{broken}"
        )
    }

    fn app_script(&self) -> String {
        let Self { script, .. } = self;
        let declarations = if self.declares {
            "    println!(\"cargo::rerun-if-changed=script.txt\");\n    \
                 println!(\"cargo::rerun-if-changed=late.txt\");\n    \
                 println!(\"cargo::rerun-if-env-changed=COLOUR\");\n"
        } else {
            ""
        };
        let broken = if self.broken == Some(Part::Script) {
            "    panic!(\"broken on purpose\");\n"
        } else {
            ""
        };
        format!(
            "fn number(text: Option<String>) -> String {{\n    \
                 format!(\"{{:?}}\", text.map(|text| text.parse::<u8>().unwrap()))\n}}\n\n\
             fn main() {{\n{broken}{declarations}    \
                 let declared = std::fs::read_to_string(\"script.txt\").unwrap();\n    \
                 let late = number(std::fs::read_to_string(\"late.txt\").ok());\n    \
                 let colour = number(std::env::var(\"COLOUR\").ok());\n    \
                 let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
                 let made = format!(\"pub const MADE: &str = \\\"{script}/{{declared}}/{{late}}/{{colour}}\\\";\");\n    \
                 std::fs::write(format!(\"{{out}}/made.rs\"), made).unwrap();\n}}\n"
        )
    }

    fn app_main(&self) -> String {
        let broken = self.error_in(Part::App);
        format!(
            "mod made {{\n    include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n}}\n\n\
             fn number(text: Option<&str>) -> Option<u8> {{\n    text.map(|text| text.parse().unwrap())\n}}\n\n\
             fn main() {{\n    \
                 println!(\n        \
                     \"{{}} {{}} {{}} {{}} {{}} {{:?}} {{:?}} {{}} {{}} {{}}\",\n        \
                     middle::value(),\n        \
                     middle::part::PART,\n        \
                     stamps::stamp!(),\n        \
                     include_str!(\"../data.txt\"),\n        \
                     made::MADE,\n        \
                     number(option_env!(\"WORD\")),\n        \
                     number(option_env!(\"CONFIGURED\")),\n        \
                     cfg!(feature = \"extra\"),\n        \
                     cfg!(debug_assertions),\n        \
                     env!(\"CARGO_PKG_VERSION\"),\n    );\n}}\n{broken}"
        )
    }

    fn error_in(&self, part: Part) -> &'static str {
        if self.broken == Some(part) {
            "\ncompile_error!(\"broken on purpose\");\n"
        } else {
            ""
        }
    }
}

fn manifest(name: &str, version: u8, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.{version}\"\nedition = \"2024\"\n\n{rest}")
}

fn write(path: &Utf8Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
