//! Makes a plan: runs several commands of Cargo at once, and adds what they leave out.

use std::collections::BTreeSet;

use camino::Utf8Path;
use vx_model::{Roots, Template};

use super::compilers::{CLIPPY, program_beside, refuse_other_compilers, refuse_without_clippy};
use super::directories::{output_directory, profile_directory};
use super::platform::Platforms;
use super::types::{Plan, PlanToolchain, Platform};
use super::{identity, inputs, profile, units, warnings};
use crate::cargo::config::Config;
use crate::cargo::refusal::is_about_lockfile;
use crate::cargo::tools::Tools;
use crate::cargo::unit_graph::UnitGraph;
use crate::cargo::{metadata, unit_graph};
use crate::{PlanContext, PlanError, SourceReplacement, Status, packages, workspace_root};

impl Plan {
    /// Asks the toolchain's cargo what to build, with the packages of `source`.
    ///
    /// Cargo updates a lock file that does not match the manifests, unless the user forbids it. What Cargo prints about
    /// that goes to `status`: it is shown once, and is not part of the plan.
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
        // Several may refuse for the same reason; the same one is always reported.
        let (config, platforms) = configured?;
        let (graph, stderr) = graph?;
        let metadata = metadata?;
        if metadata.workspace_root != workspace {
            let reason = format!(
                "it reports {} as the workspace root, not {workspace}",
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
        let is_release = profile::is_release(context, &workspace, &config)?;
        let converted = units::convert(
            &graph,
            &metadata,
            &roots,
            context,
            source.cargo_home.as_ref(),
            is_release,
        )?;
        let profile_name = profile::requested(context);
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
            warnings: warnings::of_cargo(&stderr, &roots, &metadata),
            units: converted.units,
        };
        plan.profile = profile::description(&plan, &profile_name);
        identity::assign(&mut plan, &context.toolchain.identity.hex());
        plan.warnings.extend(warnings::collisions(&plan));
        plan.warnings.extend(warnings::lost_debuginfo(&plan));
        Ok(plan)
    }
}

/// Cargo numbers units in the order in which it runs tests.
fn sorted(roots: &[usize]) -> impl Iterator<Item = usize> {
    roots.iter().copied().collect::<BTreeSet<usize>>().into_iter()
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

/// The requested triples; `host-tuple` is the host's.
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

/// What is known when all commands are done.
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
        let locate = |path: &Utf8Path| self.roots.locate(path.as_str());
        let beside = |name| locate(&program_beside(&toolchain.rustc, name));
        let bootstrap = self.context.environment.get("RUSTC_BOOTSTRAP").cloned();
        let is_prerelease = toolchain.release.contains("-nightly") || toolchain.release.contains("-dev");
        PlanToolchain {
            rustc: locate(&toolchain.rustc),
            rustdoc: beside("rustdoc"),
            clippy: beside(CLIPPY),
            cargo: locate(&toolchain.cargo),
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

/// How rustc names the standard library's sources in its outputs.
fn virtual_sources(verbose_version: &str, release: &str) -> String {
    let commit = verbose_version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "));
    let name = commit.filter(|commit| *commit != "unknown").unwrap_or(release);
    format!("/rustc/{name}")
}
