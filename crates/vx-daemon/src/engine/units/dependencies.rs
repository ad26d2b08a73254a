//! What actions of all kinds declare: the toolchain, the package, and files of other units.

use std::collections::BTreeMap;

use vx_cargo::{Compile, Needs, UnitIndex, UnitKind};
use vx_home::WorkspaceLayout;
use vx_model::{DeclaredInput, Digest, OutputFile, Root, RootedPath};

use crate::engine::actions::Stop;
use crate::engine::build::{Context, Progress};

/// The directory of dependencies in the exec root.
const DEPENDENCIES: &str = "deps";

/// Inputs by path.
pub(super) type Inputs = BTreeMap<RootedPath, DeclaredInput>;

/// The toolchain, and the package of `unit` if it is immutable.
pub(super) fn immutable(context: &Context, unit: UnitIndex) -> Inputs {
    let identity = context.toolchain().to_string();
    let toolchain = (
        RootedPath::new(Root::Toolchain, ""),
        DeclaredInput::Immutable { identity },
    );
    let package = context.package(unit);
    let immutable = (!package.source.is_path()).then(|| {
        let source = package.source.identity(&package.root);
        let identity = format!("{} {} ({source})", package.name, package.version);
        (package.root.clone(), DeclaredInput::Immutable { identity })
    });
    [toolchain].into_iter().chain(immutable).collect()
}

/// What the actions of this machine require of a machine.
pub(super) fn platform() -> BTreeMap<String, String> {
    let properties = [("OSFamily", std::env::consts::OS), ("ISA", std::env::consts::ARCH)];
    properties
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// vx's directory in a workspace: nothing there is an input, and compilers write there.
pub(super) fn private_directory() -> RootedPath {
    RootedPath::new(Root::Workspace, WorkspaceLayout::DIRECTORY)
}

/// A crate that can be compiled or documented, because everything that it depends on is there.
pub(super) struct ReadyCrate {
    pub(super) compile: Compile,
    /// The toolchain, the package, and the crates that it is compiled against.
    pub(super) inputs: Inputs,
    /// Libraries of proc macros among these crates.
    pub(super) macros: Vec<Digest>,
}

impl ReadyCrate {
    /// Waits for everything that decides the command of `unit`, and for the files that it needs.
    pub(super) async fn wait(context: &Context, unit: UnitIndex) -> Result<Self, Stop> {
        let units = &context.plan.units;
        for dependency in &units[unit].dependencies {
            let needs = match units[dependency.unit].kind {
                UnitKind::Compile(_) => Needs::Metadata,
                UnitKind::RunBuildScript | UnitKind::TestDocumentation => Needs::Everything,
            };
            context.board.wait(dependency.unit, needs).await?;
        }
        let compile = context.plan.unit(unit).compile(&|script| context.board.script(script));
        let mut inputs = immutable(context, unit);
        inputs.insert(RootedPath::new(Root::Exec, DEPENDENCIES), DeclaredInput::Directory);
        let mut macros = Vec::new();
        for (dependency, needs) in &compile.inputs {
            let files = match context.board.wait(*dependency, *needs).await? {
                Progress::Metadata(file) => vec![file],
                Progress::Compiled(compiled) => needed(&compiled.files, *needs),
                Progress::Ran(_) | Progress::Waiting | Progress::Failed => Vec::new(),
            };
            if units[*dependency].target.kind.iter().any(|kind| kind == "proc-macro") {
                macros.extend(files.iter().map(|file| file.digest));
            }
            inputs.extend(files.iter().map(among_dependencies));
        }
        Ok(Self {
            compile,
            inputs,
            macros,
        })
    }
}

/// The outputs of a dependency that the dependent needs.
pub(super) fn needed(files: &[OutputFile], needs: Needs) -> Vec<OutputFile> {
    let is_metadata = |file: &&OutputFile| file.path.path.ends_with(".rmeta");
    let metadata: Vec<OutputFile> = files.iter().filter(is_metadata).cloned().collect();
    match needs {
        Needs::Metadata if !metadata.is_empty() => metadata,
        _ => files.to_vec(),
    }
}

/// A unit's output as an input of another.
pub(super) fn among_dependencies(file: &OutputFile) -> (RootedPath, DeclaredInput) {
    let path = format!("{DEPENDENCIES}/{}", file.path.file_name());
    (
        RootedPath::new(Root::Exec, path),
        DeclaredInput::File {
            digest: file.digest,
            is_executable: file.is_executable,
        },
    )
}
