//! Packages for Cargo: what the lock file names, fetched and offered as directory sources and git checkouts.
//!
//! Packages of registries are downloaded by vx, vendored ones copied; git repositories, and registries that want to know
//! who the user is, are fetched by Cargo into a home of its own. The lock file itself is Cargo's: where it is missing or
//! does not fit the manifests, Cargo makes or mends it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_download::DownloadCache;
use vx_packages::{
    CargoHome, GitSource, GitStore, LockedPackage, Lockfile, PackageDir, PackageError, PackageStore, RegistrySource,
    Source, VendoredPackage,
};

use crate::make::cargo::{self, Tools};
use crate::make::config::Config;
use crate::make::metadata::Metadata;
use crate::sources::{self, Location, Sources};
use crate::workspace::cargo_home;
use crate::{PlanContext, PlanError};

/// Tells the user what is going on: a verb, a text.
pub type Status<'a> = dyn Fn(&str, String) + Send + Sync + 'a;

/// Where Cargo finds packages while planning.
#[derive(Debug, Clone)]
pub struct SourceReplacement {
    /// Options of Cargo's (`--config`) that put a directory source in the place of each source whose packages vx holds.
    pub(crate) options: Vec<String>,
    /// Cargo's home with the git repositories; none where the lock file names none.
    pub(crate) cargo_home: Option<CargoHome>,
    /// Vendored packages, where the user has them.
    pub(crate) vendored: Vec<Utf8PathBuf>,
    /// Whether Cargo has looked just now that everything is in `cargo_home`.
    fetched: bool,
    /// The shared download cache: planning may find that the lock file is stale.
    downloads: DownloadCache,
}

/// When Cargo is asked to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetching {
    /// When a package is not in the store.
    WhereMissing,
    /// In any case.
    Always,
}

/// Downloads what the lock file of `workspace` names, and has Cargo make the lock file where there is none. `downloads` is
/// the shared download cache.
pub async fn prepare_packages(
    context: &PlanContext,
    workspace: &Utf8Path,
    downloads: &DownloadCache,
    status: &Status<'_>,
) -> Result<SourceReplacement, PlanError> {
    prepare(context, workspace, downloads, status, Fetching::WhereMissing).await
}

/// Has Cargo fetch again what `source` stands for, if that could help: its caches may have been emptied meanwhile.
pub(crate) async fn fetch_again(
    context: &PlanContext,
    workspace: &Utf8Path,
    source: &SourceReplacement,
    status: &Status<'_>,
) -> Result<Option<SourceReplacement>, PlanError> {
    if source.cargo_home.is_none() || source.fetched {
        return Ok(None);
    }
    let fetched = prepare(context, workspace, &source.downloads, status, Fetching::Always).await?;
    Ok(Some(fetched))
}

/// As [`prepare_packages`], once the lock file has changed.
pub(crate) async fn prepare_again(
    context: &PlanContext,
    workspace: &Utf8Path,
    source: &SourceReplacement,
    status: &Status<'_>,
) -> Result<SourceReplacement, PlanError> {
    prepare_packages(context, workspace, &source.downloads, status).await
}

async fn prepare(
    context: &PlanContext,
    workspace: &Utf8Path,
    downloads: &DownloadCache,
    status: &Status<'_>,
    fetching: Fetching,
) -> Result<SourceReplacement, PlanError> {
    let path = workspace.join("Cargo.lock");
    let lockfile = match read(&path)? {
        Some(lockfile) => lockfile,
        None => {
            tell(&run(context, "generate-lockfile", None).await?, status);
            read(&path)?.unwrap_or_default()
        }
    };
    let sources = match sources::are_configured(context) {
        true => Sources::new(Config::ask(Tools::new(context), context).await?),
        false => Sources::default(),
    };
    let preparation = Preparation {
        context,
        status,
        lockfile: &lockfile,
        sources,
        store: PackageStore {
            home: context.home.clone(),
            downloads: downloads.clone(),
            cargo_homes: [CargoHome::shared(downloads.directory())]
                .into_iter()
                .chain(cargo_home(context))
                .collect(),
        },
        replacement: SourceReplacement {
            options: Vec::new(),
            cargo_home: None,
            vendored: Vec::new(),
            fetched: false,
            downloads: downloads.clone(),
        },
        views: 0,
    };
    preparation.all(fetching).await
}

