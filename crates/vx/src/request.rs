//! Turns arguments into requests to the daemon. Paths become absolute here, because the daemon has another directory.

use camino::{Utf8Path, Utf8PathBuf};
use vx_proto::{BuildRequest, EnvVar, ErrorKind, Goal, MessageFormat, Selection, WireError};

use crate::cli::{
    BenchArguments, BuildArguments, BuildFormat, ClippyArguments, CommonArguments, DocArguments, FetchArguments,
    ManifestArguments, PackageArguments, RunArguments, RustcArguments, TargetArguments, TestArguments,
};
use crate::render::Verbosity;

/// The request of `vx build` or `vx check`.
pub(crate) fn build(
    goal: Goal,
    arguments: &BuildArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let BuildArguments {
        packages,
        targets,
        common,
    } = arguments;
    let selection = Selection {
        goal,
        ..targets_of(packages, targets, common)?
    };
    request(selection, common, toolchain, verbosity)
}

/// The request of `vx clippy`.
pub(crate) fn clippy(
    arguments: &ClippyArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let mut request = build(Goal::Clippy, &arguments.build, toolchain, verbosity)?;
    let no_deps = arguments.no_deps.then(|| "--no-deps".to_owned());
    request.selection.extra_args = no_deps.into_iter().chain(arguments.arguments.iter().cloned()).collect();
    Ok(request)
}

/// The request of `vx rustc`.
pub(crate) fn rustc(
    arguments: &RustcArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let mut request = build(Goal::Rustc, &arguments.build, toolchain, verbosity)?;
    request.selection.extra_args.clone_from(&arguments.arguments);
    request.selection.crate_types.clone_from(&arguments.crate_type);
    Ok(request)
}

/// The request of `vx doc`.
pub(crate) fn doc(
    arguments: &DocArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let private = arguments.document_private_items;
    let selection = Selection {
        goal: Goal::Doc,
        packages: arguments.packages.package.clone(),
        workspace: arguments.packages.workspace,
        exclude: arguments.packages.exclude.clone(),
        lib: arguments.lib,
        bin: arguments.bin.clone(),
        bins: arguments.bins,
        example: arguments.example.clone(),
        examples: arguments.examples,
        no_deps: arguments.no_deps,
        extra_args: private
            .then(|| "--document-private-items".to_owned())
            .into_iter()
            .collect(),
        ..selection(&arguments.common)?
    };
    request(selection, &arguments.common, toolchain, verbosity)
}

/// The request of `vx test`.
pub(crate) fn test(
    arguments: &TestArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let selection = Selection {
        goal: Goal::Test,
        doc: arguments.doc,
        by_name: arguments.name.is_some(),
        ..targets_of(&arguments.packages, &arguments.targets, &arguments.common)?
    };
    request(selection, &arguments.common, toolchain, verbosity)
}

/// The request of `vx bench`.
pub(crate) fn bench(
    arguments: &BenchArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let selection = Selection {
        goal: Goal::Bench,
        by_name: arguments.name.is_some(),
        ..targets_of(&arguments.packages, &arguments.targets, &arguments.common)?
    };
    request(selection, &arguments.common, toolchain, verbosity)
}

/// The request of `vx run`: the same, for exactly one program.
pub(crate) fn run(
    arguments: &RunArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let RunArguments {
        package,
        bin,
        example,
        common,
        ..
    } = arguments;
    let selection = Selection {
        packages: package.iter().cloned().collect(),
        bin: bin.iter().cloned().collect(),
        example: example.iter().cloned().collect(),
        goal: Goal::Run,
        ..selection(common)?
    };
    request(selection, common, toolchain, verbosity)
}

/// The request of `vx fetch`.
pub(crate) fn fetch(
    arguments: &FetchArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    let selection = Selection {
        goal: Goal::Fetch,
        target: arguments.target.clone(),
        ..in_project(&arguments.manifest)?
    };
    Ok(BuildRequest {
        directory: current_directory()?.into_string(),
        environment: environment(),
        toolchain,
        selection,
        jobs: None,
        keep_going: false,
        strict: false,
        message_format: MessageFormat::Human,
        verbose: verbosity == Verbosity::Verbose,
    })
}

