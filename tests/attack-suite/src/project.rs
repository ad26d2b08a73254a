//! The files of an attack's project: those that its fixture names, and around its value the usual ones.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use crate::fixture::{Asker, Attack};

const MANIFEST: &str = r#"[package]
name = "app"
version = "0.1.0"
edition = "2024"
"#;

const MANIFEST_WITH_MACRO: &str = r#"[package]
name = "app"
version = "0.1.0"
edition = "2024"

[workspace]
members = ["asker"]

[dependencies]
asker = { path = "asker" }
"#;

const MANIFEST_OF_MACRO: &str = r#"[package]
name = "asker"
version = "0.1.0"
edition = "2024"

[lib]
proc-macro = true
"#;

/// What values are written with.
const HELPERS: &str = include_str!("../helpers.rs");

/// The files, by their paths in the directory of the project.
pub(crate) fn files(attack: &Attack) -> BTreeMap<Utf8PathBuf, String> {
    let mut files: BTreeMap<Utf8PathBuf, String> = BTreeMap::new();
    let mut file = |path: &str, text: String| files.insert(path.into(), text);
    match &attack.value {
        None => {
            file("Cargo.toml", MANIFEST.to_owned());
        }
        Some((value, Asker::Script)) => {
            let build = format!(
                "{HELPERS}\nfn value() -> String {{\n{value}\n}}\n\nfn main() {{\n    \
                 println!(\"cargo::rustc-env=VALUE={{}}\", value().replace('\\n', \"|\"));\n}}\n"
            );
            file("Cargo.toml", MANIFEST.to_owned());
            file("build.rs", build);
            file(
                "src/main.rs",
                "fn main() {\n    println!(\"{}\", env!(\"VALUE\"));\n}\n".to_owned(),
            );
        }
        Some((value, Asker::Macro)) => {
            let library = format!(
                "{HELPERS}\nfn value_of_attack() -> String {{\n{value}\n}}\n\n#[proc_macro]\n\
                 pub fn value(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{\n    \
                 format!(\"{{:?}}\", value_of_attack().replace('\\n', \"|\")).parse().unwrap()\n}}\n"
            );
            file("Cargo.toml", MANIFEST_WITH_MACRO.to_owned());
            file("asker/Cargo.toml", MANIFEST_OF_MACRO.to_owned());
            file("asker/src/lib.rs", library);
            file(
                "src/main.rs",
                "fn main() {\n    println!(\"{}\", asker::value!());\n}\n".to_owned(),
            );
        }
    }
    let own = attack
        .files
        .iter()
        .map(|(path, text)| (path.clone(), text.replace("@HELPERS@", HELPERS)));
    files.extend(own);
    files
}