/// What is on its way to a [`SourceReplacement`].
struct Preparation<'a> {
    context: &'a PlanContext,
    status: &'a Status<'a>,
    lockfile: &'a Lockfile,
    sources: Sources,
    store: PackageStore,
    replacement: SourceReplacement,
    /// Directory sources so far.
    views: usize,
}

impl<'a> Preparation<'a> {
    async fn all(mut self, fetching: Fetching) -> Result<SourceReplacement, PlanError> {
        let mut left = Vec::new();
        for (registry, packages) in &self.lockfile.registries {
            let location = self.sources.of_registry(registry);
            match self.registry(registry, packages, &location).await {
                Err(PlanError::Package(error)) if matches!(*error, PackageError::OnlyCargo { .. }) => {
                    left.push((registry, packages));
                }
                done => done?,
            }
        }
        let mut commits = Vec::new();
        for git in self.lockfile.git.keys() {
            match self.sources.of_git(git) {
                Location::Directory(vendor) => self.vendored_git(git, &vendor)?,
                _ => commits.push(git),
            }
        }
        if !left.is_empty() || !commits.is_empty() || !self.lockfile.unused.is_empty() {
            self.replacement.cargo_home = Some(self.open_cargo_home()?);
        }
        let store = GitStore::new(&self.context.home);
        commits.retain(|git| fetching == Fetching::Always || !store.directory(git).is_dir());
        if !left.is_empty() || !commits.is_empty() || fetching == Fetching::Always {
            self.fetch_with_cargo(&commits, &left).await?;
        }
        Ok(self.replacement)
    }

    /// Offers the packages of a registry to Cargo.
    async fn registry(
        &mut self,
        registry: &RegistrySource,
        packages: &[LockedPackage],
        location: &Location,
    ) -> Result<(), PlanError> {
        let directories = match location {
            Location::Directory(vendor) => {
                let named = packages
                    .iter()
                    .map(|package| (package.name.as_str(), package.version.as_str()));
                self.vendored(vendor, named)?
            }
            location => {
                let tell = |package: &LockedPackage| {
                    (self.status)("Downloading", format!("{} v{}", package.name, package.version));
                };
                self.store.fetch(&location.origin(), packages, &tell).await?
            }
        };
        let view = self.view(&directories)?;
        let options = self.sources.replace_registry(registry, &view, self.views);
        self.replacement.options.extend(options);
        Ok(())
    }

    fn vendored_git(&mut self, git: &GitSource, vendor: &Utf8Path) -> Result<(), PlanError> {
        let packages = &self.lockfile.git[git];
        let named = packages
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str()));
        let directories = self.vendored(vendor, named)?;
        let view = self.view(&directories)?;
        let options = self.sources.replace_git(git, &view, self.views);
        self.replacement.options.extend(options);
        Ok(())
    }

    fn vendored<'b>(
        &mut self,
        vendor: &Utf8Path,
        named: impl IntoIterator<Item = (&'b str, &'b str)>,
    ) -> Result<Vec<PackageDir>, PlanError> {
        let taken = tokio::task::block_in_place(|| self.store.take_vendored(vendor, named))?;
        let mut directories = Vec::new();
        for VendoredPackage { package, original } in taken {
            directories.push(package);
            self.replacement.vendored.push(original);
        }
        Ok(directories)
    }

    fn view(&mut self, directories: &[PackageDir]) -> Result<Utf8PathBuf, PlanError> {
        self.views += 1;
        let home = &self.context.home;
        vx_packages::source_view(home, directories).map_err(|source| PlanError::io(home.sources(), source))
    }

    fn open_cargo_home(&self) -> Result<CargoHome, PlanError> {
        let users = cargo_home(self.context);
        let directories = || {
            self.context
                .directory
                .ancestors()
                .map(|directory| directory.join(".cargo"))
        };
        let has_config = users
            .as_ref()
            .is_some_and(|users| directories().any(|directory| directory == *users));
        let home = &self.context.home;
        CargoHome::open(
            home,
            self.replacement.downloads.directory(),
            users.as_deref(),
            has_config,
        )
        .map_err(|source| PlanError::io(home.sources(), source))
    }

    /// Has Cargo fetch `commits` and the packages of `registries`, and takes them over from there.
    async fn fetch_with_cargo(
        &mut self,
        commits: &[&GitSource],
        registries: &[(&'a RegistrySource, &'a Vec<LockedPackage>)],
    ) -> Result<(), PlanError> {
        let Some(home) = self.replacement.cargo_home.clone() else {
            return Ok(());
        };
        for git in commits {
            if let Some(users) = cargo_home(self.context) {
                tokio::task::block_in_place(|| home.adopt(&users, git)).map_err(PlanError::from)?;
            }
            (self.status)("Fetching", git.to_string());
        }
        for (registry, _) in registries {
            (self.status)("Fetching", registry.to_string());
        }
        let command = Tools::new(self.context).fetcher(&self.replacement);
        let metadata: Metadata = match cargo::answer(command).await {
            // Planning finds the same, and what to do about it.
            Err(PlanError::Cargo { stderr, .. }) if crate::make::is_about_lockfile(&stderr) => return Ok(()),
            Err(PlanError::Cargo { stderr, .. }) if is_about_fetching(&stderr) => {
                return Err(PlanError::Fetch { stderr });
            }
            answer => answer?,
        };
        self.replacement.fetched = true;
        self.take_checkouts(&home, &metadata)?;
        for (registry, packages) in registries {
            self.registry(registry, packages, &Location::Cargo).await?;
        }
        Ok(())
    }

    /// Puts the commits that Cargo has checked out into the store.
    fn take_checkouts(&self, home: &CargoHome, metadata: &Metadata) -> Result<(), PlanError> {
        let store = GitStore::new(&self.context.home);
        for package in &metadata.packages {
            let Some(Ok(Source::Git(git))) = package.source.as_deref().map(str::parse) else {
                continue;
            };
            if let Some((checkout, _)) = home.checkout_of(&package.manifest_path) {
                tokio::task::block_in_place(|| store.take(&git, checkout))?;
            }
        }
        Ok(())
    }
}

