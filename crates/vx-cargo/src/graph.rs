//! Queries about units: what they are, and what they reach through their dependencies.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Needs;
use crate::plan::{CompileMode, Plan, Unit, UnitIndex, UnitKind};

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
        !["bin", "example", "test", "bench", "custom-build"]
            .iter()
            .any(|kind| self.is(kind))
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

impl Plan {
    /// Compile units whose outputs must be in `deps` when `unit` is compiled, sorted: rustc looks for every crate that
    /// a crate mentions. Of a proc macro it needs only the library.
    pub fn crate_inputs(&self, unit: UnitIndex) -> Vec<(UnitIndex, Needs)> {
        let mut crates = ReachedCrates {
            plan: self,
            needs_code: self.units[unit].needs_code(),
            reached: BTreeMap::new(),
        };
        crates.follow(unit);
        crates.reached.into_iter().collect()
    }

    /// Runs of build scripts of the unit's own package.
    pub(crate) fn own_scripts(&self, unit: UnitIndex) -> Vec<UnitIndex> {
        if self.units[unit].is("custom-build") {
            return Vec::new();
        }
        let dependencies = self.units[unit].dependencies.iter().map(|dependency| dependency.unit);
        let is_own = |other: &UnitIndex| {
            self.units[*other].kind == UnitKind::RunBuildScript
                && self.units[*other].package == self.units[unit].package
        };
        dependencies.filter(is_own).collect()
    }

    /// Runs of build scripts that influence how `unit` is compiled.
    pub fn scripts_of(&self, unit: UnitIndex) -> Vec<UnitIndex> {
        let scripts = self.linked_scripts(unit);
        let all: BTreeSet<UnitIndex> = scripts.to_link.into_iter().chain(scripts.of_macros).collect();
        all.into_iter().collect()
    }

    /// The build scripts that decide which libraries are linked to `unit`.
    pub(crate) fn linked_scripts(&self, unit: UnitIndex) -> LinkedScripts {
        let mut search = ScriptSearch {
            plan: self,
            known: BTreeMap::new(),
        };
        search.scripts_of(unit)
    }
}

/// The crates that a crate mentions, directly or not.
struct ReachedCrates<'a> {
    plan: &'a Plan,
    /// Whether the code of all is needed, or only of those crates that are useless without it.
    needs_code: bool,
    reached: BTreeMap<UnitIndex, Needs>,
}

impl ReachedCrates<'_> {
    fn follow(&mut self, unit: UnitIndex) {
        let plan = self.plan;
        for dependency in &plan.units[unit].dependencies {
            let other = &plan.units[dependency.unit];
            if !other.is_linkable() || self.reached.contains_key(&dependency.unit) {
                continue;
            }
            let needs = if self.needs_code || other.needs_code() {
                Needs::Everything
            } else {
                Needs::Metadata
            };
            self.reached.insert(dependency.unit, needs);
            if !other.is("proc-macro") {
                self.follow(dependency.unit);
            }
        }
    }
}

/// The search for the build scripts that influence how units are linked. Each unit is visited once.
struct ScriptSearch<'a> {
    plan: &'a Plan,
    known: BTreeMap<UnitIndex, LinkedScripts>,
}

impl ScriptSearch<'_> {
    fn scripts_of(&mut self, unit: UnitIndex) -> LinkedScripts {
        if let Some(known) = self.known.get(&unit) {
            return known.clone();
        }
        let mut scripts = LinkedScripts {
            to_link: self.plan.own_scripts(unit),
            of_macros: BTreeSet::new(),
        };
        for dependency in self.dependencies_by_package(unit) {
            let theirs = self.scripts_of(dependency);
            if self.plan.units[dependency].is_for_host() {
                scripts.of_macros.extend(theirs.to_link);
            } else if self.plan.units[dependency].is_linkable() {
                for script in theirs.to_link {
                    if !scripts.to_link.contains(&script) {
                        scripts.to_link.push(script);
                    }
                }
            }
        }
        self.known.insert(unit, scripts.clone());
        scripts
    }

    /// In Cargo's order, on which the order of libraries for the linker depends.
    fn dependencies_by_package(&self, unit: UnitIndex) -> Vec<UnitIndex> {
        let Plan { units, packages, .. } = self.plan;
        let mut dependencies: Vec<UnitIndex> = units[unit].dependencies.iter().map(|other| other.unit).collect();
        let version = |unit: &UnitIndex| {
            let package = &packages[units[*unit].package];
            (package.name.clone(), semver::Version::parse(&package.version).ok())
        };
        dependencies.sort_by_cached_key(version);
        dependencies
    }
}

/// Build scripts by their relation to a unit.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkedScripts {
    /// Their libraries are linked in: the unit's own first, then those of all its dependencies.
    pub(crate) to_link: Vec<UnitIndex>,
    /// Those of proc macros and of other things that run at build time: their libraries must be found when these run.
    pub(crate) of_macros: BTreeSet<UnitIndex>,
}
