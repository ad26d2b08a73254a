//! `ScriptOutput`: what a build script told Cargo on its standard output, with templates instead of paths.

mod parse;

use serde::{Deserialize, Serialize};
use vx_model::{Part, Root, RootedPath, Roots, Template};

pub(crate) use parse::read;
pub use parse::{ScriptError, script_warnings};

/// What a build script printed. Kept with the result of its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptOutput {
    /// `OUT_DIR`.
    pub out_dir: RootedPath,
    /// `-L`: in the script's order.
    pub library_paths: Vec<LibraryPath>,
    /// `-l`: in the script's order.
    pub library_links: Vec<Template>,
    /// `-C link-arg`, each with the targets that get it.
    pub link_args: Vec<(LinkArgTarget, Template)>,
    /// `--cfg`.
    pub cfgs: Vec<Template>,
    /// `--check-cfg`.
    pub check_cfgs: Vec<Template>,
    /// Variables for rustc; a later one replaces an earlier one of the same name.
    pub env: Vec<(String, Template)>,
    /// Metadata for the build scripts of dependents, through `links`.
    pub metadata: Vec<(String, Template)>,
    warnings: Vec<String>,
    rerun_if_changed: Vec<Template>,
    rerun_if_env_changed: Vec<String>,
}

/// A directory in which rustc looks for libraries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryPath {
    /// The value of `-L`, including a `KIND=` before the path.
    pub value: Template,
    /// Where the directory is.
    pub location: LibraryLocation,
}

/// Decides when rustc searches a directory with libraries, and whether programs find these at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LibraryLocation {
    /// Below the script's `OUT_DIR`: searched first, and found.
    OutDir,
    /// Below another directory that build scripts write to: found.
    Build,
    /// A directory of the user or the system.
    Elsewhere,
}

impl LibraryPath {
    /// The directory without the `KIND=` before it.
    pub fn directory(&self) -> Template {
        match self.value.parts.split_first() {
            Some((Part::Text(text), rest)) => {
                let kind_and_path = text.split_once('=').filter(|(kind, _)| LIBRARY_KINDS.contains(kind));
                let path = kind_and_path.map_or(text.as_str(), |(_, path)| path);
                Template::from(path).then(Template { parts: rest.to_vec() })
            }
            _ => self.value.clone(),
        }
    }
}

/// What may stand before the path of a `-L`.
pub(crate) const LIBRARY_KINDS: [&str; 5] = ["native", "crate", "dependency", "framework", "all"];

/// Which targets of the package get a link argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkArgTarget {
    /// Every one that is linked.
    All,
    /// C dynamic libraries, including those of dependents.
    Cdylib,
    /// Programs.
    Bins,
    /// The program of this name.
    Bin(String),
    /// Integration tests.
    Tests,
    /// Benchmarks.
    Benches,
    /// Examples.
    Examples,
}

/// The fields of Cargo's JSON message `build-script-executed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptMessage {
    /// Values of `-l`.
    pub linked_libs: Vec<String>,
    /// Values of `-L`.
    pub linked_paths: Vec<String>,
    /// Values of `--cfg`.
    pub cfgs: Vec<String>,
    /// Variables for rustc.
    pub env: Vec<(String, String)>,
    /// Absolute.
    pub out_dir: String,
}

impl ScriptOutput {
    /// Nothing but an output directory.
    pub fn new(out_dir: RootedPath) -> Self {
        Self {
            out_dir,
            library_paths: Vec::new(),
            library_links: Vec::new(),
            link_args: Vec::new(),
            cfgs: Vec::new(),
            check_cfgs: Vec::new(),
            env: Vec::new(),
            metadata: Vec::new(),
            warnings: Vec::new(),
            rerun_if_changed: Vec::new(),
            rerun_if_env_changed: Vec::new(),
        }
    }

    /// Warnings for the user, without `warning:`.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.warnings.iter().map(String::as_str)
    }

    /// Files and directories that the script depends on, relative to the package root or absolute.
    pub fn rerun_if_changed(&self) -> impl Iterator<Item = &Template> {
        self.rerun_if_changed.iter()
    }

    /// Variables that the script depends on.
    pub fn rerun_if_env_changed(&self) -> impl Iterator<Item = &str> {
        self.rerun_if_env_changed.iter().map(String::as_str)
    }

    /// Whether it names a path below `root`, other than `OUT_DIR` itself.
    pub fn names_path_below(&self, root: Root) -> bool {
        let named = Self {
            out_dir: RootedPath::new(Root::Host, ""),
            ..self.clone()
        };
        named.clone().moved(root, &RootedPath::new(Root::Host, "elsewhere")) != named
    }

    /// The same with every path below `root` moved below `to`.
    #[must_use]
    pub fn moved(mut self, root: Root, to: &RootedPath) -> Self {
        if self.out_dir.root == root {
            self.out_dir = to.join(&self.out_dir.path);
        }
        let library_paths = self.library_paths.iter_mut().map(|path| &mut path.value);
        let templates = library_paths
            .chain(&mut self.library_links)
            .chain(self.link_args.iter_mut().map(|(_, value)| value))
            .chain(&mut self.cfgs)
            .chain(&mut self.check_cfgs)
            .chain(self.env.iter_mut().map(|(_, value)| value))
            .chain(self.metadata.iter_mut().map(|(_, value)| value))
            .chain(&mut self.rerun_if_changed);
        for template in templates {
            *template = std::mem::take(template).moved(root, to);
        }
        self
    }

    /// As Cargo's JSON message tells it.
    pub fn for_message(&self, roots: &Roots) -> ScriptMessage {
        let render = |templates: &[Template]| templates.iter().map(|template| template.render(roots)).collect();
        ScriptMessage {
            linked_libs: render(&self.library_links),
            linked_paths: self.library_paths.iter().map(|path| path.value.render(roots)).collect(),
            cfgs: render(&self.cfgs),
            env: self
                .env
                .iter()
                .map(|(name, value)| (name.clone(), value.render(roots)))
                .collect(),
            out_dir: roots.absolute(&self.out_dir),
        }
    }
}

#[cfg(test)]
mod tests;
