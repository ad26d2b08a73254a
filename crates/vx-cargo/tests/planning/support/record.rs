//! The real cargo, with every rustc that it starts on record.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use vx_cargo::PlanContext;

/// A rustc that cargo started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) directory: String,
    /// Without rustc itself.
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

/// Builds with cargo; `arguments` come after `cargo`. Answers what was compiled, and the target directory.
pub(crate) fn build(context: &PlanContext, scratch: &Utf8Path, arguments: &[&str]) -> (Vec<Started>, Utf8PathBuf) {
    let records = scratch.join("records");
    std::fs::create_dir_all(&records).unwrap();
    let wrapper = scratch.join("wrapper");
    let script = format!(
        "#!/bin/sh\nfile=$(mktemp {records}/XXXXXXXX)\nenv -0 > $file.env\npwd > $file.pwd\nprintf '%s\\0' \"$@\" > $file.args\nexec \"$@\"\n"
    );
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    // Cargo has no wrapper for rustdoc.
    let rustdoc = scratch.join("rustdoc");
    let real = context.toolchain.rustc.with_file_name("rustdoc");
    std::fs::write(&rustdoc, format!("#!/bin/sh\nexec {wrapper} {real} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&rustdoc, std::fs::Permissions::from_mode(0o755)).unwrap();
    let target = scratch.join("target");
    let output = Command::new(&context.toolchain.cargo)
        .args(arguments)
        .args(registry(context, scratch))
        .env_clear()
        .envs(&context.environment)
        .env("RUSTC", &context.toolchain.rustc)
        .env("RUSTC_WRAPPER", &wrapper)
        .env("RUSTDOC", &rustdoc)
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(&context.directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut started: Vec<Started> = records
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension() == Some("args"))
        .map(|path| read(&path))
        .collect();
    // The others are questions about rustc, and what build scripts try.
    started.retain(|started| {
        started
            .arguments
            .iter()
            .any(|argument| argument == "--error-format=json")
    });
    started.sort_by_key(|started| started.arguments.clone());
    (started, target)
}

/// The packages of vx's home as a registry of cargo's, in a directory that looks like cargo's.
fn registry(context: &PlanContext, scratch: &Utf8Path) -> Vec<String> {
    let Ok(packages) = context.home.packages().read_dir_utf8() else {
        return Vec::new();
    };
    let sources = scratch.join("registry/src/index");
    std::fs::create_dir_all(&sources).unwrap();
    for package in packages {
        let package = package.unwrap();
        let (name, _) = package.file_name().rsplit_once('-').unwrap();
        std::os::unix::fs::symlink(package.path(), sources.join(name)).unwrap();
    }
    let configuration = [
        "source.crates-io.replace-with='packages'".to_owned(),
        format!("source.packages.directory='{sources}'"),
    ];
    configuration
        .into_iter()
        .flat_map(|value| ["--config".to_owned(), value])
        .collect()
}

fn read(path: &Utf8Path) -> Started {
    let zero_separated = |extension: &str| {
        let text = std::fs::read_to_string(path.with_extension(extension)).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect::<Vec<_>>()
    };
    let variable = |text: String| {
        text.split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    Started {
        directory: std::fs::read_to_string(path.with_extension("pwd"))
            .unwrap()
            .trim_end()
            .to_owned(),
        arguments: zero_separated("args").split_off(1),
        environment: zero_separated("env").into_iter().filter_map(variable).collect(),
    }
}
