//! The lock file of a workspace: read by vx, created and updated by Cargo.

use std::io;

use camino::Utf8Path;
use vx_packages::{CargoHome, Lockfile};

use super::Status;
use crate::cargo::tools::{self, Tools};
use crate::{PlanContext, PlanError, SourceReplacement};

/// The lock file of `workspace`; Cargo creates it if it is missing.
pub(super) async fn read_or_make(
    context: &PlanContext,
    workspace: &Utf8Path,
    status: &Status<'_>,
) -> Result<Lockfile, PlanError> {
    let path = workspace.join("Cargo.lock");
    if let Some(lockfile) = read(&path)? {
        return Ok(lockfile);
    }
    tell(&run(context, "generate-lockfile", None).await?, status);
    Ok(read(&path)?.unwrap_or_default())
}

/// Lets Cargo update the lock file to match the manifests, with as few changes as possible.
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
/// Cargo's home is the user's, which may already have the index of a registry, or `home` if that has git repositories.
async fn run(context: &PlanContext, subcommand: &str, home: Option<&CargoHome>) -> Result<String, PlanError> {
    let planning = context.home.planning();
    std::fs::create_dir_all(&planning).map_err(|source| PlanError::io(planning, source))?;
    let mut command = Tools::new(context).cargo([subcommand]);
    if subcommand == "update" {
        command.arg("--workspace");
    }
    tools::live_in(&mut command, home);
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
    let output = tools::run(command).await?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn tell(stderr: &str, status: &Status<'_>) {
    for (verb, text) in lines(stderr) {
        status(verb, text.to_owned());
    }
}

/// Cargo's lines that are a verb and a text: ` Updating crates.io index`.
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
