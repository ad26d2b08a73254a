//! Compares commands of a plan with those of the real cargo.
//!
//! What must differ is made equal first: hashes, the paths of dependencies and outputs, and vx's `--remap-path-prefix`.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8Path;
use vx_cargo::{Plan, PlanContext, UnitIndex, UnitKind};
use vx_model::{Root, RootedPath, Roots};

use super::project::Outputs;
use super::record::Started;

/// Variables that cargo sets for the processes it starts, and vx as well or for good reasons not.
const NOT_COMPARED: &[&str] = &[
    // execd gives its own jobserver.
    "CARGO_MAKEFLAGS",
    // `Compile::library_path`.
    "LD_LIBRARY_PATH",
    // The wrapper's.
    "_",
    "PWD",
    "SHLVL",
    "OLDPWD",
    "RUSTC_WRAPPER",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTDOC",
    // How cargo-clippy and rustup's proxy, which it starts cargo through, do their work.
    "CLIPPY_TERMINAL_WIDTH",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTUP_TOOLCHAIN_SOURCE",
    "RUST_RECURSION_COUNT",
    // Cargo's own HTTP client leaves them behind.
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// The differences between the plan and what cargo did, a line each. `target` is cargo's target directory.
pub(crate) fn differences(
    plan: &Plan,
    context: &PlanContext,
    roots: &Roots,
    started: &[Started],
    target: &Utf8Path,
) -> Vec<String> {
    let outputs = script_outputs(plan, roots, started, target);
    let scripts = |unit: UnitIndex| outputs.get(unit);
    let mut mine: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, unit) in plan.units.iter().enumerate() {
        if unit.compile_mode().is_some() {
            let compile = plan.unit(number).compile(&scripts);
            let arguments: Vec<String> = compile
                .arguments
                .iter()
                .skip(1)
                .map(|argument| argument.render(roots))
                .collect();
            let mut environment = context.environment.clone();
            environment.extend(
                [&compile.environment, &compile.reported_environment]
                    .into_iter()
                    .flatten()
                    .map(|(name, value)| (name.clone(), value.render(roots))),
            );
            let directory = roots.absolute(&compile.working_directory);
            let texts = normal(&arguments, &environment, &directory, context, target, roots);
            mine.entry(key(&arguments)).or_default().push(texts.join("\n"));
        }
    }
    let mut theirs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for started in started {
        let texts = normal(
            &started.arguments,
            &started.environment,
            &started.directory,
            context,
            target,
            roots,
        );
        theirs
            .entry(key(&started.arguments))
            .or_default()
            .push(texts.join("\n"));
    }
    let mut found = Vec::new();
    let keys: std::collections::BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
    for key in keys {
        let sorted = |commands: &BTreeMap<String, Vec<String>>| {
            let mut commands = commands.get(key).cloned().unwrap_or_default();
            commands.sort();
            commands
        };
        found.extend(lines_that_differ(key, &sorted(&mine), &sorted(&theirs)));
    }
    found
}

fn lines_that_differ(key: &str, mine: &[String], theirs: &[String]) -> Vec<String> {
    if mine.len() != theirs.len() {
        return vec![format!("{key}: {} commands, cargo has {}", mine.len(), theirs.len())];
    }
    let mut found = Vec::new();
    for (mine, theirs) in mine.iter().zip(theirs) {
        let (mine, theirs): (Vec<&str>, Vec<&str>) = (mine.lines().collect(), theirs.lines().collect());
        found.extend(
            mine.iter()
                .filter(|line| !theirs.contains(line))
                .map(|line| format!("{key}: only vx: {line}")),
        );
        found.extend(
            theirs
                .iter()
                .filter(|line| !mine.contains(line))
                .map(|line| format!("{key}: only cargo: {line}")),
        );
        if found.is_empty() && mine != theirs {
            found.push(format!("{key}: another order: {mine:#?} instead of {theirs:#?}"));
        }
    }
    found
}

/// What tells commands apart before they are compared.
fn key(arguments: &[String]) -> String {
    let after = |flag: &str| {
        let position = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(position + 1).cloned()
    };
    let source = arguments
        .iter()
        .find(|argument| argument.ends_with(".rs"))
        .cloned()
        .unwrap_or_default();
    let source = source.rsplit('/').next().unwrap_or_default();
    format!("{} ({source})", after("--crate-name").unwrap_or_default())
}

