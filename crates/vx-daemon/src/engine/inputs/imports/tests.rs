//! Macros that read the environment in many ways, compiled by rustc, and what is made of their symbols.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use super::*;

/// A macro with this body, compiled as Cargo does.
fn compile(body: &str, flags: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let source = format!(
        "extern crate proc_macro;
         use proc_macro::TokenStream;
         #[proc_macro]
         pub fn expand(input: TokenStream) -> TokenStream {{ {body} }}"
    );
    std::fs::write(at("lib.rs"), source).unwrap();
    let compiled = Command::new("rustc")
        .args([
            "--edition=2021",
            "--crate-type=proc-macro",
            "--crate-name=made",
            "-Cprefer-dynamic",
        ])
        .args(flags)
        .arg("-o")
        .args([at("libmade.so"), at("lib.rs")])
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    std::fs::read(at("libmade.so")).unwrap()
}

#[test]
fn a_macro_that_computes_reads_nothing() {
    let body = r#"
        let mut names: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
        for token in input.into_iter() { *names.entry(token.to_string()).or_default() += 1; }
        let file = std::fs::read_to_string("file").unwrap_or_default();
        let caught = std::panic::catch_unwind(|| format!("{:?}", std::path::Path::new("x").canonicalize()));
        format!("const N: usize = {};", names.len() + file.len() + caught.unwrap().len()).parse().unwrap()
    "#;
    for flags in [
        &["-Copt-level=0"][..],
        &["-Copt-level=3"],
        &["-Cdebuginfo=2", "-Copt-level=1"],
    ] {
        assert!(!reads_environment(&compile(body, flags)), "{flags:?}");
    }
}

#[test]
fn a_macro_that_can_read_variables_is_recognized() {
    for body in [
        r#"format!("const V: &str = {:?};", std::env::var(["A", "B"].concat())).parse().unwrap()"#,
        r#"std::env::var_os("A"); input"#,
        r#"for (name, _) in std::env::vars_os() { drop(name); } input"#,
        r#"std::thread::spawn(|| std::env::var_os("A").is_some()).join().unwrap(); input"#,
        r#"let read = std::panic::catch_unwind(|| std::env::var_os("A").is_some()); drop(read); input"#,
        r#"std::env::temp_dir(); input"#,
        r#"std::process::Command::new("sh").status().unwrap(); input"#,
        r#"extern "C" { fn getenv(name: *const i8) -> *const i8; }
           if unsafe { getenv(c"A".as_ptr()) }.is_null() { input } else { TokenStream::new() }"#,
        r#"extern "C" { fn getenv(name: *const i8) -> *const i8; }
           let f = std::hint::black_box(getenv as unsafe extern "C" fn(*const i8) -> *const i8);
           if unsafe { f(c"A".as_ptr()) }.is_null() { input } else { TokenStream::new() }"#,
        r#"extern "C" { static environ: *const *const i8; }
           if unsafe { environ }.is_null() { input } else { TokenStream::new() }"#,
        r#"extern "C" { fn dlsym(library: *const i8, name: *const i8) -> *const i8; }
           if unsafe { dlsym(std::ptr::null(), c"getenv".as_ptr()) }.is_null() { input } else { TokenStream::new() }"#,
        r#"trait Reads { fn reads(&self) -> bool; }
           impl Reads for std::thread::Thread { fn reads(&self) -> bool { std::env::var_os("A").is_some() } }
           if std::thread::current().reads() { input } else { TokenStream::new() }"#,
    ] {
        assert!(reads_environment(&compile(body, &["-Copt-level=1"])), "{body}");
    }
}

#[test]
fn what_cannot_be_looked_into_may_read_everything() {
    assert!(reads_environment(b""));
    assert!(reads_environment(b"\x7fELF"));
    assert!(reads_environment(&compile("input", &["-Cstrip=symbols"])));
    let whole = compile("input", &[]);
    assert!(!reads_environment(&whole));
    for length in (0..whole.len()).step_by(whole.len() / 10) {
        assert!(reads_environment(&whole[..length]), "{length}");
    }
}
