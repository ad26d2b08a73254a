//! From Cargo's JSON to the units and packages of a plan: dependencies first, paths by root.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use vx_model::{Root, RootedPath, Roots, Template};
use vx_packages::{CargoHome, GitStore, RegistrySource, Source};
use vx_proto::Goal;

use super::paths::locate_package;
use super::types::{CompileMode, Dependency, Package, PackageSource, Target, TargetName, Unit, UnitIndex, UnitKind};
use super::{harness, lints, lto};
use crate::cargo::metadata::{Metadata, MetadataPackage};
use crate::cargo::unit_graph::{GraphUnit, UnitGraph};
use crate::workspace::{cargo_home, root_of};
use crate::{Driver, Lto, PlanContext, PlanError, Profile, Settings};

/// Packages and units of a plan.
pub(super) struct Converted {
    pub(super) packages: Vec<Package>,
    /// Dependencies before dependents, without identities.
    pub(super) units: Vec<Unit>,
    /// The number that each unit of the graph has among them.
    pub(super) order: Vec<UnitIndex>,
}

/// Packages and units as the plan has them.
pub(super) fn convert(
    graph: &UnitGraph,
    metadata: &Metadata,
    roots: &Roots,
    context: &PlanContext,
    git: Option<&CargoHome>,
    is_release: bool,
) -> Result<Converted, PlanError> {
    let named: BTreeSet<&str> = graph.units.iter().map(|unit| unit.pkg_id.as_str()).collect();
    let mut converter = Converter {
        context,
        roots,
        git,
        is_release,
        packages: Vec::new(),
        manifests: Vec::new(),
        numbers: BTreeMap::new(),
        moved: BTreeMap::new(),
    };
    for package in metadata
        .packages
        .iter()
        .filter(|package| named.contains(package.id.as_str()))
    {
        converter.package(package, metadata)?;
    }
    let (sorted, order) = dependencies_first(graph);
    let lto = lto::parts(graph);
    let mut units = Vec::with_capacity(sorted.len());
    for number in sorted {
        let part = lto[number].clone().unwrap_or(Lto::OnlyObject);
        units.push(converter.unit(graph, number, part, &order)?);
    }
    Ok(Converted {
        packages: converter.packages,
        units,
        order,
    })
}

/// The numbers of the graph's units, dependencies first, and the position of each unit in that order.
fn dependencies_first(graph: &UnitGraph) -> (Vec<usize>, Vec<UnitIndex>) {
    fn visit(graph: &UnitGraph, number: usize, seen: &mut [bool], sorted: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[number], true) {
            return;
        }
        for dependency in &graph.units[number].dependencies {
            visit(graph, dependency.index, seen, sorted);
        }
        sorted.push(number);
    }
    let mut seen = vec![false; graph.units.len()];
    let mut sorted = Vec::with_capacity(graph.units.len());
    for number in 0..graph.units.len() {
        visit(graph, number, &mut seen, &mut sorted);
    }
    let mut order = vec![0; sorted.len()];
    for (index, number) in sorted.iter().enumerate() {
        order[*number] = index;
    }
    (sorted, order)
}

struct Converter<'a> {
    context: &'a PlanContext,
    roots: &'a Roots,
    /// The directory of Cargo's git checkouts.
    git: Option<&'a CargoHome>,
    is_release: bool,
    packages: Vec<Package>,
    /// The manifest of each.
    manifests: Vec<Utf8PathBuf>,
    numbers: BTreeMap<String, usize>,
    /// Directories of packages and checkouts as Cargo names them, with their real paths.
    moved: BTreeMap<Utf8PathBuf, RootedPath>,
}

