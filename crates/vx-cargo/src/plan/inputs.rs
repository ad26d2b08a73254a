//! What a plan depends on, as inputs: manifests, lock file, configuration, and the directories in which Cargo discovers
//! targets and members. What is absent counts too.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use toml::{Table, Value};
use vx_home::WorkspaceLayout;
use vx_model::{Input, RootedPath, Roots};

use super::paths;
use crate::cargo::config::Config;
use crate::cargo::metadata::{Metadata, MetadataPackage};
use crate::workspace::{self, MANIFEST};
use crate::{PlanContext, PlanError};

/// Cargo's configuration in a directory; the second name is the older one.
const CONFIG_FILES: [&str; 2] = [".cargo/config.toml", ".cargo/config"];
/// Names under which Cargo looks for a readme if the manifest does not name one.
const README_FILES: [&str; 3] = ["README.md", "README.txt", "README"];
/// Directories whose entries are targets: `NAME.rs`, `NAME/main.rs`.
const TARGET_DIRECTORIES: [&str; 4] = ["src/bin", "examples", "tests", "benches"];
/// Files that are targets.
const TARGET_FILES: [&str; 3] = ["src/lib.rs", "src/main.rs", "build.rs"];
/// Directories that `**` in a member pattern does not enter.
const NEVER_MEMBERS: [&str; 4] = [".git", WorkspaceLayout::DIRECTORY, "target", "node_modules"];

/// The inputs, sorted, none twice.
pub(super) fn of(
    context: &PlanContext,
    workspace: &Utf8Path,
    roots: &Roots,
    metadata: &Metadata,
    config: &Config,
    vendored: &[Utf8PathBuf],
) -> Result<Vec<Input>, PlanError> {
    let cargo_home = workspace::cargo_home(context);
    let packages: Vec<&MetadataPackage> = metadata
        .packages
        .iter()
        .filter(|package| package.source.is_none())
        .collect();
    let is_outside = |directory: &&Utf8Path| !directory.starts_with(workspace);
    let outside = packages
        .iter()
        .map(|package| package.directory())
        .filter(is_outside)
        .collect();
    let mut inputs = Inputs {
        roots,
        outside,
        found: BTreeSet::new(),
    };
    inputs.file(&workspace.join("Cargo.lock"));
    inputs.file(&WorkspaceLayout::new(workspace).settings());
    inputs.workspace(workspace, cargo_home.as_deref())?;
    for package in packages {
        inputs.package(package);
        if !package.directory().starts_with(workspace) {
            inputs.file(&workspace::root_of(&package.manifest_path, cargo_home.as_deref())?.join(MANIFEST));
        }
    }
    for directory in vendored {
        inputs.tree(directory);
    }
    inputs.configuration(context, workspace, config)?;
    for variable in config.variables()?.into_iter().filter(|variable| !variable.force) {
        inputs.found.insert(Input::Env(variable.name));
    }
    Ok(inputs.found.into_iter().collect())
}

struct Inputs<'a> {
    roots: &'a Roots,
    /// Directories of path packages beside the workspace.
    outside: Vec<&'a Utf8Path>,
    found: BTreeSet<Input>,
}

