//! Making a plan: Cargo, asked in several ways at once, and what it leaves out.

pub(crate) mod cargo;
pub(crate) mod config;
mod harness;
mod identity;
mod inputs;
mod lints;
mod lto;
pub(crate) mod metadata;
mod places;
mod platform;
mod unit_graph;
mod units;

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use vx_model::{Roots, Template};
use vx_proto::Goal;

use crate::plan::{Plan, PlanToolchain, Platform};
use crate::workspace::{MANIFEST, parse};
use crate::{PlanContext, PlanError, SourceReplacement, Status, packages, workspace_root};

use cargo::Tools;
use config::Config;
use metadata::Metadata;
use platform::Platforms;
use unit_graph::UnitGraph;

/// The name of Clippy's compiler.
const CLIPPY: &str = "clippy-driver";

/// Directory of final outputs below the workspace root.
const OUTPUTS: &str = ".vx/build";

impl Plan {
    /// Asks the toolchain's cargo what to build, with the packages of `source`.
    ///
    /// A lock file that does not fit the manifests is mended by Cargo, unless the user forbids it; what Cargo says about
    /// that goes to `status`: it is news once, and no part of the plan.
    pub async fn make(
        context: &PlanContext,
        source: &SourceReplacement,
        status: &Status<'_>,
    ) -> Result<Self, PlanError> {
        let refusal = match Self::make_mending(context, source, status).await {
            Err(refusal @ PlanError::Cargo { .. }) => refusal,
            result => return result,
        };
        let workspace = workspace_root(context).await?;
        match packages::fetch_again(context, &workspace, source, status).await? {
            Some(fetched) => Self::make_mending(context, &fetched, status).await,
            None => Err(refusal),
        }
    }

    async fn make_mending(
        context: &PlanContext,
        source: &SourceReplacement,
        status: &Status<'_>,
    ) -> Result<Self, PlanError> {
        let refusal = match Self::make_locked(context, source).await {
            Err(PlanError::Cargo { stderr, code }) if is_about_lockfile(&stderr) => PlanError::Cargo { stderr, code },
            result => return result,
        };
        let workspace = workspace_root(context).await?;
        let lockfile = || std::fs::read(workspace.join("Cargo.lock")).ok();
        let before = lockfile();
        packages::mend_lockfile(context, source, status).await?;
        if lockfile() == before {
            return Err(refusal);
        }
        let source = packages::prepare_again(context, &workspace, source, status).await?;
        Self::make_locked(context, &source).await
    }

    async fn make_locked(context: &PlanContext, source: &SourceReplacement) -> Result<Self, PlanError> {
        let workspace = workspace_root(context).await?;
        let planning = context.home.planning();
        std::fs::create_dir_all(&planning).map_err(|source| PlanError::io(planning, source))?;
        let roots = context.roots(&workspace);
        let tools = Tools::new(context);
        let (configured, graph, metadata) = tokio::join!(
            configuration(context, tools, &roots),
            unit_graph::ask(tools, &context.selection, source),
            metadata::ask(tools, source),
        );
        // Several may refuse for the same reason; always the same one is heard.
        let (config, platforms) = configured?;
        let (graph, stderr) = graph?;
        let metadata = metadata?;
        if metadata.workspace_root != workspace {
            let reason = format!(
                "it takes {} for the workspace root, not {workspace}",
                metadata.workspace_root
            );
            return Err(PlanError::Answer {
                command: "cargo metadata".to_owned(),
                reason,
            });
        }
        let asked = Asked {
            context,
            tools,
            roots: &roots,
            config: &config,
        };
        let platforms = asked.missing_platforms(&graph, platforms).await?;
        let inputs = inputs::of(context, &workspace, &roots, &metadata, &config, &source.vendored)?;
        let is_release = is_release(context, &workspace, &config)?;
        let converted = units::convert(
            &graph,
            &metadata,
            &roots,
            context,
            source.cargo_home.as_ref(),
            is_release,
        )?;
        let profile_name = requested_profile(context);
        let mut plan = Self {
            packages: converted.packages,
            roots: sorted(&graph.roots).map(|root| converted.order[root]).collect(),
            profile: String::new(),
            output_directory: output_directory(
                profile_directory(&profile_name),
                platforms.get(1).and_then(|platform| platform.triple.as_deref()),
            ),
            profile_directory: profile_directory(&profile_name).to_owned(),
            toolchain: asked.toolchain(),
            platforms,
            config_environment: asked.config_environment()?,
            jobs: config.text(&["build", "jobs"]),
            inputs,
            warnings: warnings(&stderr, &roots, &metadata),
            units: converted.units,
        };
        plan.profile = plan.profile_description(&profile_name);
        identity::assign(&mut plan, &context.toolchain.identity.hex());
        plan.warnings.extend(plan.collisions());
        plan.warnings.extend(plan.lost_debuginfo());
        Ok(plan)
    }
}