impl Converter<'_> {
    fn package(&mut self, said: &MetadataPackage, metadata: &Metadata) -> Result<(), PlanError> {
        let (source, root) = match &said.source {
            None => {
                let member = metadata.workspace_members.contains(&said.id);
                (
                    PackageSource::Path { member },
                    locate_package(self.roots, said.directory()),
                )
            }
            Some(source) => self.foreign_package(said, source)?,
        };
        self.moved.insert(said.directory().to_owned(), root.clone());
        let home = match self.git {
            Some(git) if said.source.is_some() => Some(git.directory().to_owned()),
            _ => cargo_home(self.context),
        };
        let lint_flags = lints::flags(&said.manifest_path, || root_of(&said.manifest_path, home.as_deref()))?;
        self.numbers.insert(said.id.clone(), self.packages.len());
        self.manifests.push(said.manifest_path.clone());
        self.packages.push(Package {
            name: said.name.clone(),
            version: said.version.to_string(),
            id: package_id(said, &root),
            source,
            root,
            links: said.links.clone(),
            environment: said.environment(),
            declared_features: said.features.keys().cloned().collect(),
            lint_flags,
            rust_version: said.rust_version.clone(),
            targets: said
                .targets
                .iter()
                .map(|target| TargetName {
                    name: target.name.clone(),
                    kind: target.kind.clone(),
                })
                .collect(),
        });
        Ok(())
    }

    fn foreign_package(
        &mut self,
        said: &MetadataPackage,
        source: &str,
    ) -> Result<(PackageSource, RootedPath), PlanError> {
        let checkout = self.git.and_then(|git| git.checkout_of(said.directory()));
        match (source.parse(), checkout) {
            (Ok(Source::Git(git)), Some((checkout, name))) => {
                let real = GitStore::new(&self.context.home).directory(&git);
                let root_of_checkout = self.roots.locate(real.as_str());
                self.moved.insert(checkout.to_owned(), root_of_checkout.clone());
                let below = said.directory().strip_prefix(checkout).unwrap_or(Utf8Path::new(""));
                let root = match below.as_str() {
                    "" => root_of_checkout.clone(),
                    below => root_of_checkout.join(below),
                };
                let source = PackageSource::Git {
                    source: source.to_owned(),
                    checkout: root_of_checkout,
                    name: name.to_owned(),
                };
                Ok((source, root))
            }
            _ => self.unpacked_package(said, source),
        }
    }

    /// Cargo has a link to the package; its target is named by its content.
    fn unpacked_package(&self, said: &MetadataPackage, source: &str) -> Result<(PackageSource, RootedPath), PlanError> {
        let directory = said.directory();
        let real = directory
            .canonicalize_utf8()
            .map_err(|source| PlanError::io(directory, source))?;
        let prefix = format!("{}-{}-", said.name, said.version);
        let checksum = real.file_name().and_then(|name| name.strip_prefix(&prefix));
        let is_crates_io = matches!(source.parse(), Ok(RegistrySource::CratesIo));
        match checksum {
            Some(checksum) => {
                let source = PackageSource::Registry {
                    checksum: checksum.to_owned(),
                    source: (!is_crates_io).then(|| source.to_owned()),
                };
                Ok((source, self.roots.locate(real.as_str())))
            }
            None => Err(PlanError::Answer {
                command: "cargo metadata".to_owned(),
                reason: format!(
                    "the package {} {} is in {real}, where vx did not put it",
                    said.name, said.version
                ),
            }),
        }
    }

    fn unit(&self, graph: &UnitGraph, number: usize, lto: Lto, order: &[UnitIndex]) -> Result<Unit, PlanError> {
        let said = &graph.units[number];
        let package = *self.numbers.get(&said.pkg_id).ok_or_else(|| PlanError::Answer {
            command: "cargo metadata".to_owned(),
            reason: format!("it does not list the package {} of the unit graph", said.pkg_id),
        })?;
        let kind = self.kind(graph, said, package)?;
        let dependencies = said.dependencies.iter().map(|dependency| Dependency {
            unit: order[dependency.index],
            extern_name: dependency.extern_crate_name.clone(),
            public: dependency.public,
            noprelude: dependency.noprelude,
        });
        let (driver, extra_args) = self.compiler(graph, number, package, kind);
        let mut features = said.features.clone();
        features.sort();
        Ok(Unit {
            package,
            kind,
            target: self.target(said, package)?,
            platform: said.platform.clone(),
            features,
            dependencies: dependencies.collect(),
            identity: String::new(),
            settings: Settings {
                profile: Profile {
                    is_release: self.is_release,
                    ..said.profile.clone()
                },
                lto,
                driver,
                extra_args,
            },
        })
    }

    /// What compiles a unit, with extra args: Clippy for everything in the workspace, rustc for what was requested.
    fn compiler(&self, graph: &UnitGraph, number: usize, package: usize, kind: UnitKind) -> (Driver, Vec<String>) {
        let extra_args = || self.context.selection.extra_args.clone();
        let is_member = matches!(self.packages[package].source, PackageSource::Path { member: true });
        let is_compiled = matches!(kind, UnitKind::Compile(_));
        match self.context.selection.goal {
            Goal::Clippy if is_member && is_compiled => (Driver::Clippy, extra_args()),
            Goal::Rustc if graph.roots.contains(&number) => (Driver::Rustc, extra_args()),
            Goal::Doc if graph.roots.contains(&number) => {
                (Driver::Rustc, args_for_rustdoc(&graph.units[number], extra_args()))
            }
            _ => (Driver::Rustc, Vec::new()),
        }
    }

    /// What the unit does; refuses what vx does not support.
    fn kind(&self, graph: &UnitGraph, said: &GraphUnit, package: usize) -> Result<UnitKind, PlanError> {
        let refuse = |what: &str| Err(PlanError::unsupported(what, Some(&self.packages[package].name)));
        if said.is_std {
            return refuse("building the standard library (`-Z build-std`)");
        }
        let depends_on = |kind: &str| {
            let dependencies = said
                .dependencies
                .iter()
                .map(|dependency| &graph.units[dependency.index]);
            dependencies
                .filter(|unit| unit.mode == "build")
                .any(|unit| unit.target.kind.iter().any(|known| known == kind))
        };
        match said.mode.as_str() {
            "build" | "check" if depends_on("bin") => refuse("artifact dependencies"),
            "build" => Ok(UnitKind::Compile(CompileMode::Build)),
            "check" if said.checks_tests => Ok(UnitKind::Compile(CompileMode::CheckTest)),
            "check" => Ok(UnitKind::Compile(CompileMode::Check)),
            "test" => Ok(UnitKind::Compile(CompileMode::Test)),
            "doc" => Ok(UnitKind::Compile(CompileMode::Document)),
            "doctest" => Ok(UnitKind::TestDocumentation),
            "run-custom-build" if depends_on("custom-build") => Ok(UnitKind::RunBuildScript),
            // Without a script to compile, its output comes from the configuration.
            "run-custom-build" => refuse("overriding a build script (`target.*.LINKS` in Cargo's configuration)"),
            mode => refuse(&format!("the compile mode `{mode}`")),
        }
    }

    fn target(&self, said: &GraphUnit, package: usize) -> Result<Target, PlanError> {
        let source = Utf8Path::new(&said.target.src_path);
        let is_below = |directory: &&Utf8PathBuf| source.starts_with(directory);
        let known = self
            .moved
            .keys()
            .filter(is_below)
            .max_by_key(|directory| directory.as_str().len());
        let source = match known.and_then(|directory| Some((directory, source.strip_prefix(directory).ok()?))) {
            Some((directory, rest)) => self.moved[directory].join(rest.as_str()),
            // A source file outside its package.
            None => locate_package(self.roots, source),
        };
        let has_tests = said.mode == "test" || said.checks_tests;
        Ok(Target {
            name: said.target.name.clone(),
            kind: said.target.kind.clone(),
            crate_types: said.target.crate_types.clone(),
            source,
            edition: said.target.edition.clone(),
            doc: said.target.doc,
            doctest: said.target.doctest,
            test: said.target.test,
            harness: !has_tests || harness::is_used(&self.manifests[package], &said.target)?,
        })
    }
}

/// rustdoc's flags for a root. A program has only private items, so links to them are not broken for any reader.
fn args_for_rustdoc(unit: &GraphUnit, mut extra_args: Vec<String>) -> Vec<String> {
    if unit.target.kind.iter().any(|kind| kind == "bin") {
        if extra_args.is_empty() {
            extra_args.push("--document-private-items".to_owned());
        }
        extra_args.push("-Arustdoc::private-intra-doc-links".to_owned());
    }
    extra_args
}

/// Cargo's id of the package with its root named.
fn package_id(said: &MetadataPackage, root: &RootedPath) -> Template {
    match said.id.strip_prefix("path+file://").and_then(|id| id.rsplit_once('#')) {
        Some((_, fragment)) if root.root == Root::Workspace => Template::from("path+file://")
            .path(root.clone())
            .text(format!("#{fragment}")),
        _ => Template::from(said.id.as_str()),
    }
}
