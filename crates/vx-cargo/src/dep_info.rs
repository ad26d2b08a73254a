//! `DepInfo`: what rustc has read, according to its `.d` file.
//!
//! The file is for make: `OUTPUT: FILE FILE …`, the same files for every output, spaces escaped by a backslash. rustc adds
//! `# env-dep:NAME=VALUE` for `env!` and `option_env!`.

/// Files and environment variables that a compilation has read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DepInfo {
    /// Source files as rustc names them: absolute, or relative to its working directory. In rustc's order, without
    /// duplicates.
    pub files: Vec<String>,
    /// Variables that `env!` and `option_env!` read, with their values; `None` if a variable was not set.
    pub env: Vec<(String, Option<String>)>,
}

impl DepInfo {
    /// Reads rustc's own `.d` file. Anything else is skipped.
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        let mut is_first_rule = true;
        for line in text.lines() {
            if let Some(variable) = line.strip_prefix("# env-dep:") {
                info.env.push(variable_of(variable));
            } else if is_first_rule
                && !line.starts_with('#')
                && let Some((_, files)) = line.split_once(": ")
            {
                is_first_rule = false;
                info.files = files_of(files);
            }
        }
        info
    }
}

/// `NAME=VALUE`, or `NAME` for a variable that was not set.
fn variable_of(text: &str) -> (String, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (unescape(name), Some(unescape(value))),
        None => (unescape(text), None),
    }
}

/// rustc escapes what would end the line, and the backslash.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            c => plain.push(c),
        }
    }
    plain
}

/// Splits at spaces. A backslash before a space belongs to the name; any other backslash is itself.
fn files_of(text: &str) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    let mut file = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&' ') => {
                chars.next();
                file.push(' ');
            }
            ' ' => files.push(std::mem::take(&mut file)),
            c => file.push(c),
        }
    }
    files.push(file);
    let mut seen = std::collections::HashSet::new();
    files.retain(|file| !file.is_empty() && seen.insert(file.clone()));
    files
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As rustc writes it.
    fn write(outputs: &[&str], info: &DepInfo) -> String {
        let escape_file = |file: &String| file.replace(' ', "\\ ");
        let escape = |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        let files: Vec<String> = info.files.iter().map(escape_file).collect();
        let mut text = String::new();
        for output in outputs {
            text.push_str(&format!("{output}: {}\n\n", files.join(" ")));
        }
        for file in &files {
            text.push_str(&format!("{file}:\n"));
        }
        if !info.env.is_empty() {
            text.push('\n');
        }
        for (name, value) in &info.env {
            let value = value
                .as_ref()
                .map_or_else(String::new, |value| format!("={}", escape(value)));
            text.push_str(&format!("# env-dep:{}{value}\n", escape(name)));
        }
        text
    }

    #[test]
    fn files_and_variables() {
        let text = "/x/out/a-1.d: src/lib.rs src/my\\ file.rs /o/gen.rs\n\n/x/out/liba-1.rlib: src/lib.rs\n\n\
                    src/lib.rs:\nsrc/my\\ file.rs:\n\n# env-dep:CARGO_PKG_NAME=a\n# env-dep:MISSING\n# env-dep:T=a\\nb\\\\\n";
        let info = DepInfo::parse(text);
        assert_eq!(info.files, ["src/lib.rs", "src/my file.rs", "/o/gen.rs"]);
        let env = [("CARGO_PKG_NAME", Some("a")), ("MISSING", None), ("T", Some("a\nb\\"))];
        let env: Vec<_> = env
            .iter()
            .map(|(name, value)| (name.to_string(), value.map(str::to_owned)))
            .collect();
        assert_eq!(info.env, env);
    }

    proptest! {
        #[test]
        fn what_rustc_writes_is_read_back(
            files in proptest::collection::hash_set("[a-z./\\-]{0,6}[a-z ]{0,4}[a-z\\\\]{0,3}[a-z:]", 1..6),
            env in proptest::collection::vec(("[A-Z_]{1,8}", proptest::option::of("[ -~\\n\\r\\\\äß]{0,12}")), 0..4),
        ) {
            let info = DepInfo { files: files.into_iter().collect(), env };
            prop_assert_eq!(DepInfo::parse(&write(&["/x/out/a.d", "/x/out/liba.rlib"], &info)), info);
        }

        #[test]
        fn no_text_panics(text in "[\\PC\\n\\\\ :#=]*") {
            DepInfo::parse(&text);
        }
    }
}
