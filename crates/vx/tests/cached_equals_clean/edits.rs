//! How facts change: one at a time, at random.

use std::fmt::{self, Formatter};

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::{DebugInfo, Level, Own, Part, Project, Tuning};

const FAVOURITES: usize = 6;

/// A fact that changes.
#[derive(Clone, Copy)]
pub(crate) struct Edit {
    name: &'static str,
    change: fn(&mut Project, &mut StdRng),
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! edits {
    ($($($field:ident).+: $change:ident,)+) => {
        &[$(Edit {
            name: stringify!($($field).+),
            change: |project, random| $change(&mut project.$($field).+, random),
        }),+]
    };
}

const ALL: &[Edit] = edits! {
    words: other,
    generic: other,
    middle: other,
    uses_words: not,
    is_directory: not,
    warns: not,
    data: other,
    default_extra: not,
    asks_extra: not,
    release: not,
    version: other,
    second: not,
    unrelated: not,
    broken: some_part,
    macros.stamp: other,
    macros.file: other,
    macros.late_file: some_or_none,
    macros.lists_more: not,
    macros.quoted: other,
    macros.tone: some_or_none,
    script.constant: other,
    script.declares: not,
    script.file: other,
    script.late_file: some_or_none,
    script.silent_file: other,
    script.colour: some_or_none,
    script.shape: some_or_none,
    script.writes: not,
    script.warns: some_or_none,
    found.composed: some_or_none,
    found.by_child: some_or_none,
    found.second_link: not,
    found.executable: not,
    found.beside: other,
    found.behind: other,
    variables.word: some_or_none,
    variables.configured: some_or_none,
    variables.forces: not,
    variables.by_user: some_or_none,
    profile.incremental: not,
    profile.optimizes: not,
    profile.assertions: not,
    profile.overflow_checks: another_setting,
    profile.debug: another_debug,
    profile.aborts: not,
    profile.tuning: another_tuning,
    profile.assertions_of_words: another_setting,
    profile.assertions_of_build: another_setting,
    lints.of_workspace: another_level,
    lints.of_middle: another_table,
    flags.of_build: some_or_none,
    flags.of_target: some_or_none,
    flags.by_user: some_or_none,
    flags.silences: not,
    flags.encoded: some_or_none,
};

/// Edits of which some come often for a while: facts that have to do with each other meet only so.
pub(crate) struct Edits {
    favourites: Vec<Edit>,
}

impl Edits {
    /// All edits, with other favourites each time.
    pub(crate) fn new(random: &mut StdRng) -> Self {
        Self {
            favourites: (0..FAVOURITES).map(|_| any(ALL, random)).collect(),
        }
    }

    pub(crate) fn next(&self, random: &mut StdRng) -> Edit {
        let is_favourite = random.random_range(0..3) > 0;
        any(if is_favourite { &self.favourites } else { ALL }, random)
    }
}

fn any(edits: &[Edit], random: &mut StdRng) -> Edit {
    edits[random.random_range(0..edits.len())]
}

impl Edit {
    pub(crate) fn apply(self, project: &mut Project, random: &mut StdRng) {
        // A project that does not compile shows little: it is repaired before anything else.
        if !project.compiles() {
            project.broken = None;
            project.warns &= project.compiles();
            return;
        }
        (self.change)(project, random);
    }
}

fn not(fact: &mut bool, _: &mut StdRng) {
    *fact = !*fact;
}

/// Another number with the same number of digits, so that files keep their size: sizes must not be what tells.
fn other(number: &mut u8, random: &mut StdRng) {
    *number = 10 + (*number - 10 + random.random_range(1..10)) % 10;
}

fn some_or_none(number: &mut Option<u8>, random: &mut StdRng) {
    *number = match number {
        Some(_) => None,
        None => Some(random.random_range(10..20)),
    };
}

/// One of `all` that is not `fact`.
fn another<T: Copy + PartialEq>(fact: &mut T, all: &[T], random: &mut StdRng) {
    let others: Vec<T> = all.iter().copied().filter(|other| other != fact).collect();
    *fact = others[random.random_range(0..others.len())];
}

fn some_part(part: &mut Option<Part>, random: &mut StdRng) {
    let parts = [Part::Words, Part::Middle, Part::Macro, Part::Script, Part::App];
    another(part, &parts.map(Some), random);
}

fn another_setting(setting: &mut Option<bool>, random: &mut StdRng) {
    another(setting, &[None, Some(false), Some(true)], random);
}

fn another_debug(debug: &mut DebugInfo, random: &mut StdRng) {
    another(debug, &[DebugInfo::None, DebugInfo::Lines, DebugInfo::Full], random);
}

fn another_tuning(tuning: &mut Option<Tuning>, random: &mut StdRng) {
    let all = [
        None,
        Some(Tuning::Strip),
        Some(Tuning::OneCodegenUnit),
        Some(Tuning::SplitDebugInfo),
    ];
    another(tuning, &all, random);
}

fn another_level(level: &mut Level, random: &mut StdRng) {
    another(level, &[Level::Allow, Level::Warn, Level::Deny], random);
}

fn another_table(own: &mut Own, random: &mut StdRng) {
    let all = [
        Own::Nothing,
        Own::Inherits,
        Own::Says(Level::Allow),
        Own::Says(Level::Warn),
        Own::Says(Level::Deny),
    ];
    another(own, &all, random);
}