/// Cargo numbers units in the order in which it runs tests.
fn sorted(roots: &[usize]) -> impl Iterator<Item = usize> {
    roots.iter().copied().collect::<BTreeSet<usize>>().into_iter()
}

/// Whether Cargo refuses because the lock file does not fit the manifests. While planning, it must not change the lock
/// file, and knows no packages but those that the lock file names.
pub(crate) fn is_about_lockfile(stderr: &str) -> bool {
    ["--locked", "no matching package", "failed to select a version"]
        .iter()
        .any(|text| stderr.contains(text))
}

/// The configuration, and the platforms that the user named.
async fn configuration(
    context: &PlanContext,
    tools: Tools<'_>,
    roots: &Roots,
) -> Result<(Config, Vec<Platform>), PlanError> {
    refuse_without_clippy(context)?;
    let config = Config::ask(tools, context).await?;
    refuse_other_compilers(context, &config)?;
    let targets = requested_targets(context, &config);
    let platforms = Platforms {
        tools,
        config: &config,
        roots,
        host: &context.toolchain.host,
        is_cross: !targets.is_empty(),
    };
    let mut found = vec![platforms.ask(None).await?];
    for target in &targets {
        found.push(platforms.ask(Some(target)).await?);
    }
    Ok((config, found))
}

/// The triples that Cargo is asked for by name; `host-tuple` is the host's.
fn requested_targets(context: &PlanContext, config: &Config) -> BTreeSet<String> {
    let targets = match context.selection.target.as_slice() {
        [] => config.build_targets(),
        targets => targets.to_vec(),
    };
    let name = |target: String| {
        if target == "host-tuple" {
            context.toolchain.host.clone()
        } else {
            target
        }
    };
    targets.into_iter().map(name).collect()
}

/// Another compiler than the toolchain's, or one wrapped, cannot be told apart by content.
fn refuse_other_compilers(context: &PlanContext, config: &Config) -> Result<(), PlanError> {
    let keys = [
        ("rustc", "RUSTC", "build.rustc"),
        ("rustc-wrapper", "RUSTC_WRAPPER", "build.rustc-wrapper"),
        (
            "rustc-workspace-wrapper",
            "RUSTC_WORKSPACE_WRAPPER",
            "build.rustc-workspace-wrapper",
        ),
    ];
    for (key, variable, name) in keys {
        let of_environment = context.environment.get(variable).map(|value| (variable, value.clone()));
        let found = of_environment.or_else(|| config.text(&["build", key]).map(|value| (name, value)));
        // An empty value switches a wrapper off.
        let Some((name, value)) = found.filter(|(_, value)| !value.is_empty()) else {
            continue;
        };
        if key == "rustc" && (value == "rustc" || value == context.toolchain.rustc) {
            continue;
        }
        return Err(PlanError::Unsupported {
            what: format!("another compiler by `{name}` ({value})"),
            package: None,
            help: Some(format!(
                "unset `{name}`; vx chooses the toolchain as rustup does, and caches by itself"
            )),
        });
    }
    Ok(())
}

