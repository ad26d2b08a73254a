//! What follows from the facts: how the build ends, what it warns of, what the programs do. Cargo's rules, in short.

use super::{DebugInfo, Level, Own, Project, Tuning};

/// What a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) printed: String,
    pub(crate) ending: Ending,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Exit(i32),
    Signal,
}

impl Project {
    /// Whether the build is good.
    pub(crate) fn compiles(&self) -> bool {
        self.broken.is_none() && !(self.warns && self.level() == Level::Deny)
    }

    /// What each program does; `None` if the build must fail. Every package is a member and built, `words` even if
    /// `middle` does not use it.
    pub(crate) fn expected(&self) -> Option<Vec<Program>> {
        let second = || Program {
            printed: format!("second {}\n", self.value_of_middle()),
            ending: Ending::Exit(0),
        };
        self.compiles()
            .then(|| std::iter::once(self.app()).chain(self.second.then(second)).collect())
    }

    /// Whether rustc makes the same bytes each time. Incrementally, it makes up names: of objects, which split debug
    /// information holds, and of symbols that optimisation shares between objects.
    pub(crate) fn has_certain_bytes(&self) -> bool {
        let profile = &self.profile;
        let has_made_up_names = profile.optimizes || profile.tuning == Some(Tuning::SplitDebugInfo);
        self.release || !profile.incremental || !has_made_up_names
    }

    /// Texts of warnings, and whether a good build gives each.
    pub(crate) fn warnings(&self) -> [(String, bool); 2] {
        let unused = self.warns && self.level() == Level::Warn;
        let of_script = self.script.warns.unwrap_or_default();
        [
            ("unused variable: `unused`".to_owned(), unused),
            (format!("mind the gap of {of_script}"), self.script.warns.is_some()),
        ]
    }

    fn app(&self) -> Program {
        let mut printed = self.lines_of_app().join("\n") + "\n";
        let ending = if !self.checks_overflow() {
            printed += "sum 4\n";
            Ending::Exit(0)
        } else if self.aborts() {
            Ending::Signal
        } else {
            Ending::Exit(101)
        };
        Program { printed, ending }
    }

    fn lines_of_app(&self) -> [String; 6] {
        let value = self.value_of_middle();
        let part = if self.is_directory { "directory" } else { "file" };
        let extra = self.default_extra || self.asks_extra;
        let asserts_in_words = self.uses_words.then(|| self.asserts_in_words());
        let tint = self.tint();
        let word = self.variables.word;
        let configured = self.configured();
        let (asserts, aborts) = (self.asserts(), self.aborts());
        let Self { data, version, .. } = self;
        [
            format!("middle {value} {part} {extra} {asserts_in_words:?} {tint:?}"),
            format!("macro {}", self.expansion()),
            format!("script {}", self.made()),
            format!("found {}", self.found()),
            format!("variables {word:?} {configured:?}"),
            format!("app {data} {extra} {asserts} {aborts} 0.1.{version}"),
        ]
    }

    fn value_of_middle(&self) -> u32 {
        let below = if self.uses_words {
            u32::from(self.words) + u32::from(self.generic)
        } else {
            0
        };
        below * 100 + u32::from(self.middle)
    }

    fn expansion(&self) -> String {
        let found = &self.macros;
        let listed = 1 + u8::from(found.lists_more);
        format!(
            "{:?}/{}/{}/{}/{:?}/{listed}/{:?}/{}/{}",
            self.found.composed,
            if self.found.second_link { "two" } else { "one" },
            found.stamp,
            found.file,
            found.late_file,
            found.tone,
            self.asserts_while_building(),
            found.quoted
        )
    }

    fn made(&self) -> String {
        let script = &self.script;
        let level = match (self.release, self.profile.optimizes) {
            (true, _) => 3,
            (false, true) => 1,
            (false, false) => 0,
        };
        let debug = !self.release && self.profile.debug != DebugInfo::None;
        let written = script.writes.then_some(script.file);
        format!(
            "{}/{}/{:?}/{:?}/{:?}/{level}/{debug}/{}/{:?} {} {written:?}",
            script.constant,
            script.file,
            script.late_file,
            script.colour,
            script.shape,
            self.asserts_while_building(),
            self.tint(),
            script.silent_file,
        )
    }

    fn found(&self) -> String {
        let found = &self.found;
        let number = |number: Option<u8>| number.map_or_else(String::new, |number| number.to_string());
        let linked = if found.second_link { "two" } else { "one" };
        format!(
            "{:?}/{}/{linked}/{}/{} {}",
            found.composed,
            number(found.by_child),
            found.executable,
            found.behind,
            found.beside
        )
    }

    /// The value of `[env]` where the user says nothing, or where it is forced.
    fn configured(&self) -> Option<u8> {
        let variables = &self.variables;
        match (variables.configured, variables.by_user) {
            (Some(configured), _) if variables.forces => Some(configured),
            (configured, by_user) => by_user.or(configured),
        }
    }

    fn asserts(&self) -> bool {
        !self.release && self.profile.assertions
    }

    fn asserts_in_words(&self) -> bool {
        !self.release && self.profile.assertions_of_words.unwrap_or(self.profile.assertions)
    }

    fn asserts_while_building(&self) -> bool {
        !self.release && self.profile.assertions_of_build.unwrap_or(self.profile.assertions)
    }

    fn checks_overflow(&self) -> bool {
        !self.release && self.profile.overflow_checks.unwrap_or(true)
    }

    fn aborts(&self) -> bool {
        !self.release && self.profile.aborts
    }

    /// The `--cfg` of the strongest source of flags.
    fn tint(&self) -> Option<u8> {
        let flags = &self.flags;
        match flags.encoded {
            Some(tint) => Some(tint),
            None if self.has_flags_of_user() => flags.by_user,
            None => flags.of_target.or(flags.of_build),
        }
    }

    pub(super) fn has_flags_of_user(&self) -> bool {
        self.flags.by_user.is_some() || self.flags.silences
    }

    /// The level of the lint in `middle`: what flags say comes last.
    fn level(&self) -> Level {
        if self.flags.silences && self.flags.encoded.is_none() {
            return Level::Allow;
        }
        match self.lints.of_middle {
            Own::Nothing => Level::Warn,
            Own::Inherits => self.lints.of_workspace,
            Own::Says(level) => level,
        }
    }
}
