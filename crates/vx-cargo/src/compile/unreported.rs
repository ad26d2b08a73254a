//! What rustc reads without reporting it in its dep-info: native libraries that it puts into a library, crates in the
//! user's directories, files that a flag names (only observation shows which ones), and the processor.

use vx_model::{Part, Template};

/// Flags that name a file to be read, or directories of many.
const NAME_FILES: [&str; 4] = ["--sysroot", "profile-use=", "profile-sample-use=", "@"];

/// Whether it compiles for the processor that it runs on.
pub(super) fn is_for_this_processor(arguments: &[Template]) -> bool {
    let is_native = |text: &str| text.ends_with("target-cpu=native") || text.ends_with("tune-cpu=native");
    arguments.iter().any(|argument| is_native(leading_text(argument)))
}

/// Whether it makes rustc read files that it does not report.
pub(super) fn reads_unreported(arguments: &[Template]) -> bool {
    let mut option = "";
    arguments.iter().any(|argument| {
        let before = std::mem::replace(&mut option, leading_text(argument));
        let text = option;
        let is_of = |name: &str| before == name || text.starts_with(name);
        let names_file = NAME_FILES.iter().any(|flag| {
            let value = text.trim_start_matches("-C").trim_start_matches("-Z");
            value.starts_with(flag)
        });
        let is_description = is_of("--target") && text.ends_with(".json");
        let is_path = is_of("-L") && text != "-L" || is_of("--extern") && text.contains('=');
        names_file || is_description || (is_path && !is_immutable(argument))
    })
}

fn leading_text(argument: &Template) -> &str {
    match argument.parts.first() {
        Some(Part::Text(text)) => text,
        _ => "",
    }
}

/// Whether it names a path that never changes.
fn is_immutable(argument: &Template) -> bool {
    let immutable = |part: &Part| matches!(part, Part::Path(path) if path.root.is_immutable());
    argument.parts.iter().any(immutable)
}

#[cfg(test)]
mod tests {
    use vx_model::{Root, RootedPath};

    use super::*;

    fn text(words: &str) -> Vec<Template> {
        words.split(' ').map(Template::from).collect()
    }

    #[test]
    fn flags_of_every_build_are_reported() {
        let deps = Template::from("dependency=").path(RootedPath::new(Root::Exec, "deps"));
        let out = Template::from("native=").path(RootedPath::new(Root::VxHome, "out/0"));
        let extern_crate = Template::from("a=").path(RootedPath::new(Root::Exec, "deps/liba.rmeta"));
        let mut arguments =
            text("rustc src/lib.rs --crate-type lib -C metadata=L --cfg x --extern proc_macro -l static=a -L");
        arguments.extend([deps, "-L".into(), out, "--extern".into(), extern_crate]);
        assert!(!reads_unreported(&arguments));
    }

    #[test]
    fn the_processor_counts_where_a_flag_says_native() {
        for words in ["-C target-cpu=native", "-Ctarget-cpu=native", "-Ztune-cpu=native"] {
            assert!(is_for_this_processor(&text(words)), "{words}");
        }
        assert!(!is_for_this_processor(&text("-C target-cpu=x86-64-v3 -L native=/x")));
    }

    #[test]
    fn flags_that_name_files_of_the_user_are_not() {
        for words in [
            "-L native=/usr/lib",
            "-L/opt/crates",
            "--extern a=/opt/liba.rlib",
            "--extern=a=liba.rlib",
            "-C profile-use=a.profdata",
            "-Cprofile-use=/a.profdata",
            "-Zprofile-sample-use=a",
            "--sysroot=/opt",
            "--target machine.json",
            "@flags",
        ] {
            assert!(reads_unreported(&text(words)), "{words}");
        }
        let here = Template::from("native=").path(RootedPath::new(Root::Workspace, "libs"));
        assert!(reads_unreported(&["-L".into(), here]));
    }
}
