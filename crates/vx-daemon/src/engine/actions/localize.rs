//! From an action to the request that runs it here. Nothing else makes such requests, and nothing that could change a
//! result is added later: see `vx_proto::Dispatch` for what a run has besides its request.

use std::collections::BTreeMap;

use vx_model::{Action, DeclaredInput, OutputKind, Root, RootedPath, Roots};
use vx_proto::{Containment, EnvVar, ExecuteRequest, InputFile, Mount, TreePath};

use super::Surroundings;

/// The request. `real` are the roots of `surroundings`, and the directories that were created for this run.
pub(super) fn localize(action: &Action, surroundings: &Surroundings, real: &Roots) -> ExecuteRequest {
    let seen = match action.view() {
        Some(view) => real.clone().in_view(view),
        None => real.clone(),
    };
    let roots = &seen;
    let command = &action.command;
    let mut environment: BTreeMap<_, _> = surroundings.found_by(action).collect();
    environment.extend(&command.environment);
    let files = action.inputs.iter().filter_map(|(path, input)| match input {
        DeclaredInput::File { digest, is_executable } => Some(InputFile {
            path: below_exec_root(path, roots),
            digest: *digest,
            is_executable: *is_executable,
        }),
        DeclaredInput::Directory | DeclaredInput::Immutable { .. } => None,
    });
    let directories = action
        .inputs
        .iter()
        .filter(|(_, input)| **input == DeclaredInput::Directory);
    let outputs = |kind: OutputKind| {
        let of_kind = command.outputs.iter().filter(move |output| output.kind == kind);
        of_kind.map(|output| &output.path)
    };
    ExecuteRequest {
        exec_root: roots.dir(Root::Exec).to_owned(),
        arguments: command
            .arguments
            .iter()
            .map(|argument| argument.render(roots))
            .collect(),
        environment: environment
            .into_iter()
            .map(|(name, value)| EnvVar {
                name: name.clone(),
                value: value.render(roots),
            })
            .collect(),
        working_directory: roots.absolute(&command.working_directory),
        inputs: files.collect(),
        directories: directories.map(|(path, _)| roots.absolute(path)).collect(),
        output_directories: outputs(OutputKind::Files)
            .map(|path| below_exec_root(path, roots))
            .collect(),
        inline_files: outputs(OutputKind::Inline)
            .map(|path| below_exec_root(path, roots))
            .collect(),
        output_trees: outputs(OutputKind::Tree)
            .map(|path| TreePath {
                path: roots.absolute(path),
                name: path.clone(),
            })
            .collect(),
        rustc_json: action.observation.artifact_notices,
        observe: action.observation.file_accesses,
        containment: action.access.containment.as_ref().map(|containment| {
            let absolute = |paths: &[RootedPath]| {
                let known = paths.iter().filter(|path| roots.knows(path.root));
                known.map(|path| roots.absolute(path)).collect()
            };
            Containment {
                writable: absolute(&containment.writable),
                read_only: absolute(&containment.read_only),
                scratch: absolute(&containment.scratch),
                hidden: absolute(&containment.hidden),
                // What is named in requests is found wherever it lies.
                kept: absolute(&Root::ALL.map(|root| RootedPath::new(root, "")))
                    .into_iter()
                    .filter(|path: &String| path != "/")
                    .chain([roots.absolute(&command.working_directory)])
                    .collect(),
                view: containment
                    .view
                    .iter()
                    .flat_map(|view| &view.directories)
                    .map(|path| mount(path, real, roots))
                    .collect(),
                network: containment.network,
            }
        }),
    }
}

/// Shows what is at `path` below the `real` roots where it is below those that the process sees.
fn mount(path: &RootedPath, real: &Roots, seen: &Roots) -> Mount {
    Mount {
        from: real.absolute(path),
        at: seen.absolute(path),
    }
}

/// Relative to the exec root. The executor refuses paths elsewhere.
fn below_exec_root(path: &RootedPath, roots: &Roots) -> String {
    match path.root {
        Root::Exec => path.path.clone(),
        _ => roots.absolute(path),
    }
}

#[cfg(test)]
#[path = "localize_tests.rs"]
mod tests;
