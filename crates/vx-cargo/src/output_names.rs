//! How rustc names the files that it writes for a unit.

use crate::plan::{CompileMode, PlannedUnit, Platform};

/// The suffixes of dep-info, metadata and debugging information.
const USUAL_ENDINGS: [&str; 4] = [".d", ".rmeta", ".dwo", ".dwp"];

impl<'a> PlannedUnit<'a> {
    /// The names of its output files.
    pub fn output_names(&self) -> OutputNames<'a> {
        OutputNames { planned: *self }
    }
}

/// The names of a unit's output files.
#[derive(Debug, Clone, Copy)]
pub struct OutputNames<'a> {
    planned: PlannedUnit<'a>,
}

impl OutputNames<'_> {
    /// The common part of all names.
    pub(crate) fn stem(&self) -> String {
        let unit = self.planned.unit;
        match self.are_plain() {
            true => unit.crate_name(),
            false => format!("{}-{}", unit.crate_name(), unit.identity),
        }
    }

    /// Whether the names hold only the crate's name. If they are written into other files, for example into a program
    /// that is linked to a dynamic library, the user must find the files under the same names.
    pub(crate) fn are_plain(&self) -> bool {
        let PlannedUnit { unit, package, .. } = self.planned;
        let triple = self.planned.triple();
        let is_dynamic = unit.is("dylib") || unit.is("cdylib");
        let is_named_in_others = unit.is_program() && (triple.contains("msvc") || triple.contains("emscripten"));
        let is_plain = unit.compile_mode() == Some(CompileMode::Build);
        is_plain && package.source.is_path() && (is_dynamic || is_named_in_others)
    }

    /// The output of this crate type; `None` if the platform has no such files.
    pub(crate) fn of(&self, crate_type: &str) -> Option<String> {
        self.planned.platform().file_name(crate_type, &self.stem())
    }

    /// The files that dependents name. `metadata`: whether metadata is enough for the dependent.
    pub(crate) fn linkable(&self, metadata: bool) -> Vec<String> {
        let unit = self.planned.unit;
        if metadata && !unit.needs_code() {
            return vec![format!("lib{}.rmeta", self.stem())];
        }
        let crate_types = unit.target.crate_types.iter().map(String::as_str);
        let linkable = crate_types.filter(|crate_type| matches!(*crate_type, "lib" | "rlib" | "dylib" | "proc-macro"));
        linkable.filter_map(|crate_type| self.of(crate_type)).collect()
    }

    /// Whether rustc writes `file` in every build, and not because a flag asks for it (`--emit=asm`).
    pub fn has_usual(&self, file: &str) -> bool {
        let crate_types = self.planned.unit.target.crate_types.iter().map(String::as_str);
        let mut names = crate_types.chain(["bin"]).filter_map(|crate_type| self.of(crate_type));
        names.any(|name| name == file) || USUAL_ENDINGS.iter().any(|ending| file.ends_with(ending))
    }
}

impl Platform {
    /// How the file of this crate type is named; `None` if the platform has no such files.
    pub(crate) fn file_name(&self, crate_type: &str, stem: &str) -> Option<String> {
        let crate_type = if crate_type == "lib" { "rlib" } else { crate_type };
        let name = self.file_names.iter().find(|name| name.crate_type == crate_type)?;
        Some(format!("{}{stem}{}", name.prefix, name.suffix))
    }
}
