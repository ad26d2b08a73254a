//! What is refused, and in which words: Cargo's own where Cargo refuses.

use vx_cargo::{PlanError, Uplift};
use vx_proto::{ErrorKind, Selection, WireError};

use crate::support::project::Project;

const MANIFEST: &str = "[package]\nname = \"app\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";

fn app(more: &str, files: &[(&str, &str)]) -> Project {
    let manifest = format!("{MANIFEST}{more}");
    let project = Project::new(&[("Cargo.toml", &manifest), ("src/main.rs", "fn main() {}")]);
    project.write(files);
    project
}

fn refusal(project: &Project) -> WireError {
    WireError::from(project.plan().unwrap_err())
}

fn is_cargos(error: PlanError, words: &str) {
    match error {
        PlanError::Cargo { stderr, code } => {
            assert!(stderr.contains(words), "{stderr}");
            assert_eq!(code, 101);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lock_files_that_do_not_say_where_packages_are() {
    let lock = |source: &str| {
        format!(
            "version = 4\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\n[[package]]\nname = \"other\"\nversion = \"1.0.0\"\n\
             source = \"{source}\"\n"
        )
    };
    for source in ["git+https://example.com/other#0123", "ftp+https://example.com/other"] {
        let error = refusal(&app("", &[("Cargo.lock", &lock(source))]));
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(
            error.to_string().starts_with("failed to parse the lock file") && error.to_string().contains("Cargo.lock"),
            "{error}"
        );
    }
}

#[test]
fn other_compilers() {
    let project = app("", &[]).with_environment(&[("RUSTC_WRAPPER", "sccache")]);
    let error = refusal(&project);
    assert_eq!(
        error.message,
        "vx does not support a compiler or wrapper set by `RUSTC_WRAPPER` (sccache) yet"
    );
    assert!(error.help.unwrap().starts_with("unset `RUSTC_WRAPPER`"));
    let project = app("", &[(".cargo/config.toml", "[build]\nrustc-wrapper = \"sccache\"\n")]);
    assert!(refusal(&project).message.contains("`build.rustc-wrapper`"));
    let project = project.with_environment(&[("RUSTC_WRAPPER", "")]);
    project.plan().unwrap();
    let rustc = project.context.toolchain.rustc.clone();
    project.with_environment(&[("RUSTC", rustc.as_str())]).plan().unwrap();
}

#[test]
fn overridden_build_scripts() {
    let host = app("", &[]).context.toolchain.host;
    let config = format!("[target.{host}.native]\nrustc-link-lib = [\"m\"]\n");
    let project = app(
        "links = \"native\"\n",
        &[("build.rs", "fn main() {}"), (".cargo/config.toml", &config)],
    );
    let error = refusal(&project);
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(
        error.message.contains("build script") && error.message.contains("`app`"),
        "{error}"
    );
}

#[test]
fn cargos_own_refusals() {
    let broken = app("edition = 7\n", &[]);
    assert!(broken.plan().is_err());
    is_cargos(
        app("[features]\na = [\"b\"]\n", &[]).plan().unwrap_err(),
        "feature `a` includes `b`",
    );
    let no_such_bin = Selection {
        bin: vec!["other".to_owned()],
        ..Selection::default()
    };
    is_cargos(
        app("", &[]).selecting(no_such_bin).plan().unwrap_err(),
        "no bin target named `other`",
    );
    let no_such_profile = Selection {
        profile: Some("other".to_owned()),
        ..Selection::default()
    };
    is_cargos(
        app("", &[]).selecting(no_such_profile).plan().unwrap_err(),
        "profile `other` is not defined",
    );
    let unstable = app("", &[]);
    unstable.write(&[(
        "Cargo.toml",
        &format!("cargo-features = [\"profile-rustflags\"]\n{MANIFEST}"),
    )]);
    is_cargos(unstable.plan().unwrap_err(), "requires a nightly version of Cargo");
}

#[test]
fn no_manifest() {
    let project = app("", &[]);
    std::fs::remove_file(project.root.join("Cargo.toml")).unwrap();
    let error = refusal(&project);
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.message.starts_with("could not find `Cargo.toml` in"), "{error}");
}

#[test]
fn lock_files_are_made_and_mended() {
    let project = app("", &[]);
    let lock = project.root.join("Cargo.lock");
    let locked = Selection {
        locked: true,
        ..Selection::default()
    };
    is_cargos(
        app("", &[]).selecting(locked.clone()).plan().unwrap_err(),
        "--locked was passed",
    );

    project.plan().unwrap();
    assert!(std::fs::read_to_string(&lock).unwrap().contains("name = \"app\""));

    let grow = |project: &Project| {
        project.write(&[
            (
                "Cargo.toml",
                &format!("{MANIFEST}[dependencies]\npart = {{ path = \"part\" }}\n"),
            ),
            (
                "part/Cargo.toml",
                "[package]\nname = \"part\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
            ),
            ("part/src/lib.rs", ""),
        ]);
    };
    grow(&project);
    let plan = project.plan().unwrap();
    assert_eq!(plan.packages.len(), 2);
    assert!(std::fs::read_to_string(&lock).unwrap().contains("name = \"part\""));

    let strict = app("", &[]);
    strict.plan().unwrap();
    grow(&strict);
    let before = std::fs::read(strict.root.join("Cargo.lock")).unwrap();
    let strict = strict.selecting(locked);
    is_cargos(strict.plan().unwrap_err(), "--locked was passed");
    assert_eq!(std::fs::read(strict.root.join("Cargo.lock")).unwrap(), before);
}

#[test]
fn what_is_run() {
    let run = Selection {
        goal: vx_proto::Goal::Run,
        ..Selection::default()
    };
    let project = app("", &[]).selecting(run.clone());
    let plan = project.plan().unwrap();
    assert_eq!(plan.roots.len(), 1);
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let uplifts: Vec<Uplift> = plan.unit(plan.roots[0]).uplifts();
    assert!(uplifts[0].is_executable);

    project.write(&[("src/bin/second.rs", "fn main() {}")]);
    is_cargos(project.plan().unwrap_err(), "available binaries: app, second");
    project.write(&[("Cargo.toml", &format!("{MANIFEST}default-run = \"second\"\n"))]);
    let plan = project.plan().unwrap();
    assert_eq!(plan.units[plan.roots[0]].target.name, "second");
}
