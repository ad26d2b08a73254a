//! What the lock file names, fetched and offered to Cargo as directory sources and git checkouts.

use camino::{Utf8Path, Utf8PathBuf};
use vx_download::DownloadCache;
use vx_packages::{
    CargoHome, GitSource, GitStore, LockedPackage, Lockfile, PackageDir, PackageError, PackageStore, RegistrySource,
    Source, VendoredPackage,
};

use super::{Status, lock_file};
use crate::cargo::config::Config;
use crate::cargo::metadata::Metadata;
use crate::cargo::refusal::{is_about_fetching, is_about_lockfile};
use crate::cargo::tools::{self, Tools};
use crate::sources::{self, Location, Sources};
use crate::workspace::cargo_home;
use crate::{PlanContext, PlanError, SourceReplacement};

/// When Cargo is asked to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetching {
    /// Called for a package that is not in the store.
    WhereMissing,
    /// In any case.
    Always,
}

/// Downloads what the lock file of `workspace` names, and lets Cargo create the lock file if it is missing. `downloads`
/// is the shared download cache.
pub async fn prepare_packages(
    context: &PlanContext,
    workspace: &Utf8Path,
    downloads: &DownloadCache,
    status: &Status<'_>,
) -> Result<SourceReplacement, PlanError> {
    prepare(context, workspace, downloads, status, Fetching::WhereMissing).await
}

/// Lets Cargo fetch the content of `source` again, if that could help: its caches may have been emptied meanwhile.
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
    let lockfile = lock_file::read_or_make(context, workspace, status).await?;
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

/// A [`SourceReplacement`] in preparation.
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

    /// Lets Cargo fetch `commits` and the packages of `registries`, and takes them from there.
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
        let metadata: Metadata = match tools::answer(command).await {
            // Planning finds the same, and knows what to do about it.
            Err(PlanError::Cargo { stderr, .. }) if is_about_lockfile(&stderr) => return Ok(()),
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
