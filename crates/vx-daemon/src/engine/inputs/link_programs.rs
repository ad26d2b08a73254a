//! The paths of programs for linking: a linker finds others by `PATH`, so that decides what runs.

use vx_model::{Roots, Template};

/// Programs that a link may start.
const PROGRAMS: &[&str] = &[
    "cc", "gcc", "clang", "ld", "ld.bfd", "ld.gold", "ld.lld", "ld.mold", "as", "ar",
];

/// Their paths by program, as facts of the host; programs that are not found are left out.
pub(crate) fn link_programs(path: &str, roots: &Roots) -> impl Iterator<Item = (String, Template)> {
    let find = move |program: &&str| {
        let mut candidates = std::env::split_paths(path).map(|directory| directory.join(program));
        let found = candidates.find(|file| file.is_file())?;
        let found = Template::from_text(&found.to_string_lossy(), roots);
        Some((format!("program {program}"), found))
    };
    PROGRAMS.iter().filter_map(find)
}