impl Inputs<'_> {
    fn locate(&self, path: &Utf8Path) -> RootedPath {
        match self.outside.iter().any(|directory| path.starts_with(directory)) {
            true => paths::locate_package(self.roots, path),
            false => self.roots.locate(path.as_str()),
        }
    }

    fn file(&mut self, path: &Utf8Path) {
        let path = self.locate(path);
        self.found.insert(Input::File(path));
    }

    fn kind(&mut self, path: &Utf8Path) {
        let path = self.locate(path);
        self.found.insert(Input::Kind(path));
    }

    fn listing(&mut self, path: &Utf8Path) {
        let path = self.locate(path);
        self.found.insert(Input::Listing(path));
    }

    /// What defines the workspace.
    fn workspace(&mut self, root: &Utf8Path, cargo_home: Option<&Utf8Path>) -> Result<(), PlanError> {
        self.file(&root.join(MANIFEST));
        if !workspace::is_declared_root(root)? {
            // A manifest above could claim the package.
            self.found.insert(Input::Ancestors(MANIFEST.to_owned()));
            for directory in root
                .ancestors()
                .skip(1)
                .take_while(|directory| Some(*directory) != cargo_home)
            {
                self.file_if_there(&directory.join(MANIFEST));
            }
        }
        for pattern in workspace::member_patterns(root)? {
            self.members(root, &pattern);
        }
        Ok(())
    }

    fn file_if_there(&mut self, path: &Utf8Path) {
        if path.exists() {
            self.file(path);
        }
    }

    /// Every directory that the pattern could match, whatever the names, because more may be added.
    fn members(&mut self, root: &Utf8Path, pattern: &str) {
        let mut directories = vec![root.to_owned()];
        for component in pattern.split('/').filter(|component| !component.is_empty()) {
            directories = match component {
                "**" => directories
                    .iter()
                    .flat_map(|directory| self.descend(directory))
                    .collect(),
                name if !name.contains(['*', '?', '[']) => directories
                    .iter()
                    .map(|directory| crate::paths::normalize(directory, name.into()))
                    .collect(),
                _ => directories
                    .iter()
                    .flat_map(|directory| self.subdirectories(directory))
                    .collect(),
            };
        }
        for directory in directories {
            self.kind(&directory.join(MANIFEST));
        }
    }

    fn subdirectories(&mut self, directory: &Utf8Path) -> Vec<Utf8PathBuf> {
        self.listing(directory);
        // A directory that cannot be listed is an answer too.
        let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .map(camino::Utf8DirEntry::into_path)
            .filter(|path| path.is_dir())
            .collect();
        found.sort();
        found
    }

    /// Every file: vendored packages are used as they are.
    fn tree(&mut self, directory: &Utf8Path) {
        for child in self.subdirectories(directory) {
            self.tree(&child);
        }
        let entries = directory.read_dir_utf8().into_iter().flatten().flatten();
        for path in entries
            .map(camino::Utf8DirEntry::into_path)
            .filter(|path| path.is_file())
        {
            self.file(&path);
        }
    }

    fn descend(&mut self, directory: &Utf8Path) -> Vec<Utf8PathBuf> {
        let mut found = vec![directory.to_owned()];
        for child in self.subdirectories(directory) {
            let is_link = child.is_symlink();
            if !is_link && !child.file_name().is_some_and(|name| NEVER_MEMBERS.contains(&name)) {
                found.extend(self.descend(&child));
            }
        }
        found
    }

    /// A path package: its manifest, its targets, its readme.
    fn package(&mut self, package: &MetadataPackage) {
        let directory = package.directory();
        self.file(&package.manifest_path);
        for file in TARGET_FILES.iter().chain(&README_FILES) {
            self.kind(&directory.join(file));
        }
        for name in TARGET_DIRECTORIES {
            for child in self.subdirectories(&directory.join(name)) {
                self.kind(&child.join("main.rs"));
            }
        }
        for target in &package.targets {
            self.kind(&target.src_path);
        }
    }

    /// The configuration that applies in the user's directory.
    fn configuration(&mut self, context: &PlanContext, workspace: &Utf8Path, config: &Config) -> Result<(), PlanError> {
        let is_inside = context.directory.starts_with(workspace);
        for directory in context.directory.ancestors() {
            // Above the workspace, two checkouts agree if neither has any.
            let is_above = is_inside && directory.as_str().len() < workspace.as_str().len();
            for name in CONFIG_FILES {
                let file = directory.join(name);
                match is_above {
                    true => self.file_if_there(&file),
                    false => self.file(&file),
                }
            }
        }
        if is_inside {
            self.found
                .extend(CONFIG_FILES.map(|name| Input::Ancestors(name.to_owned())));
        }
        if let Some(home) = workspace::cargo_home(context) {
            self.file(&home.join("config.toml"));
            self.file(&home.join("config"));
        }
        for argument in context
            .selection
            .config
            .iter()
            .filter(|argument| !argument.contains('='))
        {
            self.file(&crate::paths::normalize(&context.directory, argument.as_str().into()));
        }
        for file in config.files() {
            self.file(file);
            self.included(file)?;
        }
        Ok(())
    }

    /// Files that a configuration file includes, whether they exist or not.
    fn included(&mut self, file: &Utf8Path) -> Result<(), PlanError> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) if text.contains("include") => text,
            _ => return Ok(()),
        };
        let document: Table = workspace::parse(file, &text)?;
        let includes = match document.get("include") {
            Some(Value::Array(includes)) => includes.clone(),
            Some(include) => vec![include.clone()],
            None => Vec::new(),
        };
        let directory = file.parent().unwrap_or(file);
        for include in includes {
            if let Some(path) = include.get("path").unwrap_or(&include).as_str() {
                self.file(&crate::paths::normalize(directory, path.into()));
            }
        }
        Ok(())
    }
}