/// Whether Cargo could not fetch something.
fn is_about_fetching(stderr: &str) -> bool {
    let texts = [
        "failed to get `",
        "Unable to update",
        "failed to fetch",
        "failed to download",
        "failed to load source",
    ];
    texts.iter().any(|text| stderr.contains(text))
}

/// Has Cargo fit the lock file to the manifests, changing as little as it can.
pub(crate) async fn mend_lockfile(
    context: &PlanContext,
    source: &SourceReplacement,
    status: &Status<'_>,
) -> Result<(), PlanError> {
    tell(&run(context, "update", source.cargo_home.as_ref()).await?, status);
    Ok(())
}

/// Runs a command of Cargo's that writes the lock file, with the user's own registries and permissions.
///
/// Cargo lives in the user's home, which may have the index of a registry already; in `home` where repositories of git are
/// there.
async fn run(context: &PlanContext, subcommand: &str, home: Option<&CargoHome>) -> Result<String, PlanError> {
    let planning = context.home.planning();
    std::fs::create_dir_all(&planning).map_err(|source| PlanError::io(planning, source))?;
    let mut command = Tools::new(context).cargo([subcommand]);
    if subcommand == "update" {
        command.arg("--workspace");
    }
    cargo::live_in(&mut command, home);
    let selection = &context.selection;
    let switches = [
        ("--locked", selection.locked),
        ("--offline", selection.offline),
        ("--frozen", selection.frozen),
    ];
    command.args(switches.iter().filter(|(_, set)| *set).map(|(flag, _)| flag));
    if let Some(manifest) = &selection.manifest_path {
        command.arg("--manifest-path").arg(manifest);
    }
    let output = cargo::run(command).await?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn tell(stderr: &str, status: &Status<'_>) {
    for (verb, text) in lines(stderr) {
        status(verb, text.to_owned());
    }
}

/// The lines of Cargo's that are a verb and a text: `    Updating crates.io index`.
fn lines(stderr: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = stderr.lines().filter(|line| line.starts_with(' '));
    lines.filter_map(|line| line.trim_start().split_once(' '))
}

fn read(path: &Utf8Path) -> Result<Option<Lockfile>, PlanError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(PlanError::io(path, source)),
    };
    let lockfile = Lockfile::parse(&text).map_err(|source| PlanError::Lockfile {
        path: path.to_owned(),
        source,
    })?;
    Ok(Some(lockfile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_while_it_locks() {
        let stderr =
            "    Updating crates.io index\n     Locking 3 packages to latest compatible versions\nwarning: x\n";
        let said: Vec<_> = lines(stderr).collect();
        let expected = [
            ("Updating", "crates.io index"),
            ("Locking", "3 packages to latest compatible versions"),
        ];
        assert_eq!(said, expected);
    }
}