/// What is known when every question has been answered.
struct Asked<'a> {
    context: &'a PlanContext,
    tools: Tools<'a>,
    roots: &'a Roots,
    config: &'a Config,
}

impl Asked<'_> {
    /// Adds platforms that only the graph names.
    async fn missing_platforms(
        &self,
        graph: &UnitGraph,
        mut platforms: Vec<Platform>,
    ) -> Result<Vec<Platform>, PlanError> {
        let named: BTreeSet<&str> = graph.units.iter().filter_map(|unit| unit.platform.as_deref()).collect();
        let asker = Platforms {
            tools: self.tools,
            config: self.config,
            roots: self.roots,
            host: &self.context.toolchain.host,
            is_cross: true,
        };
        for triple in named {
            if !platforms
                .iter()
                .any(|platform| platform.triple.as_deref() == Some(triple))
            {
                platforms.push(asker.ask(Some(triple)).await?);
            }
        }
        Ok(platforms)
    }

    fn toolchain(&self) -> PlanToolchain {
        let toolchain = &self.context.toolchain;
        let place = |path: &Utf8Path| self.roots.locate(path.as_str());
        let beside = |name| place(&program_beside(&toolchain.rustc, name));
        let bootstrap = self.context.environment.get("RUSTC_BOOTSTRAP").cloned();
        let is_prerelease = toolchain.release.contains("-nightly") || toolchain.release.contains("-dev");
        PlanToolchain {
            rustc: place(&toolchain.rustc),
            rustdoc: beside("rustdoc"),
            clippy: beside(CLIPPY),
            cargo: place(&toolchain.cargo),
            release: toolchain.release.clone(),
            host: toolchain.host.clone(),
            virtual_sources: virtual_sources(&toolchain.verbose_version, &toolchain.release),
            is_nightly: is_prerelease || bootstrap.as_deref() == Some("1"),
            bootstrap,
        }
    }

    fn config_environment(&self) -> Result<Vec<(String, Template)>, PlanError> {
        let variables = self.config.variables()?.into_iter();
        let applies = variables.filter(|variable| variable.force || !self.config.is_in_environment(&variable.name));
        Ok(applies
            .map(|variable| (variable.name, Template::from_text(&variable.value, self.roots)))
            .collect())
    }
}

