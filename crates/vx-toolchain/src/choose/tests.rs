//! Choosing among made-up toolchains: who is asked first, which names mean what, and what is refused.

// Toolchains are made up of links and scripts.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;

use super::*;

const HOST: &str = "x86_64-unknown-linux-gnu";

/// A toolchain of which programs are real enough to be asked; see `tests/data`.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/toolchain");

/// A machine with rustup, toolchains, and a project at `work/project/deep`.
struct Machine {
    directory: tempfile::TempDir,
    settings: String,
    environment: BTreeMap<String, String>,
    known: KnownToolchains,
}

impl Machine {
    /// rustup with these toolchains, named by what `rustc` says its release is, and no default.
    fn new(toolchains: &[(&str, &str)]) -> Self {
        let mut machine = Self::without_rustup();
        machine.write("rustup/settings.toml", "");
        machine.set(&format!("default_host_triple = \"{HOST}\""));
        for (name, release) in toolchains {
            machine.install(&format!("rustup/toolchains/{name}"), release);
        }
        machine
    }

    fn without_rustup() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut machine = Self {
            known: KnownToolchains::new(Utf8Path::from_path(directory.path()).unwrap()),
            directory,
            settings: String::new(),
            environment: BTreeMap::new(),
        };
        fs::create_dir_all(machine.project()).unwrap();
        let rustup = machine.path("rustup");
        machine.environment.insert("RUSTUP_HOME".to_owned(), rustup.to_string());
        machine
    }

    fn path(&self, path: &str) -> Utf8PathBuf {
        let root = self.directory.path().canonicalize().unwrap();
        Utf8PathBuf::from_path_buf(root).unwrap().join(path)
    }

    fn project(&self) -> Utf8PathBuf {
        self.path("work/project/deep")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A line of rustup's settings.
    fn set(&mut self, line: &str) {
        self.settings.push_str(line);
        self.settings.push('\n');
        self.write("rustup/settings.toml", &self.settings);
    }

    /// Makes a toolchain up at `path`.
    fn install(&self, path: &str, release: &str) {
        self.write(&format!("{path}/release"), &format!("{release}\n"));
        self.write(&format!("{path}/lib/rustlib/{HOST}/lib/libstd.rlib"), release);
        self.write(
            &format!("{path}/lib/rustlib/components"),
            &format!("rustc-{HOST}\ncargo-{HOST}\nrust-std-{HOST}\n"),
        );
        fs::create_dir_all(self.path(path).join("bin")).unwrap();
        for program in ["rustc", "cargo"] {
            symlink(
                format!("{MODEL}/bin/{program}"),
                self.path(path).join("bin").join(program),
            )
            .unwrap();
        }
    }

    fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn select_plus(&self, plus: Option<&str>) -> Result<Toolchain, ToolchainError> {
        select(&self.project(), &self.environment, plus, &self.known)
    }

    fn select(&self) -> Result<Toolchain, ToolchainError> {
        self.select_plus(None)
    }

    /// The release of what is chosen.
    fn release(&self) -> String {
        self.select().unwrap().release
    }
}

/// `stable` is 1.95.0, `beta` 1.96.0, `nightly` 1.97.0, and the versions are themselves.
fn usual() -> Machine {
    Machine::new(&[
        ("stable-x86_64-unknown-linux-gnu", "1.95.0"),
        ("beta-x86_64-unknown-linux-gnu", "1.96.0"),
        ("nightly-x86_64-unknown-linux-gnu", "1.97.0"),
        ("1.90.0-x86_64-unknown-linux-gnu", "1.90.0"),
        ("1.94.0-x86_64-unknown-linux-gnu", "1.94.0"),
        ("1.94.1-x86_64-unknown-linux-gnu", "1.94.1"),
    ])
}

#[test]
fn each_voice_silences_those_below_it() {
    let mut machine = usual();
    machine.set("default_toolchain = \"stable\"");
    assert_eq!(machine.release(), "1.95.0");

    machine.write("work/rust-toolchain", "1.90.0\n");
    assert_eq!(machine.release(), "1.90.0");

    machine = machine.with_variable("RUSTUP_TOOLCHAIN", "beta");
    assert_eq!(machine.release(), "1.96.0");

    assert_eq!(machine.select_plus(Some("nightly")).unwrap().release, "1.97.0");
}

