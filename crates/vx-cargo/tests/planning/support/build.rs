//! Carries a plan out, in order, without keys, store or sandbox: what the commands of a plan are for.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use vx_cargo::{Plan, PlanContext, UnitIndex, UnitKind};
use vx_model::{Digest, Root, RootedPath, Roots, Template};

use super::project::Outputs;

/// What a plan was made into.
pub(crate) struct Built {
    /// Exec root of each unit.
    pub(crate) exec: BTreeMap<UnitIndex, Utf8PathBuf>,
    pub(crate) outputs: Outputs,
}

impl Built {
    /// The output file of a unit.
    pub(crate) fn file(&self, unit: UnitIndex, name: &str) -> Utf8PathBuf {
        self.exec[&unit].join("out").join(name)
    }
}

/// Runs every unit in an exec root of its own below `scratch`.
pub(crate) fn build(plan: &Plan, context: &PlanContext, roots: &Roots, scratch: &Utf8Path) -> Built {
    let mut built = Built {
        exec: BTreeMap::new(),
        outputs: Outputs::default(),
    };
    for (number, unit) in plan.units.iter().enumerate() {
        let exec = scratch.join(format!("exec-{number}"));
        for directory in ["deps", "out"] {
            std::fs::create_dir_all(exec.join(directory)).unwrap();
        }
        match unit.kind {
            UnitKind::Compile(_) => compile(plan, context, roots, number, &exec, &built),
            UnitKind::RunBuildScript => {
                let said = run_script(plan, context, roots, number, &exec, &built);
                built.outputs.0.insert(number, Arc::new(said));
            }
            UnitKind::TestDocumentation => {}
        }
        built.exec.insert(number, exec);
    }
    built
}

fn compile(plan: &Plan, context: &PlanContext, roots: &Roots, unit: UnitIndex, exec: &Utf8Path, built: &Built) {
    let compile = plan.unit(unit).compile(&|script| built.outputs.get(script));
    for (dependency, needs) in &compile.inputs {
        for file in built.exec[dependency].join("out").read_dir_utf8().unwrap() {
            let file = file.unwrap();
            let is_metadata = file.file_name().ends_with(".rmeta");
            let is_needed = match needs {
                vx_cargo::Needs::Metadata => is_metadata,
                vx_cargo::Needs::Everything => !file.file_name().ends_with(".d"),
            };
            if is_needed {
                std::fs::copy(file.path(), exec.join("deps").join(file.file_name())).unwrap();
            }
        }
    }
    let roots = roots.clone().with(Root::Exec, exec.as_str());
    let arguments: Vec<String> = compile
        .arguments
        .iter()
        .map(|argument| argument.render(&roots))
        .collect();
    let mut command = Command::new(&arguments[0]);
    command.args(&arguments[1..]);
    run(
        command,
        context,
        &roots,
        &[compile.environment, compile.reported_environment].concat(),
        &compile.library_path,
        &compile.working_directory,
    );
    assert!(
        exec.join("out").join(compile.dep_info.as_deref().unwrap()).is_file(),
        "{:?}",
        compile.dep_info
    );
    if let Some(metadata) = &compile.metadata {
        assert!(exec.join("out").join(metadata).is_file(), "{metadata}");
    }
    for uplift in plan.unit(unit).uplifts() {
        assert!(exec.join("out").join(&uplift.file).is_file(), "{}", uplift.file);
    }
}

/// Runs a script and gives its output directory the name of what is in it, as the engine does.
fn run_script(
    plan: &Plan,
    context: &PlanContext,
    roots: &Roots,
    unit: UnitIndex,
    exec: &Utf8Path,
    built: &Built,
) -> vx_cargo::ScriptOutput {
    let run_script = plan
        .unit(unit)
        .script_run()
        .command(&|script| built.outputs.get(script));
    let is_program = |file: &Utf8PathBuf| file.extension().is_none();
    let mut files = built.exec[&run_script.script].join("out").read_dir_utf8().unwrap();
    let program = files
        .find_map(|file| Some(file.unwrap().into_path()).filter(is_program))
        .unwrap();
    let out = context.home.out();
    let directory = out.join(format!("run-{unit}"));
    let roots = roots
        .clone()
        .with(Root::Exec, exec.as_str())
        .with(Root::Script, directory.as_str());
    for directory in plan.unit(unit).script_run().directories() {
        std::fs::create_dir_all(roots.absolute(&directory)).unwrap();
    }
    let stdout = run(
        Command::new(&program),
        context,
        &roots,
        &run_script.environment,
        &run_script.library_path,
        &run_script.working_directory,
    );
    let said = plan.unit(unit).script_run().output(&stdout, &roots).unwrap();
    let mut content = said.out_dir.path.clone();
    let out_dir = Utf8PathBuf::from(roots.absolute(&said.out_dir));
    for file in out_dir.read_dir_utf8().unwrap() {
        let file = file.unwrap();
        content.push_str(&format!(
            "{} {}\n",
            file.file_name(),
            Digest::of(&std::fs::read(file.path()).unwrap())
        ));
    }
    let name = Digest::of(content.as_bytes()).hex();
    if !out.join(&name).exists() {
        std::fs::rename(&directory, out.join(&name)).unwrap();
    }
    said.moved(Root::Script, &RootedPath::new(Root::VxHome, format!("out/{name}")))
}

fn run(
    mut command: Command,
    context: &PlanContext,
    roots: &Roots,
    environment: &[(String, Template)],
    library_path: &[Template],
    directory: &RootedPath,
) -> Vec<u8> {
    let library_path: Vec<String> = library_path.iter().map(|directory| directory.render(roots)).collect();
    command
        .env_clear()
        .envs(&context.environment)
        .envs(environment.iter().map(|(name, value)| (name, value.render(roots))))
        .env("LD_LIBRARY_PATH", library_path.join(":"))
        .current_dir(roots.absolute(directory));
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{stderr}");
    output.stdout
}
