//! Weak and strong keys of units.

use vx_cargo::{Compile, Package, PackageSource, RunScript};
use vx_model::{Digest, InputSet, Key, KeyBuilder, Part, Template};
use vx_toolchain::Toolchain;

use super::questions::describe;

/// A template as a text that no other template has: places in braces, braces of the text doubled.
pub(crate) fn template_text(template: &Template) -> String {
    template
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Part::Place(place) if place.path.is_empty() => format!("{{{:?}}}", place.root),
            Part::Place(place) => format!("{{{:?}/{}}}", place.root, place.path),
        })
        .collect()
}

fn place_text(place: &vx_model::RootedPath) -> String {
    template_text(&Template::from(place.clone()))
}

/// What a compile unit's weak key has beside its command.
#[derive(Debug, Default)]
pub(crate) struct CompileFacts {
    /// Files in `deps`, with the package each is of.
    pub(crate) dependencies: Vec<(String, String, Digest)>,
    /// Variables that rustc, a linker or a proc macro may read without saying so.
    pub(crate) environment: Vec<(String, String)>,
    /// Where the programs of a link are found on `PATH`.
    pub(crate) programs: Vec<(String, String)>,
    /// The processor, where it decides what is made.
    pub(crate) processor: Option<&'static str>,
}

/// The weak key of a compile unit.
pub(crate) fn compile_key(
    toolchain: &Toolchain,
    package: &Package,
    compile: &Compile,
    mut facts: CompileFacts,
) -> KeyBuilder {
    let mut key = KeyBuilder::new("rustc").part("toolchain", toolchain.identity.to_string());
    key = package_part(key, package);
    key = key.part("working directory", place_text(&compile.working_directory));
    for argument in &compile.arguments {
        key = key.part("argument", template_text(argument));
    }
    for (name, value) in compile.place_variables() {
        key = key.part(format!("variable {name} set by cargo"), template_text(value));
    }
    key = library_path_parts(key, &compile.library_path);
    facts.dependencies.sort();
    for (name, file, digest) in facts.dependencies {
        key = key.part(format!("dependency {name} ({file})"), digest.to_string());
    }
    key = environment_parts(key, facts.environment);
    for (program, found) in facts.programs {
        key = key.part(format!("program {program}"), found);
    }
    if let Some(processor) = facts.processor {
        key = key.part("processor", processor);
    }
    key
}

/// The weak key of a build-script run. `environment` is what the user's environment adds to the script's.
pub(crate) fn script_key(
    toolchain: &Toolchain,
    package: &Package,
    run: &RunScript,
    executable: Digest,
    libraries: &[(String, Digest)],
    environment: Vec<(String, String)>,
) -> KeyBuilder {
    let mut key = KeyBuilder::new("build script")
        .part("toolchain", toolchain.identity.to_string())
        .part("build script executable", executable.to_string());
    key = package_part(key, package);
    key = key.part("working directory", place_text(&run.working_directory));
    for (name, value) in &run.environment {
        key = key.part(format!("variable {name} set by cargo"), template_text(value));
    }
    key = library_path_parts(key, &run.library_path);
    for (file, digest) in libraries {
        key = key.part(format!("library {file}"), digest.to_string());
    }
    environment_parts(key, environment)
}

fn library_path_parts(mut key: KeyBuilder, directories: &[Template]) -> KeyBuilder {
    for directory in directories {
        key = key.part("library path", template_text(directory));
    }
    key
}

fn package_part(key: KeyBuilder, package: &Package) -> KeyBuilder {
    let source = match &package.source {
        PackageSource::Path { member } => format!("path package, member: {member}"),
        source => source.identity(&package.root),
    };
    key.part("package", format!("{} {} ({source})", package.name, package.version))
}

fn environment_parts(mut key: KeyBuilder, mut environment: Vec<(String, String)>) -> KeyBuilder {
    environment.sort();
    for (name, value) in environment {
        key = key.part(format!("environment variable {name}"), value);
    }
    key
}

/// The strong key: the weak key and the answers to the questions of an input set.
pub(crate) fn strong_key(weak: Key, set: &InputSet, answers: &[String]) -> KeyBuilder {
    let mut key = KeyBuilder::new("result").part("weak key", weak.hex());
    for (input, answer) in set.inputs().iter().zip(answers) {
        key = key.part(describe(input), answer.clone());
    }
    key
}

#[cfg(test)]
mod tests {
    use vx_model::{Root, RootedPath};

    use super::*;

    #[test]
    fn texts_that_look_like_places_are_not_places() {
        let place = Template::from(RootedPath::new(Root::Workspace, "src"));
        assert_eq!(template_text(&place), "{Workspace/src}");
        assert_eq!(template_text(&Template::from("{Workspace/src}")), "{{Workspace/src}}");
    }
}
