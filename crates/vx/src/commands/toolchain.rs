//! `vx toolchain`: the toolchains of rustup and of vx, and the one in use here. Needs no daemon.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;
use vx_download::{DownloadCache, Transferred};
use vx_home::env;
use vx_proto::{ErrorKind, WireError};
use vx_toolchain::{
    AcquireError, Caller, DistServer, KeptToolchain, KnownToolchains, Toolchain, ToolchainError, ToolchainSpec,
    ToolchainStore,
};

use crate::Invocation;
use crate::cli::{InstallArguments, ToolchainCommand};
use crate::render::{Transfers, Verbosity};
use crate::request;

/// Lists, installs, removes or finds.
pub(crate) fn run(command: &ToolchainCommand, invocation: &mut Invocation<'_>) -> Result<ExitCode, WireError> {
    match command {
        ToolchainCommand::List => list(invocation)?,
        ToolchainCommand::Install(arguments) => install(arguments, invocation)?,
        ToolchainCommand::Remove { names } => remove(names, invocation)?,
        ToolchainCommand::Which { program } => which(program, invocation)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(invocation: &mut Invocation<'_>) -> Result<(), WireError> {
    let environment = variables();
    let store = store(invocation, &environment);
    let used = used_here(invocation).ok();
    let is_used = |directory: &Utf8Path| used.as_ref().is_some_and(|used| used.sysroot == directory);
    let mark = |is_used: bool| if is_used { " (in use)" } else { "" };
    let names = vx_toolchain::rustup_toolchains(&environment).map_err(|error| failure(&error))?;
    for name in names {
        let is_used = used.as_ref().is_some_and(|used| used.name == name);
        invocation
            .screen
            .answer(&format!("{name} from rustup{}", mark(is_used)));
    }
    for KeptToolchain { names, directory } in kept(&store)? {
        let names: Vec<String> = match names.is_empty() {
            true => directory.file_name().map(str::to_owned).into_iter().collect(),
            false => names.into_iter().collect(),
        };
        let line = format!("{} from vx{}", names.join(", "), mark(is_used(&directory)));
        invocation.screen.answer(&line);
    }
    Ok(())
}

fn install(arguments: &InstallArguments, invocation: &mut Invocation<'_>) -> Result<(), WireError> {
    for channel in &arguments.channels {
        let spec = ToolchainSpec {
            profile: arguments.profile.clone(),
            components: arguments.component.clone(),
            targets: arguments.target.clone(),
            ..ToolchainSpec::named(channel).ok_or_else(|| no_channel(channel))?
        };
        let acquired = online(invocation, async |store, status| {
            store.with_forced_lookup().acquire(&spec, status).await
        })?;
        let acquired = acquired.map_err(|error| not_acquired(channel, &error))?;
        invocation
            .screen
            .status("Installed", format!("{} ({})", acquired.name, acquired.directory));
    }
    Ok(())
}

fn remove(names: &[String], invocation: &mut Invocation<'_>) -> Result<(), WireError> {
    let environment = variables();
    let store = store(invocation, &environment);
    let of_rustup = vx_toolchain::rustup_toolchains(&environment).map_err(|error| failure(&error))?;
    for name in names {
        // A name that is not a channel can only be a directory.
        let host = ToolchainSpec::named(name).map(|spec| spec.host).unwrap_or_default();
        let removed = store.remove(name, &host);
        let removed = removed.map_err(|error| machine(format!("cannot remove toolchain `{name}`"), &error))?;
        let full_name = format!("{name}-{host}");
        match removed.as_slice() {
            [] if of_rustup.iter().any(|other| other == name || *other == full_name) => {
                return Err(
                    WireError::new(ErrorKind::Usage, format!("toolchain `{name}` was installed by rustup"))
                        .with_help(format!("run `rustup toolchain uninstall {name}`")),
                );
            }
            [] => {
                return Err(
                    WireError::new(ErrorKind::Usage, format!("toolchain `{name}` is not installed"))
                        .with_help("run `vx toolchain list` to see the installed toolchains"),
                );
            }
            removed => removed
                .iter()
                .for_each(|directory| invocation.screen.status("Removed", format!("{name} ({directory})"))),
        }
    }
    Ok(())
}

fn which(program: &str, invocation: &mut Invocation<'_>) -> Result<(), WireError> {
    let used = used_here(invocation)?;
    let path = match program {
        "rustc" => used.rustc,
        "cargo" => used.cargo,
        program => used
            .rustc
            .with_file_name(format!("{program}{}", std::env::consts::EXE_SUFFIX)),
    };
    if !path.is_file() {
        let message = format!("toolchain `{}` does not contain `{program}`", used.name);
        return Err(WireError::new(ErrorKind::Usage, message));
    }
    invocation.screen.answer(path.as_str());
    Ok(())
}

/// The toolchain that a build here would use, if it is on this machine.
pub(super) fn used_here(invocation: &Invocation<'_>) -> Result<Toolchain, WireError> {
    let user = User::of(invocation)?;
    let store = store(invocation, &user.environment);
    block_on(user.toolchain(&store, &|_, _| {}))?
}

/// The toolchain that a build here would use, installed if it is not on this machine.
pub(super) fn acquired_here(invocation: &mut Invocation<'_>) -> Result<Toolchain, WireError> {
    let user = User::of(invocation)?;
    online(invocation, async |store, status| user.toolchain(&store, status).await)?
}

/// Whose toolchain is looked for.
struct User {
    directory: Utf8PathBuf,
    environment: BTreeMap<String, String>,
    plus: Option<String>,
    known: KnownToolchains,
}

impl User {
    fn of(invocation: &Invocation<'_>) -> Result<Self, WireError> {
        Ok(Self {
            directory: request::current_directory()?,
            environment: variables(),
            plus: invocation.toolchain.clone(),
            known: KnownToolchains::new(&invocation.environment.downloads.join("known")),
        })
    }

    async fn toolchain(&self, store: &ToolchainStore, status: &Status<'_>) -> Result<Toolchain, WireError> {
        let caller = Caller {
            directory: &self.directory,
            environment: &self.environment,
            plus: self.plus.as_deref(),
            targets: &[],
        };
        let obtained = vx_toolchain::obtain(caller, store, &self.known, status).await;
        obtained.map_err(|error| failure(&error))
    }
}

/// Receives, as a verb and a text, each step that takes time.
type Status<'a> = dyn Fn(&str, String) + Send + Sync + 'a;

/// Does something that may download, and shows the progress.
fn online<T>(
    invocation: &mut Invocation<'_>,
    work: impl AsyncFnOnce(ToolchainStore, &Status<'_>) -> T,
) -> Result<T, WireError> {
    let environment = variables();
    let visible = invocation.screen.verbosity() > Verbosity::Quiet && invocation.screen.is_terminal();
    let transfers = Arc::new(Mutex::new(Transfers::new(visible, invocation.screen.has_colors())));
    let shown = transfers.clone();
    let progress = move |transferred: Transferred<'_>| {
        shown
            .lock()
            .transferred(&transferred.file(), transferred.done, transferred.total);
    };
    let downloads = DownloadCache::new(&invocation.environment.downloads, false)
        .with_proxies_of(|name| environment.get(name).cloned())
        .with_progress(Arc::new(progress));
    let store = ToolchainStore::new(downloads, DistServer::of(&environment));
    let screen = Mutex::new(&mut *invocation.screen);
    let status = |verb: &str, text: String| {
        transfers.lock().above(|| screen.lock().status(verb, text));
    };
    let done = block_on(work(store, &status))?;
    if let Some(text) = transfers.lock().finish() {
        invocation.screen.status("Downloaded", text);
    }
    Ok(done)
}

/// The installed toolchains; nothing is downloaded.
fn store(invocation: &Invocation<'_>, environment: &BTreeMap<String, String>) -> ToolchainStore {
    let downloads = DownloadCache::new(&invocation.environment.downloads, true);
    ToolchainStore::new(downloads, DistServer::of(environment))
}

fn kept(store: &ToolchainStore) -> Result<Vec<KeptToolchain>, WireError> {
    store
        .kept()
        .map_err(|error| machine("cannot list the installed toolchains".to_owned(), &error))
}

fn variables() -> BTreeMap<String, String> {
    request::environment()
        .into_iter()
        .map(|variable| (variable.name, variable.value))
        .collect()
}

/// Unpacking blocks, so one thread is not enough.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, WireError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| WireError::from_error(ErrorKind::Machine, &error))?;
    Ok(runtime.block_on(work))
}

fn no_channel(name: &str) -> WireError {
    let message = format!("`{name}` is not a toolchain that can be downloaded for this machine");
    WireError::new(ErrorKind::Usage, message).with_help(format!(
        "use `stable`, `beta`, `nightly`, a version such as `1.95`, or a channel with a date; `{}` sets the server",
        env::VX_DIST_SERVER
    ))
}

fn not_acquired(channel: &str, error: &AcquireError) -> WireError {
    WireError::new(ErrorKind::Download, format!("cannot install toolchain `{channel}`")).caused_by(error)
}

fn failure(error: &ToolchainError) -> WireError {
    WireError {
        help: error.help(),
        ..WireError::from_error(ErrorKind::Usage, error)
    }
}

fn machine(message: String, error: &std::io::Error) -> WireError {
    WireError::new(ErrorKind::Machine, message).caused_by(error)
}