#[test]
fn the_nearest_of_files_and_overrides_decides() {
    let mut machine = usual();
    machine.write("work/rust-toolchain.toml", "[toolchain]\nchannel = \"1.90.0\"\n");
    let (outer, inner) = (machine.path("work"), machine.path("work/project"));
    machine.set(&format!("[overrides]\n\"{outer}\" = \"beta\""));
    assert_eq!(machine.release(), "1.96.0", "in one directory the override comes first");

    machine.write(
        "work/project/rust-toolchain.toml",
        "[toolchain]\nchannel = \"1.94.0\"\n",
    );
    assert_eq!(machine.release(), "1.94.0", "the file is nearer");

    machine.set(&format!("\"{inner}/deep\" = \"nightly\""));
    assert_eq!(machine.release(), "1.97.0", "the override is nearer");
}

#[test]
fn of_two_files_the_one_without_a_suffix_is_read() {
    let machine = usual();
    machine.write("work/rust-toolchain.toml", "[toolchain]\nchannel = \"beta\"\n");
    machine.write("work/rust-toolchain", "1.90.0\n");
    assert_eq!(machine.release(), "1.90.0");
}

#[test]
fn an_empty_variable_asks_for_nothing() {
    let mut machine = usual();
    machine.set("default_toolchain = \"stable\"");
    assert_eq!(machine.with_variable("RUSTUP_TOOLCHAIN", "").release(), "1.95.0");
}

#[test]
fn a_partial_version_means_its_newest_patch() {
    let machine = usual();
    let release = |name| machine.select_plus(Some(name)).map(|toolchain| toolchain.release);
    assert_eq!(release("1.94").unwrap(), "1.94.1");
    assert_eq!(release("1.94.0").unwrap(), "1.94.0");
    assert_eq!(release("1.94.0-x86_64-unknown-linux-gnu").unwrap(), "1.94.0");
    assert!(matches!(release("1.9"), Err(ToolchainError::NotInstalled { .. })));
}

#[test]
fn a_toolchain_named_by_the_partial_version_comes_before_its_patches() {
    let machine = usual();
    machine.install("rustup/toolchains/1.94-x86_64-unknown-linux-gnu", "1.94.9");
    assert_eq!(machine.select_plus(Some("1.94")).unwrap().release, "1.94.9");
}

#[test]
fn toolchains_of_other_hosts_and_dates_are_others() {
    let machine = Machine::new(&[
        ("stable-aarch64-apple-darwin", "1.0.0"),
        ("nightly-2026-05-20-x86_64-unknown-linux-gnu", "1.2.0"),
    ]);
    for name in ["stable", "nightly", "nightly-2026-05-21"] {
        let refused = machine.select_plus(Some(name));
        assert!(
            matches!(refused, Err(ToolchainError::NotInstalled { .. })),
            "{name}: {refused:?}"
        );
    }
    for (name, release) in [
        ("nightly-2026-05-20", "1.2.0"),
        ("stable-aarch64-apple-darwin", "1.0.0"),
    ] {
        assert_eq!(machine.select_plus(Some(name)).unwrap().release, release);
    }
}

#[test]
fn linked_toolchains_are_found_by_their_whole_name() {
    let machine = usual();
    machine.install("build/stage1", "1.98.0-dev");
    symlink(
        machine.path("build/stage1"),
        machine.path("rustup/toolchains/my.stage1"),
    )
    .unwrap();
    let chosen = machine.select_plus(Some("my.stage1")).unwrap();
    assert_eq!(
        (chosen.name.as_str(), chosen.release.as_str()),
        ("my.stage1", "1.98.0-dev")
    );
    assert_eq!(
        chosen.rustc,
        machine.path("build/stage1/bin/rustc"),
        "a link and what it leads to are one"
    );
    assert!(machine.select_plus(Some("my")).is_err());
}

