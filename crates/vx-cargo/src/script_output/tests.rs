//! Reading what build scripts print.

use proptest::prelude::*;
use vx_model::{Root, RootedPath, Roots, Template};

use super::parse::read;
use super::{LibraryLocation, LinkArgTarget, ScriptError, ScriptOutput};
use crate::plan::{Package, PackageSource, TargetName};

fn package(rust_version: Option<&str>) -> Package {
    let target = |name: &str, kind: &str| TargetName {
        name: name.to_owned(),
        kind: vec![kind.to_owned()],
    };
    Package {
        name: "p".to_owned(),
        version: "1.0.0".to_owned(),
        id: Template::new(),
        source: PackageSource::Path { member: true },
        root: RootedPath::new(Root::Workspace, ""),
        links: None,
        environment: Vec::new(),
        declared_features: Vec::new(),
        lint_flags: Vec::new(),
        rust_version: rust_version.map(str::to_owned),
        targets: vec![
            target("the-lib", "lib"),
            target("run", "bin"),
            target("build-script-build", "custom-build"),
        ],
    }
}

fn roots() -> Roots {
    Roots::default()
        .with(Root::Workspace, "/w")
        .with(Root::VxHome, "/h")
        .with(Root::Script, "/h/out/run-1")
}

fn out_dir() -> RootedPath {
    RootedPath::new(Root::Script, "target/debug/build/p-1/out")
}

fn parse(text: &str) -> Result<ScriptOutput, ScriptError> {
    read(&package(None), text.as_bytes(), out_dir(), &roots(), false, None)
}

fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn every_directive() {
    let text = "\
noise
cargo::rustc-link-arg=-z
cargo::rustc-link-arg-bins=-b
cargo::rustc-link-arg-bin=run=-r=1
cargo::rustc-link-lib=static=foo
cargo::rustc-link-search=native=/h/out/run-1/target/debug/build/p-1/out/lib
cargo::rustc-link-search=/h/out/run-1/target/debug/beside
cargo::rustc-link-search=/h/out/0123/target/debug/build/q-1/out
cargo::rustc-link-search=/usr/lib
cargo:rustc-flags=-L /w/lib -lbar -l baz
cargo::rustc-cfg=special=\"x\"
cargo::rustc-check-cfg=cfg(special, values(\"x\"))
cargo::rustc-env=PLACE=/h/out/run-1/target/debug/build/p-1/out/gen.rs
cargo::warning=careful
cargo::rerun-if-changed=src/x.c
cargo::rerun-if-env-changed=CC
cargo::metadata=include=/h/out/run-1/target/debug/build/p-1/out/include
cargo:older=value = with
";
    let output = parse(text).unwrap();
    let beside = |path: &str| Template::from(RootedPath::new(Root::Script, "")).text(format!("/target/debug/{path}"));
    let out = |path: &str| beside(&format!("build/p-1/out{path}"));
    assert_eq!(output.out_dir, out_dir());
    assert_eq!(
        output.link_args,
        [
            (LinkArgTarget::All, "-z".into()),
            (LinkArgTarget::Bins, "-b".into()),
            (LinkArgTarget::Bin("run".to_owned()), "-r=1".into()),
        ]
    );
    assert_eq!(output.library_links, ["static=foo".into(), "bar".into(), "baz".into()]);
    let paths: Vec<_> = output
        .library_paths
        .iter()
        .map(|path| (path.directory(), path.location))
        .collect();
    let other = Template::from(RootedPath::new(Root::VxHome, "")).text("/out/0123/target/debug/build/q-1/out");
    let of_workspace = Template::from(RootedPath::new(Root::Workspace, "")).text("/lib");
    assert_eq!(
        paths,
        [
            (out("/lib"), LibraryLocation::OutDir),
            (beside("beside"), LibraryLocation::Build),
            (other, LibraryLocation::Build),
            ("/usr/lib".into(), LibraryLocation::Elsewhere),
            (of_workspace, LibraryLocation::Elsewhere)
        ]
    );
    assert_eq!(output.cfgs, ["special=\"x\"".into()]);
    assert_eq!(output.check_cfgs, ["cfg(special, values(\"x\"))".into()]);
    assert_eq!(output.env, [("PLACE".to_owned(), out("/gen.rs"))]);
    assert_eq!(
        output.metadata,
        [
            ("include".to_owned(), out("/include")),
            ("older".to_owned(), "value = with".into())
        ]
    );
    assert_eq!(output.warnings().collect::<Vec<_>>(), ["careful"]);
    assert_eq!(
        output.rerun_if_changed().collect::<Vec<_>>(),
        [&Template::from("src/x.c")]
    );
    assert_eq!(output.rerun_if_env_changed().collect::<Vec<_>>(), ["CC"]);

    let moved = output
        .clone()
        .moved(Root::Script, &RootedPath::new(Root::VxHome, "out/abc"));
    let moved_to = "out/abc/target/debug/build/p-1/out";
    assert!(output.names_path_below(Root::Script) && !moved.names_path_below(Root::Script));
    assert!(!ScriptOutput::new(out_dir()).names_path_below(Root::Script));
    assert_eq!(moved.out_dir, RootedPath::new(Root::VxHome, moved_to));
    let message = moved.for_message(&roots());
    assert_eq!(message.env, [("PLACE".to_owned(), format!("/h/{moved_to}/gen.rs"))]);
    assert_eq!(
        message.linked_paths,
        [
            &format!("native=/h/{moved_to}/lib"),
            "/h/out/abc/target/debug/beside",
            "/h/out/0123/target/debug/build/q-1/out",
            "/usr/lib",
            "/w/lib"
        ]
    );
    assert_eq!(message.out_dir, format!("/h/{moved_to}"));
}

#[test]
fn what_is_refused() {
    assert_eq!(
        refused("cargo::nonsense=1"),
        "invalid output in the build script of `p v1.0.0`: `cargo::nonsense=1`: unknown key `nonsense`"
    );
    assert!(refused("cargo::rustc-cfg").contains("expected a line of the form `cargo::KEY=VALUE`"));
    assert!(refused("cargo:metadata-without-value").contains("`cargo:KEY=VALUE`"));
    assert!(refused("cargo:rustc-flags=-O").contains("only `-l` and `-L` flags are allowed"));
    assert!(refused("cargo:rustc-flags=-L").contains("`-L` has no value"));
    assert!(refused("cargo:rustc-env=X").contains("has no value"));
    assert!(refused("cargo:rustc-link-arg-bin=other=-x").contains("no bin target `other`"));
    assert!(refused("cargo:rustc-link-arg-tests=-x").contains("no target of kind `test`"));
    assert_eq!(
        parse("cargo::error=one\ncargo::error=two").unwrap_err(),
        ScriptError::Reported {
            package: "p v1.0.0".to_owned(),
            errors: vec!["one".to_owned(), "two".to_owned()]
        }
    );
}

#[test]
fn the_newer_syntax_needs_a_newer_package() {
    let parse = |rust_version, text: &str| {
        read(
            &package(rust_version),
            text.as_bytes(),
            out_dir(),
            &roots(),
            false,
            None,
        )
    };
    assert!(
        parse(Some("1.76"), "cargo::rustc-cfg=x")
            .unwrap_err()
            .to_string()
            .contains("is 1.76")
    );
    assert!(parse(Some("1.76"), "cargo:rustc-cfg=x").is_ok());
    for enough in ["1.77", "1.77.2", "1.80", "2", "2.0.0"] {
        assert!(parse(Some(enough), "cargo::rustc-cfg=x").is_ok(), "{enough}");
    }
}

#[test]
fn stability_is_the_users_decision() {
    let parse = |is_nightly, users| {
        let text = b"cargo:rustc-env=RUSTC_BOOTSTRAP=1";
        read(&package(None), text, out_dir(), &roots(), is_nightly, users)
    };
    assert!(
        parse(false, None)
            .unwrap_err()
            .to_string()
            .contains("set the environment variable `RUSTC_BOOTSTRAP=the_lib`")
    );
    assert!(parse(false, Some("other")).is_err());
    for output in [parse(true, None), parse(false, Some("other,the_lib"))] {
        let output = output.unwrap();
        assert!(output.env.is_empty());
        assert_eq!(output.warnings().count(), 1);
    }
}

#[test]
fn what_is_no_text_is_no_directive() {
    let output = read(
        &package(None),
        b"\xff\xfe\ncargo:rustc-cfg=x\r\n",
        out_dir(),
        &roots(),
        false,
        None,
    );
    assert_eq!(output.unwrap().cfgs, ["x".into()]);
}

proptest! {
    #[test]
    fn no_output_panics(stdout in proptest::collection::vec(any::<u8>(), 0..200), directive in "[ -~]{0,40}") {
        let _ = read(&package(None), &stdout, out_dir(), &roots(), false, None);
        let _ = parse(&format!("cargo::{directive}\ncargo:{directive}"));
        let _ = parse(&format!("cargo:rustc-flags={directive}"));
    }

    #[test]
    fn values_are_kept(value in "[a-zA-Z0-9/=. ]{0,20}[a-z]") {
        let output = parse(&format!("cargo::rustc-env=NAME={value}\ncargo:rustc-link-lib={value}")).unwrap();
        prop_assert_eq!(output.env[0].1.render(&roots()), value.clone());
        prop_assert_eq!(output.library_links[0].render(&roots()), value);
    }

    #[test]
    fn annotations_are_read_back(value in "[a-z/]{0,12}") {
        let output = parse(&format!("cargo:rustc-link-search={value}\ncargo:x=/h/out/run-1/{value}")).unwrap();
        let text = serde_json::to_vec(&output).unwrap();
        prop_assert_eq!(serde_json::from_slice::<ScriptOutput>(&text).unwrap(), output);
    }
}
