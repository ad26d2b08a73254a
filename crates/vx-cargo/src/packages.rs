//! Registry packages for Cargo: what the lock file names, downloaded and offered as a directory source.
//!
//! The lock file itself is Cargo's: where it is missing or does not fit the manifests, Cargo makes or mends it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vx_toolchain::{DownloadCache, LockedPackage, Lockfile, OtherPackage, OtherSource, PackageStore, Registry};

use crate::make::cargo::{self, Tools};
use crate::make::config::Config;
use crate::workspace::cargo_home;
use crate::{PlanContext, PlanError};

/// Tells the user what is going on: a verb, a text.
pub type Status<'a> = dyn Fn(&str, String) + Send + Sync + 'a;

/// Where Cargo finds registry packages while planning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceReplacement {
    /// A directory source (`NAME-VERSION/` with `.cargo-checksum.json`), absolute; none where the lock file names no
    /// registry package.
    pub directory: Option<Utf8PathBuf>,
    /// The shared download cache, absolute: planning may find that the lock file is stale.
    pub downloads: Utf8PathBuf,
}

/// Downloads what the lock file of `workspace` names, and has Cargo make the lock file where there is none. `downloads` is
/// the shared download cache. Refuses by name what is not supported, before anything is fetched.
pub async fn prepare_packages(
    context: &PlanContext,
    workspace: &Utf8Path,
    downloads: &Utf8Path,
    status: &Status<'_>,
) -> Result<SourceReplacement, PlanError> {
    let path = workspace.join("Cargo.lock");
    let lockfile = match read(&path)? {
        Some(lockfile) => lockfile,
        None => {
            tell(&run(context, "generate-lockfile").await?, status);
            read(&path)?.unwrap_or_default()
        }
    };
    refuse_others(&lockfile.others)?;
    Ok(SourceReplacement {
        directory: match lockfile.packages.as_slice() {
            [] => None,
            packages => Some(fetch(context, downloads, packages, status).await?),
        },
        downloads: downloads.to_owned(),
    })
}

/// Has Cargo fit the lock file to the manifests, changing as little as it can.
pub(crate) async fn mend_lockfile(context: &PlanContext, status: &Status<'_>) -> Result<(), PlanError> {
    tell(&run(context, "update").await?, status);
    Ok(())
}

/// Runs a command of Cargo's that writes the lock file, with the user's own registries and permissions.
async fn run(context: &PlanContext, subcommand: &str) -> Result<String, PlanError> {
    let planning = context.home.planning();
    std::fs::create_dir_all(&planning).map_err(|source| PlanError::io(planning, source))?;
    let mut command = Tools::new(context).cargo([subcommand]);
    if subcommand == "update" {
        command.arg("--workspace");
    }
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

fn refuse_others(others: &[OtherPackage]) -> Result<(), PlanError> {
    let Some(other) = others.first() else {
        return Ok(());
    };
    let what = match other.kind {
        OtherSource::Git => "git dependencies",
        OtherSource::Registry => "a registry other than crates.io",
    };
    Err(PlanError::unsupported(what, Some(&other.name)))
}

async fn fetch(
    context: &PlanContext,
    downloads: &Utf8Path,
    packages: &[LockedPackage],
    status: &Status<'_>,
) -> Result<Utf8PathBuf, PlanError> {
    let is_missing = |package: &LockedPackage| !PackageStore::directory(&context.home, package).is_dir();
    let offline = context.selection.offline || context.selection.frozen;
    let store = PackageStore {
        home: context.home.clone(),
        downloads: DownloadCache::new(downloads, offline),
        cargo_home: cargo_home(context),
        registry: match packages.iter().any(is_missing) {
            true => registry(context).await?,
            false => Registry::crates_io(),
        },
    };
    let tell = |package: &LockedPackage| status("Downloading", format!("{} v{}", package.name, package.version));
    let directories = store.fetch(packages, &tell).await?;
    let view = vx_toolchain::source_view(&context.home, &directories);
    view.map_err(|source| PlanError::io(context.home.sources(), source))
}

/// crates.io, or the mirror that Cargo's configuration puts in its place.
async fn registry(context: &PlanContext) -> Result<Registry, PlanError> {
    let config = Config::ask(Tools::new(context), context).await?;
    let mirror = config.sparse_mirror("crates-io");
    Ok(mirror.map_or_else(Registry::crates_io, Registry::new))
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