#[test]
fn a_linked_compiler_without_cargo_borrows_one() {
    let machine = usual();
    machine.install("rustup/toolchains/stage1", "1.98.0-dev");
    fs::remove_file(machine.path("rustup/toolchains/stage1/bin/cargo")).unwrap();
    let chosen = machine.select_plus(Some("stage1")).unwrap();
    assert_eq!(chosen.release, "1.98.0-dev");
    let lender = "rustup/toolchains/nightly-x86_64-unknown-linux-gnu/bin/cargo";
    assert_eq!(chosen.cargo, machine.path(lender));
}

#[test]
fn an_installed_toolchain_without_a_program_is_refused() {
    let machine = usual();
    let cargo = machine.path("rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/cargo");
    fs::remove_file(&cargo).unwrap();
    match machine.select_plus(Some("stable")) {
        Err(ToolchainError::MissingProgram { path, requested_by }) => {
            assert_eq!((path, requested_by), (cargo, RequestedBy::CommandLine));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_names_a_path_relative_to_itself() {
    let machine = usual();
    machine.install("work/rust", "1.0.0-own");
    machine.write("work/project/rust-toolchain.toml", "[toolchain]\npath = \"../rust\"\n");
    assert_eq!(machine.release(), "1.0.0-own");
}

#[test]
fn a_variable_may_hold_an_absolute_path() {
    let machine = usual();
    machine.install("own", "1.0.0-own");
    let path = machine.path("own").to_string();
    assert_eq!(machine.with_variable("RUSTUP_TOOLCHAIN", &path).release(), "1.0.0-own");
}

#[test]
fn missing_components_and_targets_are_named_with_the_command_that_adds_them() {
    let machine = usual();
    machine.write(
        "work/rust-toolchain.toml",
        "[toolchain]\nchannel = \"stable\"\ncomponents = [\"rustc\", \"rust-src\", \"clippy\"]\n\
         targets = [\"x86_64-unknown-linux-gnu\", \"wasm32v1-none\"]\n",
    );
    let error = machine.select().unwrap_err();
    let ToolchainError::Incomplete { missing, remedy, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        missing,
        &["component rust-src", "component clippy", "target wasm32v1-none"]
    );
    assert_eq!(
        remedy,
        "rustup component add --toolchain stable-x86_64-unknown-linux-gnu rust-src clippy && \
         rustup target add --toolchain stable-x86_64-unknown-linux-gnu wasm32v1-none"
    );
    assert!(error.to_string().contains("rust-toolchain.toml"), "{error}");
}

#[test]
fn a_file_without_a_channel_adds_to_the_default() {
    let mut machine = usual();
    machine.set("default_toolchain = \"beta\"");
    machine.write(
        "work/rust-toolchain.toml",
        "[toolchain]\ntargets = [\"x86_64-unknown-linux-gnu\"]\n",
    );
    assert_eq!(machine.release(), "1.96.0");
    machine.write("work/rust-toolchain.toml", "[toolchain]\ncomponents = [\"rust-src\"]\n");
    assert!(matches!(machine.select(), Err(ToolchainError::Incomplete { .. })));
}

#[test]
fn what_is_not_installed_is_told_with_what_is() {
    let machine = usual();
    machine.write("work/rust-toolchain", "1.80\n");
    let error = machine.select().unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`1.80`") && text.contains("work/rust-toolchain"),
        "{text}"
    );
    let help = error.help().unwrap();
    assert!(help.contains("1.94.1-x86_64-unknown-linux-gnu"), "{help}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let machine = usual();
    for name in ["../../work", "a/b", "", "-x"] {
        let refused = machine.select_plus(Some(name));
        assert!(
            matches!(refused, Err(ToolchainError::InvalidName { .. })),
            "{name}: {refused:?}"
        );
    }
}

#[test]
fn broken_files_of_the_user_are_named() {
    let machine = usual();
    machine.write("work/rust-toolchain.toml", "[toolchain]\nchannel = 1\n");
    match machine.select() {
        Err(ToolchainError::File { path, .. }) => assert_eq!(path, machine.path("work/rust-toolchain.toml")),
        other => panic!("{other:?}"),
    }
    machine.write("rustup/settings.toml", "not toml");
    match machine.select() {
        Err(ToolchainError::Settings { path, .. }) => assert_eq!(path, machine.path("rustup/settings.toml")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_compiler_that_does_not_answer_is_quoted() {
    let machine = usual();
    let release = machine.path("rustup/toolchains/stable-x86_64-unknown-linux-gnu/release");
    for answer in ["", "\n"] {
        fs::write(&release, answer).unwrap();
        let error = machine.select_plus(Some("stable")).unwrap_err();
        assert!(
            matches!(&error, ToolchainError::Rustc { command, .. } if command.ends_with("rustc -vV")),
            "{error:?}"
        );
    }
}

#[test]
fn where_nothing_asks_the_programs_on_path_are_used() {
    let machine = Machine::without_rustup().with_variable("PATH", &format!("relative:{MODEL}/bin"));
    let chosen = machine.select().unwrap();
    assert_eq!(
        (chosen.name.as_str(), chosen.release.as_str()),
        ("rustc on PATH", "1.1.1")
    );
    assert_eq!(chosen.host, HOST);
}

#[test]
fn proxies_of_rustup_are_no_compilers() {
    let machine = Machine::without_rustup();
    machine.write("bin/rustup", "");
    for program in ["rustc", "cargo"] {
        symlink(machine.path("bin/rustup"), machine.path("bin").join(program)).unwrap();
    }
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(machine.path("bin/rustup"), fs::Permissions::from_mode(0o755)).unwrap();
    let bin = machine.path("bin").to_string();
    let both = machine.with_variable("PATH", &format!("{bin}:{MODEL}/bin"));
    assert_eq!(both.release(), "1.1.1");
}

#[test]
fn the_same_content_has_the_same_identity_wherever_it_lies() {
    let machine = usual();
    for path in ["one", "deep/other"] {
        machine.install(path, "1.95.0");
    }
    machine.install("changed", "1.95.0");
    machine.write(&format!("changed/lib/rustlib/{HOST}/lib/libstd.rlib"), "other");
    let identity = |path: &str| {
        let path = machine.path(path);
        machine.select_plus(Some(path.as_str())).unwrap().identity
    };
    assert_eq!(identity("one"), identity("deep/other"));
    assert_ne!(identity("one"), identity("changed"));
}

#[test]
fn a_toolchain_that_was_looked_at_is_known_anew_after_any_change() {
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(1);
    let toolchain = "rustup/toolchains/stable";
    let changes = [
        (format!("{HOST}/lib/libstd.rlib"), "other content"),
        (format!("{HOST}/lib/libnew.rlib"), "a new file"),
        (format!("{HOST}/bin/ld"), "a new directory"),
        ("wasm32-unknown-unknown/lib/libstd.rlib".to_owned(), "a new target"),
        ("src/rust/library/core.rs".to_owned(), "sources"),
    ];
    for (path, text) in changes {
        let machine = Machine::new(&[("stable", "1.95.0")]);
        for entry in walkdir::WalkDir::new(machine.path(toolchain)) {
            let entry = entry.unwrap();
            if !entry.path_is_symlink() {
                fs::File::open(entry.path()).unwrap().set_modified(long_ago).unwrap();
            }
        }
        let select = || machine.select_plus(Some("stable")).unwrap().identity;
        let before = select();
        // The second time it is read from the file that remembers it, the third time it is known.
        assert_eq!((select(), select()), (before, before));
        assert_eq!(machine.known.in_memory(), 1);
        machine.write(&format!("{toolchain}/lib/rustlib/{path}"), text);
        assert_ne!(select(), before, "{text}");
    }
}

#[test]
fn a_changed_toolchain_is_known_anew() {
    let machine = usual();
    let before = machine.select_plus(Some("stable")).unwrap();
    assert_eq!(machine.select_plus(Some("stable")).unwrap(), before);
    machine.write(
        &format!("rustup/toolchains/stable-{HOST}/lib/rustlib/{HOST}/lib/libcore.rlib"),
        "new",
    );
    assert_ne!(machine.select_plus(Some("stable")).unwrap().identity, before.identity);
}