fn normal(
    arguments: &[String],
    environment: &BTreeMap<String, String>,
    directory: &str,
    context: &PlanContext,
    target: &Utf8Path,
    roots: &Roots,
) -> Vec<String> {
    let text = |text: &str| without_paths(text, target, roots);
    let mut lines = vec![format!("directory {}", text(directory))];
    let mut flag = String::new();
    for argument in arguments {
        let line = match (flag.as_str(), argument.as_str()) {
            (_, remap) if remap.starts_with("--remap-path-prefix=") => continue,
            ("-C", option) if option.starts_with("metadata=") => "metadata".to_owned(),
            ("-C", option) if option.starts_with("extra-filename=") => "extra-filename".to_owned(),
            ("-C", option) if option.starts_with("incremental=") => "incremental".to_owned(),
            ("--out-dir", _) => "out".to_owned(),
            ("-L", path) if path.starts_with("dependency=") => {
                // Cargo has a directory for the host and one for the target.
                if lines.iter().any(|line| line == "dependency") {
                    lines.pop();
                    continue;
                }
                "dependency".to_owned()
            }
            ("--extern", value) => extern_crate(value),
            (_, argument) => text(argument),
        };
        flag = argument.clone();
        lines.push(line);
    }
    let compared = environment.iter().filter(|(name, value)| {
        !NOT_COMPARED.contains(&name.as_str()) && context.environment.get(*name) != Some(*value)
    });
    lines.extend(compared.map(|(name, value)| format!("{name}={}", text(value).replace('\n', "\\n"))));
    lines
}

/// `NAME=FILE` without directory and hash.
fn extern_crate(value: &str) -> String {
    let Some((name, path)) = value.split_once('=') else {
        return value.to_owned();
    };
    let file = path.rsplit('/').next().unwrap_or(path);
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    let stem = stem.rsplit_once('-').map_or(stem, |(stem, _)| stem);
    format!("{name}={stem}.{extension}")
}

/// Paths by name: cargo's output directories, registry packages, the workspace, the toolchain.
fn without_paths(text: &str, target: &Utf8Path, roots: &Roots) -> String {
    let own_target = format!("{}/.vx/build", roots.dir(Root::Workspace));
    let mut text = without_hashes(&text.replace(target.as_str(), "TARGET").replace(&own_target, "TARGET"));
    let packages = format!("{}/packages/", roots.dir(Root::VxHome));
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for (start, _) in text.match_indices(&packages) {
        let end = text[start + packages.len()..]
            .find('/')
            .map_or(text.len(), |end| start + packages.len() + end);
        spans.push((start, end));
    }
    for (start, end) in spans.into_iter().rev() {
        let name = text[start + packages.len()..end].to_owned();
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name).to_owned();
        text.replace_range(start..end, &format!("PACKAGE/{name}"));
    }
    let registry = text.find("/registry/src/").map(|_| ());
    if registry.is_some() {
        text = without_registry(&text);
    }
    text.replace(roots.dir(Root::Workspace), "WORKSPACE")
        .replace(roots.dir(Root::Toolchain), "TOOLCHAIN")
}

/// `TARGET/…/build/NAME-HASH/` → `TARGET/…/build/NAME/`.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split("/build/");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (directory, rest) = part.split_once('/').unwrap_or((part, ""));
        let name = directory.rsplit_once('-').map_or(directory, |(name, _)| name);
        whole.push_str(&format!("/build/{name}/{rest}"));
    }
    whole
}

/// `…/registry/src/INDEX/NAME` → `PACKAGE/NAME`.
fn without_registry(text: &str) -> String {
    let mut rest = text;
    let mut whole = String::new();
    while let Some(at) = rest.find("/registry/src/") {
        let start = rest[..at].rfind(['=', ' ', ':']).map_or(0, |start| start + 1);
        let after = &rest[at + "/registry/src/".len()..];
        let skip = after.find('/').map_or(after.len(), |end| end + 1);
        whole.push_str(&rest[..start]);
        whole.push_str("PACKAGE/");
        rest = &after[skip..];
    }
    whole + rest
}

/// What the build scripts said to cargo, as the plan reads it. `OUT_DIR` is where cargo has put it.
pub(crate) fn script_outputs(plan: &Plan, roots: &Roots, started: &[Started], target: &Utf8Path) -> Outputs {
    let mut outputs = Outputs::default();
    for (number, unit) in plan.units.iter().enumerate() {
        if unit.kind != UnitKind::RunBuildScript {
            continue;
        }
        let package = &plan.packages[unit.package];
        let is_its = |started: &&Started| {
            let of_package =
                |name: &str, value: &str| started.environment.get(name).is_some_and(|found| found == value);
            of_package("CARGO_PKG_NAME", &package.name) && of_package("CARGO_PKG_VERSION", &package.version)
        };
        let triple = unit.platform.as_deref();
        let mut out_dirs = started
            .iter()
            .filter(is_its)
            .filter_map(|started| started.environment.get("OUT_DIR"));
        let out_dir = out_dirs.find(|path| triple.is_none_or(|triple| path.contains(triple)));
        let Some(out_dir) = out_dir else { continue };
        let said = std::fs::read_to_string(Utf8Path::new(out_dir).with_file_name("output")).unwrap();
        // As if it had run in cargo's target directory, except the hash.
        let base = target.parent().unwrap();
        let roots = roots.clone().with(Root::Script, base.as_str());
        let own = roots.absolute(&plan.unit(number).script_run().directories()[0]);
        let said = said.replace(out_dir, &own);
        let output = plan.unit(number).script_run().output(said.as_bytes(), &roots).unwrap();
        let path = RootedPath::new(Root::Host, base.as_str().trim_start_matches('/'));
        outputs.0.insert(number, Arc::new(output.moved(Root::Script, &path)));
    }
    outputs
}
