//! What the profile of a unit says about its code, as flags of rustc.

use super::command_line::CommandLine;
use crate::plan::PlannedUnit;
use crate::settings::{Debuginfo, Lto, Profile};

/// How code is generated.
pub(super) fn code(planned: PlannedUnit<'_>, line: &mut CommandLine) {
    let profile = &planned.unit.settings.profile;
    if prefers_dynamic(planned) {
        line.codegen("prefer-dynamic");
    }
    if profile.opt_level != "0" {
        line.codegen(format!("opt-level={}", profile.opt_level));
    }
    panic(profile, line);
    if profile.panic == "immediate-abort" {
        line.option("-Z", "unstable-options");
    }
    lto(&planned.unit.settings.lto, line);
    if let Some(backend) = &profile.codegen_backend {
        line.option("-Z", format!("codegen-backend={backend}"));
    }
    if let Some(units) = profile.codegen_units {
        line.codegen(format!("codegen-units={units}"));
    }
    debuginfo(planned, line);
}

/// Macros are loaded by a compiler that already has the standard library; a dynamic library of a dependency shares it.
fn prefers_dynamic(planned: PlannedUnit<'_>) -> bool {
    let unit = planned.unit;
    unit.is("proc-macro") || (unit.makes("dylib") && !planned.is_primary())
}

/// What a panic does.
pub(super) fn panic(profile: &Profile, line: &mut CommandLine) {
    if profile.panic != "unwind" {
        line.codegen(format!("panic={}", profile.panic));
    }
}

/// The part in link-time optimization.
pub(super) fn lto(lto: &Lto, line: &mut CommandLine) {
    match lto {
        Lto::Run(None) => line.codegen("lto"),
        Lto::Run(Some(name)) => line.codegen(format!("lto={name}")),
        Lto::Off => {
            line.codegen("lto=off");
            line.codegen("embed-bitcode=no");
        }
        Lto::OnlyBitcode => line.codegen("linker-plugin-lto"),
        Lto::OnlyObject => line.codegen("embed-bitcode=no"),
        Lto::ObjectAndBitcode => {}
    }
}

fn debuginfo(planned: PlannedUnit<'_>, line: &mut CommandLine) {
    let profile = &planned.unit.settings.profile;
    if !profile.debuginfo.is_on() {
        return;
    }
    match &profile.debuginfo {
        Debuginfo::Level(level) => line.codegen(format!("debuginfo={level}")),
        Debuginfo::Name(name) => line.codegen(format!("debuginfo={name}")),
    }
    if let Some(split) = &profile.split_debuginfo
        && planned.platform().split_debuginfo.contains(split)
    {
        line.codegen(format!("split-debuginfo={split}"));
    }
}

/// What the program checks at run time.
pub(super) fn checks(profile: &Profile, line: &mut CommandLine) {
    // rustc's default follows from the optimization level, and overflow checks follow debug assertions.
    if profile.debug_assertions != (profile.opt_level == "0") {
        line.codegen(format!("debug-assertions={}", switch(profile.debug_assertions)));
    }
    if profile.overflow_checks != profile.debug_assertions {
        line.codegen(format!("overflow-checks={}", switch(profile.overflow_checks)));
    }
}

fn switch(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}