/// Another program of the toolchain.
fn program_beside(rustc: &Utf8Path, name: &str) -> Utf8PathBuf {
    rustc.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

/// Clippy is a component that a toolchain may lack.
fn refuse_without_clippy(context: &PlanContext) -> Result<(), PlanError> {
    if context.selection.goal != Goal::Clippy || program_beside(&context.toolchain.rustc, CLIPPY).is_file() {
        return Ok(());
    }
    let name = &context.toolchain.name;
    Err(PlanError::Unsupported {
        what: format!("Clippy, which the toolchain {name} does not have"),
        package: None,
        help: Some(format!(
            "add it: `rustup component add clippy --toolchain {name}`, or name it in the components of rust-toolchain.toml"
        )),
    })
}

/// How rustc names the standard library's sources in what it makes.
fn virtual_sources(verbose_version: &str, release: &str) -> String {
    let commit = verbose_version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "));
    let name = commit.filter(|commit| *commit != "unknown").unwrap_or(release);
    format!("/rustc/{name}")
}

fn requested_profile(context: &PlanContext) -> String {
    let of_goal = match context.selection.goal {
        Goal::Test => "test",
        Goal::Bench => "bench",
        Goal::Build | Goal::Run | Goal::Check | Goal::Clippy | Goal::Rustc | Goal::Doc | Goal::Fetch => "dev",
    };
    context.selection.profile.clone().unwrap_or_else(|| of_goal.to_owned())
}

/// Cargo's name of the directory of a profile's outputs.
fn profile_directory(profile: &str) -> &str {
    match profile {
        "dev" | "test" => "debug",
        "bench" => "release",
        name => name,
    }
}

/// Where final outputs lie, below the workspace root; `name` is the directory of a profile, or another beside those.
pub(crate) fn output_directory(name: &str, triple: Option<&str>) -> String {
    format!("{OUTPUTS}/{}", of_platform(name, triple))
}

/// Where the directory `name` of a platform lies, below the directory of all outputs.
pub(crate) fn of_platform(name: &str, triple: Option<&str>) -> String {
    match triple {
        Some(triple) => format!("{triple}/{name}"),
        None => name.to_owned(),
    }
}

/// The directory of all documentation, below the workspace root.
pub(crate) fn documentation_directory(triple: Option<&str>) -> String {
    output_directory("doc", triple)
}

/// The directory for the files of integration tests, below the workspace root.
pub(crate) fn test_directory(triple: Option<&str>) -> String {
    output_directory("tmp", triple)
}

/// Whether the requested profile descends from `release`.
fn is_release(context: &PlanContext, workspace: &Utf8Path, config: &Config) -> Result<bool, PlanError> {
    let manifest = workspace.join(MANIFEST);
    let text = std::fs::read_to_string(&manifest).map_err(|source| PlanError::io(&manifest, source))?;
    let document: toml::Table = parse(&manifest, &text)?;
    let mut name = requested_profile(context);
    let mut seen = BTreeSet::new();
    // Cargo has refused circles before.
    while seen.insert(name.clone()) {
        match name.as_str() {
            "release" | "bench" => return Ok(true),
            "dev" | "test" => return Ok(false),
            _ => {}
        }
        let in_manifest = || {
            Some(
                document
                    .get("profile")?
                    .get(&name)?
                    .get("inherits")?
                    .as_str()?
                    .to_owned(),
            )
        };
        match config.text(&["profile", &name, "inherits"]).or_else(in_manifest) {
            Some(parent) => name = parent,
            None => break,
        }
    }
    Ok(false)
}

/// What Cargo wrote to standard error, for the user.
fn warnings(stderr: &str, roots: &Roots, metadata: &Metadata) -> Vec<Template> {
    let mut warnings: Vec<String> = Vec::new();
    for line in stderr.lines().filter(|line| !is_status(line)) {
        let is_new = line.starts_with("warning:") || line.starts_with("note:");
        match warnings.last_mut() {
            Some(last) if !is_new => {
                last.push('\n');
                last.push_str(line);
            }
            _ => warnings.push(line.to_owned()),
        }
    }
    // Cargo's own order differs from run to run.
    warnings.sort();
    let packages: Vec<&Utf8Path> = metadata.packages.iter().map(|package| package.directory()).collect();
    let template = |warning: &String| places::template(roots, &packages, warning.trim_end());
    warnings.iter().map(template).collect()
}

/// Whether Cargo reports progress here: a verb that ends in the twelfth column, and a text.
fn is_status(line: &str) -> bool {
    let verb = line.split_at_checked(12).filter(|(_, text)| text.starts_with(' '));
    verb.is_some_and(|(verb, _)| {
        let verb = verb.trim_start();
        verb.starts_with(|c: char| c.is_ascii_uppercase()) && verb.chars().all(|c| c.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_no_warning() {
        let stderr =
            "    Blocking waiting for file lock on package cache\nwarning: b\n  more\nwarning: a\n   Compiling x\n";
        let metadata = Metadata {
            packages: Vec::new(),
            workspace_members: Vec::new(),
            workspace_root: "/w".into(),
        };
        let warnings = warnings(stderr, &Roots::default(), &metadata);
        assert_eq!(
            warnings,
            [Template::from("warning: a"), Template::from("warning: b\n  more")]
        );
    }
}