/// The directory that the user is in.
pub(crate) fn current_directory() -> Result<Utf8PathBuf, WireError> {
    let directory = std::env::current_dir()
        .map_err(|error| WireError::new(ErrorKind::Machine, "cannot read the current directory").caused_by(&error))?;
    Utf8PathBuf::from_path_buf(directory).map_err(|directory| {
        WireError::new(
            ErrorKind::Unsupported,
            format!("the current directory `{}` is not valid UTF-8", directory.display()),
        )
    })
}

fn targets_of(
    packages: &PackageArguments,
    targets: &TargetArguments,
    common: &CommonArguments,
) -> Result<Selection, WireError> {
    Ok(Selection {
        packages: packages.package.clone(),
        workspace: packages.workspace,
        exclude: packages.exclude.clone(),
        lib: targets.lib,
        bin: targets.bin.clone(),
        bins: targets.bins,
        example: targets.example.clone(),
        examples: targets.examples,
        test: targets.test.clone(),
        tests: targets.tests,
        bench: targets.bench.clone(),
        benches: targets.benches,
        all_targets: targets.all_targets,
        ..selection(common)?
    })
}

fn selection(common: &CommonArguments) -> Result<Selection, WireError> {
    let CommonArguments {
        features,
        compilation,
        manifest,
        ignore_rust_version,
        ..
    } = common;
    let profile = match compilation.release {
        true => Some("release".to_owned()),
        false => compilation.profile.clone(),
    };
    Ok(Selection {
        features: features.features.clone(),
        all_features: features.all_features,
        no_default_features: features.no_default_features,
        profile,
        target: compilation.target.clone(),
        ignore_rust_version: *ignore_rust_version,
        ..in_project(manifest)?
    })
}

fn in_project(manifest: &ManifestArguments) -> Result<Selection, WireError> {
    Ok(Selection {
        manifest_path: manifest.manifest_path.as_deref().map(absolute).transpose()?,
        config: manifest.config.clone(),
        locked: manifest.locked,
        offline: manifest.offline,
        frozen: manifest.frozen,
        ..Selection::default()
    })
}

fn request(
    selection: Selection,
    common: &CommonArguments,
    toolchain: Option<String>,
    verbosity: Verbosity,
) -> Result<BuildRequest, WireError> {
    Ok(BuildRequest {
        directory: current_directory()?.into_string(),
        environment: environment(),
        toolchain,
        selection,
        jobs: common.compilation.jobs.map(|jobs| jobs.number(crate::services::jobs())),
        keep_going: common.compilation.keep_going,
        strict: common.compilation.strict,
        message_format: match common.message_format {
            BuildFormat::Human => MessageFormat::Human,
            BuildFormat::Json => MessageFormat::Json,
            BuildFormat::JsonDiagnosticRenderedAnsi => MessageFormat::JsonRenderedAnsi,
            BuildFormat::JsonRenderDiagnostics => MessageFormat::JsonRenderDiagnostics,
        },
        verbose: verbosity == Verbosity::Verbose,
    })
}

fn absolute(path: &Utf8Path) -> Result<String, WireError> {
    Ok(current_directory()?.join(path).into_string())
}

