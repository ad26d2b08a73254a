//! `Project`: files of a workspace, an empty home, and the plan for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use vx_cargo::{Plan, PlanContext, PlanError, ScriptOutput, UnitIndex};
use vx_download::DownloadCache;
use vx_home::VxHome;
use vx_model::{Root, Roots};
use vx_proto::Selection;
use vx_toolchain::KnownToolchains;

/// Variables that a test inherits; all others would make it depend on where it runs.
const INHERITED: &[&str] = &["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];

pub(crate) struct Project {
    _directory: tempfile::TempDir,
    pub(crate) root: Utf8PathBuf,
    pub(crate) context: PlanContext,
}

impl Project {
    /// A project of these files, in the directory `workspace` of an empty one. Paths are relative to the workspace.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let top = Utf8Path::from_path(directory.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        let root = top.join("workspace");
        std::fs::create_dir(&root).unwrap();
        let context = context(&root, &top.join("home"));
        let project = Self {
            _directory: directory,
            root,
            context,
        };
        project.write(files);
        project
    }

    pub(crate) fn write(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    /// A directory for what a test makes beside the project.
    pub(crate) fn scratch(&self) -> Utf8PathBuf {
        self.root.with_file_name("scratch")
    }

    /// Puts a package of the registry into the home, as if it had been downloaded, and answers its entry in a lock file.
    pub(crate) fn registry_package(
        &self,
        name: &str,
        version: &str,
        dependencies: &[&str],
        files: &[(&str, &str)],
    ) -> String {
        let checksum = vx_model::Digest::of(format!("{name} {version}").as_bytes()).hex();
        let directory = self
            .context
            .home
            .packages()
            .join(format!("{name}-{version}-{checksum}"));
        std::fs::create_dir_all(&directory).unwrap();
        let sums = format!("{{\"files\":{{}},\"package\":\"{checksum}\"}}");
        for (path, text) in files.iter().chain(&[(".cargo-checksum.json", sums.as_str())]) {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let dependencies: String = dependencies.iter().map(|name| format!("{name:?},")).collect();
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
             checksum = \"{checksum}\"\ndependencies = [{dependencies}]\n"
        )
    }

    pub(crate) fn roots(&self) -> Roots {
        roots(&self.context, &self.root)
    }

    pub(crate) fn selecting(mut self, selection: Selection) -> Self {
        self.context.selection = selection;
        self
    }

    pub(crate) fn with_environment(mut self, variables: &[(&str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.context.environment.extend(variables);
        self
    }

    pub(crate) fn plan(&self) -> Result<Plan, PlanError> {
        plan(&self.context)
    }
}

/// The plan, with the packages of the lock file.
pub(crate) fn plan(context: &PlanContext) -> Result<Plan, PlanError> {
    // Verifying downloads blocks its thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let workspace = vx_cargo::workspace_root(context).await?;
        let offline = context.selection.offline || context.selection.frozen;
        let downloads = DownloadCache::new(context.home.downloads(), offline);
        let source = vx_cargo::prepare_packages(context, &workspace, &downloads, &|_, _| {}).await?;
        Plan::make(context, &source, &|_, _| {}).await
    })
}

pub(crate) fn roots(context: &PlanContext, workspace: &Utf8Path) -> Roots {
    context.roots(workspace).with(Root::Exec, "/vx-exec")
}

/// A request of a user in `directory`.
pub(crate) fn context(directory: &Utf8Path, home: &Utf8Path) -> PlanContext {
    let environment: BTreeMap<String, String> = std::env::vars()
        .filter(|(name, _)| INHERITED.contains(&name.as_str()))
        .collect();
    // One memory for all tests: hashing a toolchain takes a second.
    let known = KnownToolchains::new(Utf8Path::new(env!("CARGO_TARGET_TMPDIR")));
    PlanContext {
        directory: directory.to_owned(),
        toolchain: vx_toolchain::select(directory, &environment, None, &known).unwrap(),
        environment,
        home: VxHome::new(home),
        selection: Selection::default(),
    }
}

/// Outputs of build scripts by unit.
#[derive(Default)]
pub(crate) struct Outputs(pub(crate) BTreeMap<UnitIndex, Arc<ScriptOutput>>);

impl Outputs {
    pub(crate) fn get(&self, unit: UnitIndex) -> Option<Arc<ScriptOutput>> {
        self.0.get(&unit).cloned()
    }
}
