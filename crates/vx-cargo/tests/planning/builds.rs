//! What plans say is enough: units built in bare exec roots, with nothing there but what the plan names.

use std::process::Command;

use vx_proto::Selection;

use crate::support::build::build;
use crate::support::project::Project;

/// Types and macros that reach the program through several crates, a build script with a library of its own and one that
/// sees its metadata, macros that need a native library.
const FILES: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n\
         [dependencies]\ntop = { path = \"top\" }\n[build-dependencies]\nbase = { path = \"base\" }\nderive = { path = \"derive\" }\n\
         [profile.release]\nlto = \"thin\"\n",
    ),
    (
        "build.rs",
        "fn main() { println!(\"cargo::rustc-env=SUM={}\", base::Base(40).0 + derive::two!()); \
         println!(\"cargo::rerun-if-changed=build.rs\"); }",
    ),
    (
        "src/main.rs",
        "fn main() { println!(\"{} {} {}\", env!(\"SUM\"), top::middle().0, top::two!()); }",
    ),
    (
        "top/Cargo.toml",
        "[package]\nname = \"top\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nmiddle = { path = \"../middle\" }\n",
    ),
    (
        "top/src/lib.rs",
        "pub use middle::two;\npub fn middle() -> impl std::ops::Deref<Target = middle::Number> { middle::boxed() }\n\
                        pub use middle::Number;",
    ),
    (
        "middle/Cargo.toml",
        "[package]\nname = \"middle\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\nbase = { path = \"../base\" }\n\
         derive = { path = \"../derive\" }\nnative-sys = { path = \"../native-sys\" }\n",
    ),
    (
        "middle/src/lib.rs",
        "pub use derive::two;\npub type Number = base::Base;\npub fn boxed() -> Box<Number> { Box::new(base::Base(native_sys::number())) }",
    ),
    (
        "base/Cargo.toml",
        "[package]\nname = \"base\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
    ),
    ("base/src/lib.rs", "pub struct Base(pub u32);"),
    (
        "derive/Cargo.toml",
        "[package]\nname = \"derive\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n\
         [dependencies]\nbase = { path = \"../base\" }\nnative-sys = { path = \"../native-sys\" }\n",
    ),
    (
        "derive/src/lib.rs",
        "#[proc_macro]\npub fn two(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n\
         format!(\"{}u32\", base::Base(native_sys::number() - 5).0).parse().unwrap() }",
    ),
    (
        "native-sys/Cargo.toml",
        "[package]\nname = \"native-sys\"\nversion = \"1.0.0\"\nedition = \"2021\"\nlinks = \"native\"\n",
    ),
    (
        "native-sys/build.rs",
        r#"
        use std::process::Command;
        fn main() {
            let out = std::env::var("OUT_DIR").unwrap();
            std::fs::write(format!("{out}/native.c"), "unsigned number(void) { return 7; }").unwrap();
            let run = |program: &str, arguments: &[&str]| {
                assert!(Command::new(program).args(arguments).current_dir(&out).status().unwrap().success());
            };
            run("cc", &["-c", "-fPIC", "native.c", "-o", "native.o"]);
            run("ar", &["crs", "libnative.a", "native.o"]);
            println!("cargo::rustc-link-search=native={out}");
            println!("cargo::rustc-link-lib=static=native");
            println!("cargo::rerun-if-changed=build.rs");
        }
        "#,
    ),
    (
        "native-sys/src/lib.rs",
        "extern \"C\" { #[link_name = \"number\"] fn native() -> u32; }\npub fn number() -> u32 { unsafe { native() } }",
    ),
];

#[test]
fn programs_run() {
    for profile in ["dev", "release"] {
        let selection = Selection {
            profile: Some(profile.to_owned()),
            ..Selection::default()
        };
        let project = Project::new(FILES).selecting(selection);
        let plan = project.plan().unwrap();
        let built = build(&plan, &project.context, &project.roots(), &project.scratch());
        let root = plan.roots[0];
        let program = built.file(root, &plan.unit(root).uplifts()[0].file);
        let output = Command::new(program).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "42 7 2\n", "{profile}");
        let environment = plan
            .unit(root)
            .run_program(&|script| built.outputs.get(script))
            .environment;
        let value = |name: &str| {
            environment
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value)
        };
        assert_eq!(value("SUM"), Some(&"42".into()));
        assert_eq!(
            value("CARGO_MANIFEST_DIR").unwrap().render(&project.roots()),
            project.root
        );
    }
}

#[test]
fn dynamic_libraries_are_found_under_their_names() {
    let project = Project::new(&[
        (
            "Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[workspace]\n[dependencies]\nshared = { path = \"shared\" }\n",
        ),
        (
            ".cargo/config.toml",
            "[build]\nrustflags = [\"-C\", \"prefer-dynamic\"]\n",
        ),
        ("src/main.rs", "fn main() { println!(\"{}\", shared::number()) }"),
        (
            "shared/Cargo.toml",
            "[package]\nname = \"shared\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[lib]\ncrate-type = [\"dylib\"]\n",
        ),
        ("shared/src/lib.rs", "pub fn number() -> u32 { 7 }"),
    ]);
    let plan = project.plan().unwrap();
    let built = build(&plan, &project.context, &project.roots(), &project.scratch());
    // As the engine lays final artifacts down.
    for unit in (0..plan.units.len()).filter(|unit| plan.units[*unit].compile_mode().is_some()) {
        for uplift in plan.unit(unit).uplifts() {
            let destination = project.root.join(&uplift.destination);
            std::fs::create_dir_all(destination.parent().unwrap()).unwrap();
            std::fs::copy(built.file(unit, &uplift.file), destination).unwrap();
        }
    }
    let root = plan.roots[0];
    let program = project.root.join(&plan.unit(root).uplifts()[0].destination);
    let path: Vec<String> = plan
        .unit(root)
        .run_program(&|_| None)
        .library_path
        .iter()
        .map(|path| path.render(&project.roots()))
        .collect();
    let output = Command::new(program)
        .env("LD_LIBRARY_PATH", path.join(":"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "7\n");
}