/// The user's environment.
pub(crate) fn environment() -> Vec<EnvVar> {
    let variables = std::env::vars_os();
    let mut environment: Vec<EnvVar> = variables.map(|(name, value)| EnvVar::escaped(&name, &value)).collect();
    environment.sort();
    environment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser as _;

    fn selection_of(arguments: &[&str]) -> Selection {
        let cli = Cli::try_parse_from([&["vx"], arguments].concat()).unwrap();
        let request = match cli.command {
            Command::Build(arguments) => build(Goal::Build, &arguments, None, Verbosity::Normal),
            Command::Clippy(arguments) => clippy(&arguments, None, Verbosity::Normal),
            Command::Rustc(arguments) => rustc(&arguments, None, Verbosity::Normal),
            Command::Test(arguments) => test(&arguments, None, Verbosity::Normal),
            Command::Run(arguments) => run(&arguments, None, Verbosity::Normal),
            other => panic!("{other:?}"),
        };
        request.unwrap().selection
    }

    #[test]
    fn every_flag_of_build_reaches_the_selection() {
        let selection = selection_of(&[
            "build",
            "-p",
            "a",
            "-pb",
            "--workspace",
            "--exclude",
            "c",
            "--lib",
            "--bin",
            "d",
            "--bins",
            "--example",
            "e",
            "--examples",
            "--test",
            "t1",
            "--tests",
            "--bench",
            "b1",
            "--benches",
            "--all-targets",
            "-F",
            "f g",
            "--features=h",
            "--all-features",
            "--no-default-features",
            "--profile",
            "bench",
            "--target",
            "t",
            "--manifest-path",
            "/m/Cargo.toml",
            "--config",
            "k=1",
            "--locked",
            "--offline",
            "--frozen",
            "--ignore-rust-version",
        ]);
        let expected = Selection {
            packages: vec!["a".to_owned(), "b".to_owned()],
            workspace: true,
            exclude: vec!["c".to_owned()],
            lib: true,
            bin: vec!["d".to_owned()],
            bins: true,
            example: vec!["e".to_owned()],
            examples: true,
            test: vec!["t1".to_owned()],
            tests: true,
            bench: vec!["b1".to_owned()],
            benches: true,
            all_targets: true,
            features: vec!["f g".to_owned(), "h".to_owned()],
            all_features: true,
            no_default_features: true,
            profile: Some("bench".to_owned()),
            target: vec!["t".to_owned()],
            manifest_path: Some("/m/Cargo.toml".to_owned()),
            config: vec!["k=1".to_owned()],
            locked: true,
            offline: true,
            frozen: true,
            ignore_rust_version: true,
            goal: Goal::Build,
            doc: false,
            by_name: false,
            crate_types: Vec::new(),
            no_deps: false,
            extra_args: Vec::new(),
        };
        assert_eq!(selection, expected);
    }

    #[test]
    fn run_asks_for_one_program() {
        let selection = selection_of(&["run", "-r", "--bin", "a", "-p", "b", "--", "--bin"]);
        let expected = Selection {
            packages: vec!["b".to_owned()],
            bin: vec!["a".to_owned()],
            profile: Some("release".to_owned()),
            goal: Goal::Run,
            ..Selection::default()
        };
        assert_eq!(selection, expected);
    }

    #[test]
    fn extra_args_for_the_compiler_are_kept_apart() {
        let clippy = selection_of(&["clippy", "--no-deps", "--tests", "--", "-D", "warnings"]);
        assert_eq!((clippy.goal, clippy.tests), (Goal::Clippy, true));
        assert_eq!(clippy.extra_args, ["--no-deps", "-D", "warnings"]);
        let rustc = selection_of(&["rustc", "--lib", "--crate-type=cdylib,rlib", "--", "-Copt-level=1"]);
        assert_eq!((rustc.goal, rustc.lib), (Goal::Rustc, true));
        assert_eq!(rustc.crate_types, ["cdylib", "rlib"]);
        assert_eq!(rustc.extra_args, ["-Copt-level=1"]);
    }

    #[test]
    fn a_name_of_tests_is_not_the_business_of_the_daemon() {
        let selection = selection_of(&["test", "--doc", "name", "--", "--nocapture"]);
        let expected = Selection {
            goal: Goal::Test,
            doc: true,
            by_name: true,
            ..Selection::default()
        };
        assert_eq!(selection, expected);
    }

    #[test]
    fn a_relative_manifest_path_becomes_absolute() {
        let selection = selection_of(&["build", "--manifest-path", "sub/Cargo.toml"]);
        let expected = current_directory().unwrap().join("sub/Cargo.toml");
        assert_eq!(selection.manifest_path, Some(expected.into_string()));
    }

    #[test]
    fn the_environment_is_sorted() {
        assert!(environment().is_sorted());
    }
}
