//! Queries about units: what they are, and what they reach through their dependencies.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Needs;
use crate::plan::{CompileMode, Package, PlannedUnit, TargetName, Unit, UnitIndex, UnitKind};

/// The kinds of targets that are not the library of their package.
const OTHER_THAN_LIBRARIES: [&str; 5] = ["bin", "example", "test", "bench", "custom-build"];

impl Unit {
    /// The crate's name: the target's with `_` instead of `-`.
    pub fn crate_name(&self) -> String {
        self.target.name.replace('-', "_")
    }

    /// Whether the target is of this kind.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.target.kind.iter().any(|known| known == kind)
    }

    /// Whether rustc compiles it to this crate type.
    pub(crate) fn makes(&self, crate_type: &str) -> bool {
        self.target.crate_types.iter().any(|known| known == crate_type)
    }

    /// What rustc or rustdoc produces, if it is compiled.
    pub fn compile_mode(&self) -> Option<CompileMode> {
        match self.kind {
            UnitKind::Compile(mode) => Some(mode),
            UnitKind::RunBuildScript | UnitKind::TestDocumentation => None,
        }
    }

    /// Whether no code is generated.
    pub(crate) fn is_check(&self) -> bool {
        self.compile_mode().is_some_and(CompileMode::is_check)
    }

    /// Whether its tests are compiled in.
    pub fn is_test(&self) -> bool {
        self.compile_mode().is_some_and(CompileMode::is_test)
    }

    /// Build scripts and proc macros run on the host, whatever the platform.
    pub(crate) fn is_for_host(&self) -> bool {
        self.is("custom-build") || self.is("proc-macro")
    }

    /// Whether it is the library of its package.
    pub(crate) fn is_library(&self) -> bool {
        !OTHER_THAN_LIBRARIES.iter().any(|kind| self.is(kind))
    }

    /// Whether other crates can be compiled against it.
    pub(crate) fn is_linkable(&self) -> bool {
        self.is_library()
            && self
                .compile_mode()
                .is_some_and(|mode| !mode.is_test() && mode != CompileMode::Document)
            && ["lib", "rlib", "dylib", "proc-macro"]
                .iter()
                .any(|crate_type| self.makes(crate_type))
    }

    /// Whether compiling it needs the code of its dependencies: everything except plain Rust libraries and checks.
    pub(crate) fn needs_code(&self) -> bool {
        match self.kind {
            UnitKind::Compile(CompileMode::Document) => return false,
            UnitKind::Compile(mode) if mode.is_check() => return false,
            UnitKind::Compile(CompileMode::Test) | UnitKind::TestDocumentation => return true,
            UnitKind::Compile(_) | UnitKind::RunBuildScript => {}
        }
        !self
            .target
            .crate_types
            .iter()
            .all(|crate_type| crate_type == "lib" || crate_type == "rlib")
    }

    /// Whether its target is a program.
    pub(crate) fn is_program(&self) -> bool {
        self.is("bin") || (self.is("example") && self.makes("bin"))
    }

    /// Whether its output can be run.
    pub(crate) fn is_executable(&self) -> bool {
        match self.compile_mode() {
            Some(CompileMode::Build) => self.is_program(),
            mode => mode == Some(CompileMode::Test),
        }
    }
}

impl Package {
    /// Its library.
    pub(crate) fn library(&self) -> Option<&TargetName> {
        let is_other = |kind: &String| OTHER_THAN_LIBRARIES.contains(&kind.as_str());
        self.targets.iter().find(|target| !target.kind.iter().any(is_other))
    }
}

impl PlannedUnit<'_> {
    /// Compile units whose outputs must be in `deps` when it is compiled, sorted: rustc looks for every crate that a
    /// crate mentions. Of a proc macro it needs only the library.
    pub(crate) fn crate_inputs(&self) -> Vec<(UnitIndex, Needs)> {
        let mut crates = ReachedCrates {
            needs_code: self.unit.needs_code(),
            reached: BTreeMap::new(),
        };
        crates.follow(*self);
        crates.reached.into_iter().collect()
    }

    /// Runs of build scripts of its own package.
    pub(crate) fn own_scripts(&self) -> Vec<UnitIndex> {
        if self.unit.is("custom-build") {
            return Vec::new();
        }
        let is_own = |other: &PlannedUnit<'_>| {
            other.unit.kind == UnitKind::RunBuildScript && other.unit.package == self.unit.package
        };
        self.dependencies().filter(is_own).map(|other| other.index).collect()
    }

    /// The build scripts that decide which libraries are linked to it.
    pub(crate) fn linked_scripts(&self) -> LinkedScripts {
        ScriptSearch::default().scripts_of(*self)
    }
}

/// The crates that a crate mentions, directly or not.
struct ReachedCrates {
    /// Whether the code of all is needed, or only of those crates that are useless without it.
    needs_code: bool,
    reached: BTreeMap<UnitIndex, Needs>,
}

impl ReachedCrates {
    fn follow(&mut self, planned: PlannedUnit<'_>) {
        for other in planned.dependencies() {
            if !other.unit.is_linkable() || self.reached.contains_key(&other.index) {
                continue;
            }
            let needs = if self.needs_code || other.unit.needs_code() {
                Needs::Everything
            } else {
                Needs::Metadata
            };
            self.reached.insert(other.index, needs);
            if !other.unit.is("proc-macro") {
                self.follow(other);
            }
        }
    }
}

/// The search for the build scripts that influence how units are linked. Each unit is visited once.
#[derive(Default)]
struct ScriptSearch {
    known: BTreeMap<UnitIndex, LinkedScripts>,
}

impl ScriptSearch {
    fn scripts_of(&mut self, planned: PlannedUnit<'_>) -> LinkedScripts {
        if let Some(known) = self.known.get(&planned.index) {
            return known.clone();
        }
        let mut scripts = LinkedScripts {
            to_link: planned.own_scripts(),
            of_macros: BTreeSet::new(),
        };
        for dependency in dependencies_by_package(planned) {
            let theirs = self.scripts_of(dependency);
            if dependency.unit.is_for_host() {
                scripts.of_macros.extend(theirs.to_link);
            } else if dependency.unit.is_linkable() {
                for script in theirs.to_link {
                    if !scripts.to_link.contains(&script) {
                        scripts.to_link.push(script);
                    }
                }
            }
        }
        self.known.insert(planned.index, scripts.clone());
        scripts
    }
}

/// In Cargo's order, on which the order of libraries for the linker depends.
fn dependencies_by_package(planned: PlannedUnit<'_>) -> Vec<PlannedUnit<'_>> {
    let mut dependencies: Vec<_> = planned.dependencies().collect();
    dependencies.sort_by_cached_key(|other| {
        let version = semver::Version::parse(&other.package.version).ok();
        (other.package.name.clone(), version)
    });
    dependencies
}

/// Build scripts by their relation to a unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkedScripts {
    /// Their libraries are linked in: the unit's own first, then those of all its dependencies.
    pub(crate) to_link: Vec<UnitIndex>,
    /// Those of proc macros and of other things that run at build time: their libraries must be found when these run.
    pub(crate) of_macros: BTreeSet<UnitIndex>,
}

impl LinkedScripts {
    /// All of them, sorted.
    pub(crate) fn all(&self) -> Vec<UnitIndex> {
        let all: BTreeSet<UnitIndex> = self.to_link.iter().chain(&self.of_macros).copied().collect();
        all.into_iter().collect()
    }
}
