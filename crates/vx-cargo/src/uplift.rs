//! Final artifacts: which outputs the user sees, where, and under which names.

use vx_model::{Root, RootedPath, Template};

use crate::command::Uplift;
use crate::plan::{Plan, Unit, UnitIndex};

impl Plan {
    /// The final artifacts of `unit`: everything that was asked for, programs, and Rust's dynamic libraries, without which
    /// programs do not start.
    pub fn uplifts(&self, unit: UnitIndex) -> Vec<Uplift> {
        let is_root = self.roots.contains(&unit);
        let unit = &self.units[unit];
        if unit.is("custom-build") {
            return Vec::new();
        }
        let kept = unit
            .target
            .crate_types
            .iter()
            .filter(|crate_type| is_root || unit.is("bin") || *crate_type == "dylib");
        let mut uplifts = Vec::new();
        for crate_type in kept {
            let Some(uplift) = self.uplift(unit, crate_type) else {
                continue;
            };
            let debuginfo = self
                .has_debuginfo_file(unit, crate_type)
                .then(|| debuginfo_file(&uplift));
            uplifts.push(uplift);
            uplifts.extend(debuginfo);
        }
        uplifts
    }

    /// Whether rustc packs debugging information into a file beside what it links.
    fn has_debuginfo_file(&self, unit: &Unit, crate_type: &str) -> bool {
        let platform = self.platform(unit);
        let triple = platform.triple.as_ref().unwrap_or(&self.toolchain.host);
        // Elsewhere it goes by other names.
        let is_dwarf = !["apple", "windows", "uefi", "wasm"]
            .iter()
            .any(|system| triple.contains(system));
        let profile = &unit.settings.profile;
        let is_packed = profile.split_debuginfo.as_deref() == Some("packed") && profile.debuginfo.is_on();
        let is_linked = matches!(crate_type, "bin" | "dylib" | "cdylib" | "proc-macro");
        is_dwarf && is_packed && is_linked
    }

    fn uplift(&self, unit: &Unit, crate_type: &str) -> Option<Uplift> {
        let file = self.file_name(unit, crate_type, &self.file_stem(unit))?;
        // A program keeps the hyphens of its name.
        let stem = if crate_type == "bin" {
            unit.target.name.clone()
        } else {
            unit.crate_name()
        };
        let name = self.file_name(unit, crate_type, &stem)?;
        let directory = self.output_directory_of(unit);
        let destination = match unit.is("example") {
            true => format!("{directory}/examples/{name}"),
            false => format!("{directory}/{name}"),
        };
        let kind = unit
            .target
            .kind
            .iter()
            .find(|kind| *kind == crate_type)
            .or(unit.target.kind.first());
        Some(Uplift {
            file,
            destination,
            kind: kind.cloned().unwrap_or_default(),
            is_executable: unit.is_executable(),
        })
    }

    /// Where the dynamic libraries lie that a program of the user's may need to run, in order. To be put before the user's
    /// value of the variable of the library search path.
    pub fn library_path(&self, unit: UnitIndex) -> Vec<Template> {
        let unit = &self.units[unit];
        let triple = unit.platform.as_ref().unwrap_or(&self.toolchain.host);
        let own = RootedPath::new(Root::Workspace, self.output_directory_of(unit));
        let sysroot = RootedPath::new(Root::Toolchain, format!("lib/rustlib/{triple}/lib"));
        vec![own.into(), sysroot.into()]
    }

    fn output_directory_of(&self, unit: &Unit) -> String {
        crate::make::output_directory(&self.profile_directory, unit.platform.as_deref())
    }
}

/// The packed debugging information of what is linked; debuggers find it by its name.
fn debuginfo_file(of: &Uplift) -> Uplift {
    Uplift {
        file: format!("{}.dwp", of.file),
        destination: format!("{}.dwp", of.destination),
        kind: of.kind.clone(),
        is_executable: false,
    }
}
